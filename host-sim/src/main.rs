//! The `serin` command: checks specs, serves them through the real filter, shows a demo.

mod cli;
mod proxy;

fn main() -> std::process::ExitCode {
    cli::main()
}
