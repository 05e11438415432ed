//! The `serin` command: checks specs, serves them through the real filter, shows a demo.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the command reads files, the environment and the clock, and talks to the network"
)]

mod cli;
mod proxy;

/// As shells count a program that ended for want of a reader: 128 and SIGPIPE.
const NO_READER: i32 = 141;

fn main() -> std::process::ExitCode {
    end_quietly_without_a_reader();
    cli::main()
}

/// `serin … | head` has seen enough: nothing went wrong. The standard library's printing knows no other way
/// than a panic.
fn end_quietly_without_a_reader() {
    let otherwise = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or_default();
        if text.starts_with("failed printing to std") && text.contains("Broken pipe") {
            std::process::exit(NO_READER);
        }
        otherwise(panic);
    }));
}
