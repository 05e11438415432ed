//! Histories of a fleet in host-sim: proxies with the real filter, several VMs each, over a virtual clock. Specs are
//! pushed, refused and edited, clocks jump, VMs and processes restart, the state URL answers well or not, and after
//! each action the invariants of gates hold.
//!
//! A history follows from its seed. `SERIN_HISTORIES` sets how many are run, `SERIN_HISTORY_SEED` runs one and prints
//! it.

mod expected;
mod fleet;
mod proxy;
mod spec;
mod state_url;

use fleet::FleetModel;
use serin_conformance::report::Report;
use serin_conformance::sim;
use serin_history::{self as history, Selection};
use std::process::ExitCode;

/// How many histories `cargo xtask test` runs.
const DEFAULT_HISTORIES: u64 = 100;

fn main() -> ExitCode {
    let mut report = Report::new("histories in host-sim");
    let selection = Selection::from_environment(DEFAULT_HISTORIES);
    report.check("every history keeps the invariants", || {
        let module = sim::filter()?;
        let log = history::check(&FleetModel { module }, selection)?;
        print!("{}", log.unwrap_or_default());
        println!("       {} histories from seed {}", selection.count, selection.first);
        Ok(())
    });
    report.finish()
}
