//! `cargo xtask bench gates`: the gates' simulations, built with optimisation.

use crate::process::{self, TaskResult};

/// Runs the simulations with these arguments.
pub(crate) fn task(args: &[String]) -> TaskResult {
    let mut cargo = process::cargo(&["run", "--quiet", "--release"]);
    cargo.args(["--package", "serin-bench-gates", "--"]).args(args);
    process::run(&mut cargo)
}
