//! Gates in host-sim: several workers, a main thread, and a virtual clock, so that every run is equal.

mod chosen_ids;
mod faults;
mod fixture;
mod judging;
mod shadow;

use serin_conformance::report::Report;
use serin_conformance::sim;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut report = Report::new("gates in host-sim");
    let module = match sim::filter() {
        Ok(module) => module,
        Err(why) => {
            report.record("the filter compiles", Err(why));
            return report.finish();
        }
    };
    report.check("one VM aborts, and the next request of each worker obeys", || {
        judging::abort_is_obeyed_at_once(&module)
    });
    report.check("resets are errors, disconnecting clients are not", || {
        judging::resets_and_disconnects(&module)
    });
    report.check("a canary that hangs is aborted by its clients' waiting times", || {
        judging::hanging_canary(&module)
    });
    report.check("a healthy canary continues, and every outcome is counted once", || {
        judging::healthy_canary(&module)
    });
    report.check("a raised epoch restarts the rollout, a lowered one does not", || {
        judging::raised_epoch(&module)
    });
    report.check("another VM takes over from a judge that is gone", || {
        judging::judge_takeover(&module)
    });
    report.check("outcomes that arrive after a new config are counted", || {
        judging::late_outcomes(&module)
    });
    report.check("the webhook call is repeated until it succeeds", || {
        judging::webhook_retries(&module)
    });
    report
        .check("canaries wait until previous aborts are read", || judging::unknown_state(&module));
    report.check("a shadow whose responses differ is counted and aborts", || {
        shadow::diverging_shadow(&module)
    });
    report.check("copies in flight are limited", || shadow::copies_in_flight(&module));
    report.check("clients with chosen ids abort a healthy canary if all units count", || {
        chosen_ids::chosen_ids(&module, "all")
    });
    report.check("clients with chosen ids abort nothing if verified units count", || {
        chosen_ids::chosen_ids(&module, "verified")
    });
    report.check("verified units alone make no more host calls", || {
        chosen_ids::verified_host_calls(&module)
    });
    report
        .check("a plan without gates makes no host calls for gates", || judging::no_gates(&module));
    report.check("pushes more often than the tick do not keep an abort back", || {
        faults::pushes_between_ticks(&module)
    });
    report.check("an abort outlives its gates and its rollout", || {
        faults::abort_outlives_gates(&module)
    });
    report.check("a config without a spec is refused, and the plan stays", || {
        faults::empty_spec(&module)
    });
    report.check("a clock that is set back holds each step, across pushes", || {
        faults::clock_set_back(&module)
    });
    report.check("a clock that jumps ahead and back starts no step and stops no timer", || {
        faults::clock_jumps_ahead(&module)
    });
    report.check("a canary that never responds is aborted", || faults::silent_canary(&module));
    report
        .check("a client that is still sending is not waited for", || faults::slow_upload(&module));
    report.check("outcomes that are no evidence are counted", || faults::dropped_outcomes(&module));
    report.finish()
}
