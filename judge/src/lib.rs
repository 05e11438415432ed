//! The judge: the owner of a rollout's evidence.
//!
//! ```text
//! outcomes ──TallyBuffer──▶ OutcomeBatch ──Judge──▶ tallies ──Monitor──▶ verdict ──▶ LatchDocument, Audit
//!                           every worker            one owner for each rollout
//! ```
//!
//! Workers count outcomes in a [`TallyBuffer`] and hand them to the judge. The [`Judge`] adds them up in a
//! [`Store`], evaluates the trial and changes its latch. The store is shared data of an Envoy, the storage of a
//! Durable Object, or a database: the judge reads and writes values by key and never assumes that it is
//! alone.
//!
//! Nothing here does I/O, reads a clock or keeps state outside the store.
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
