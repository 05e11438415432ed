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
//! struct Memory(RefCell<BTreeMap<String, Vec<u8>>>);
//!
//! impl Store for Memory {
//!     type Version = ();
//!
//!     fn get(&self, key: &str) -> (Option<Vec<u8>>, ()) {
//!         (self.0.borrow().get(key).cloned(), ())
//!     }
//!
//!     fn set(&self, key: &str, value: &[u8], (): &()) -> Result<(), Conflict> {
//!         self.0.borrow_mut().insert(key.to_owned(), value.to_vec());
//!         Ok(())
//!     }
//!
//!     fn remove(&self, key: &str) {
//!         self.0.borrow_mut().remove(key);
//!     }
//! }
//!
//! let spec = br#"{ "formatVersion": 1,
//!   "units": { "user": [ { "header": "x-user" } ] },
//!   "rollouts": { "shop": {
//!     "arms": { "stable": { "target": "v1" }, "canary": { "target": "v2" } },
//!     "baseline": "stable", "canary": { "share": 50 }, "gates": {} } } }"#;
//! let plan = Plan::from_json(spec).expect("a good spec");
//!
//! // A worker: every request of the canary fails.
//! let mut buffer = TallyBuffer::default();
//! for user in 0..300 {
//!     let user = format!("user-{user}");
//!     let headers: [(&[u8], &[u8]); 2] = [(b":path", b"/"), (b"x-user", user.as_bytes())];
//!     let facts = Facts::gather(&plan, headers);
//!     let mut decision = Decision::new(&plan);
//!     decide(&plan, &facts, &mut decision);
//!     let exposure = decision.exposure(&plan, &facts).expect("a trial");
//!     let trial = plan.rollouts()[0].trial().expect("gates");
//!     let status = if exposure.canary { 500 } else { 200 };
//!     let outcome = Outcome { status, ..Outcome::default() };
//!     assert!(buffer.record(trial, &exposure, &outcome).is_none());
//! }
//! let tallies = vec![("shop".to_owned(), buffer.take().expect("outcomes"))];
//! let batch = OutcomeBatch { digest: plan.digest().to_owned(), tallies };
//!
//! // The judge aborts the rollout.
//! let judge = Judge::new(Memory::default());
//! let taken = judge.take_batch(&plan, &batch, &Latches::default(), 1_795_250_000_000)?;
//! assert_eq!((taken.audits.len(), taken.dropped.len()), (1, 0));
//! assert!(judge.document().latches.get("shop").is_some_and(|latch| latch.abort.is_some()));
//! # Ok::<(), Conflict>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(not(test), deny(clippy::unreachable, clippy::indexing_slicing, clippy::string_slice))]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

extern crate alloc;

mod audit_log;
mod dropped;
mod judge;
mod judge_clock;
mod keys;
mod known_latches;
mod latch_document;
mod lease;
mod outcome_batch;
mod pair;
mod retention;
mod status;
mod store;
mod tally_buffer;

pub use dropped::{DropReason, Dropped};
pub use judge::{Judge, TakenBatch, is_known};
pub use judge_clock::JudgeClock;
pub use keys::shared_monitor_key;
pub use known_latches::KnownLatches;
pub use latch_document::LatchDocument;
pub use lease::Lease;
pub use outcome_batch::OutcomeBatch;
pub use pair::{get_pair, set_pair};
pub use store::{Conflict, Store};
pub use tally_buffer::TallyBuffer;
