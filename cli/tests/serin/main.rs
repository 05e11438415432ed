//! Tests of the `serin` command: its output, and its servers over real sockets with small filters.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the tests run the command as a process, with files and sockets"
)]

mod check;
mod command;
mod diff;
mod drill;
mod explain;
mod export;
mod fix;
mod guarded;
#[allow(dead_code)]
#[path = "../../../host-sim/tests/host/guest.rs"]
mod guest;
mod http;
mod import;
mod init;
mod overrides;
mod planner;
mod readable;
mod replay_audit;
mod serve;
