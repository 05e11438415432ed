//! The judge: the owner of a rollout's evidence.
//!
//! ```text
//! outcomes ──TallyBuffer──▶ OutcomeBatch ──Judge──▶ tallies ──Monitor──▶ verdict ──▶ LatchDocument, Audit
//!                           every worker            one owner for each rollout
//! ```
//!
//! Workers count outcomes in a [`TallyBuffer`] and send them to the judge in an [`OutcomeBatch`]. The [`Judge`]
//! adds them up in a [`Store`], evaluates the trial and changes its latch. The store is shared data of an Envoy,
//! the storage of a Durable Object, or a database. The judge reads and writes values by key and allows for
//! other judges of the same store.
//!
//! Nothing here does I/O, reads a clock or has state outside the store.
//!
//! ```
//! use std::cell::RefCell;
//! use std::collections::BTreeMap;
//!
//! use serin_core::gate::{Latches, Outcome};
//! use serin_core::{Decision, Facts, Plan, decide};
//! use serin_judge::{Conflict, Judge, OutcomeBatch, Store, TallyBuffer};
//!
//! /// A store with one owner needs no versions.
//! #[derive(Default)]
//! struct Memory(RefCell<BTreeMap<String, Vec<u8
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

mod audit_log;
mod judge;
mod keys;
mod known_latches;
mod latch_document;
mod outcome_batch;
mod retention;
mod status;
mod store;
mod tally_buffer;

pub use judge::Judge;
pub use keys::shared_monitor_key;
pub use known_latches::KnownLatches;
pub use latch_document::LatchDocument;
pub use outcome_batch::OutcomeBatch;
pub use store::{Conflict, Store};
pub use tally_buffer::TallyBuffer;
