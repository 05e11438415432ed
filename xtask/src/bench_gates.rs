//! `cargo xtask bench gates`: simulations of the gates, optimised, with their output passed through.

use crate::shell::{self, Outcome};

/// Runs the simulations; arguments go to them.
pub(crate) fn task(args: &[String]) -> Outcome {
    let mut cargo = shell::cargo(&["run", "--quiet", "--release"]);
    cargo.args(["--package", "serin-bench-gates", "--"]).args(args);
    shell::run(&mut cargo)
}
