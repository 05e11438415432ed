//! The decision core of Serin: it decides which version of a service a request goes to, and which
//! variant of each feature flag it gets.
//!
//! ```text
//! spec text ──parse──▶ Spec ──compile──▶ Plan            once per config
//! host ──plan's inputs──▶ Facts ──decide──▶ Decision ──▶ header fields, cookie, record
//! ```
//!
//! The core is a pure function of the plan and the facts. It never reads a clock, the environment,
//! a source of randomness or a host: these are arguments. It does no I/O, has no state between
//! requests, and knows no host. It is `no_std` and gives the same result on every target, to the
//! bit.
//!
//! ```
//! use serin_core::{Decision, Facts, Plan, decide};
//!
//! let spec = br#"{
//!   "formatVersion": 1,
//!   "units": { "user": [ { "header": "x-user-id" } ] },
//!   "rollouts": {
//!     "shop": {
//!       "arms": { "stable": { "target": "shop-v1" }, "canary": { "target": "shop-v2" } },
//!       "baseline": "stable",
//!       "canary": { "share": 25 }
//!     }
//!   }
//! }"#;
//! let plan = Plan::from_json(spec).expect("a good spec");
//!
//! let headers: [(&[u8], &[u8]); 4] = [
//!     (b":method", b"GET"),
//!     (b":authority", b"shop.example.com"),
//!     (b":path", b"/"),
//!     (b"x-user-id", b"ada"),
//! ];
//! let facts = Facts::gather(&plan, headers);
//! let mut decision = Decision::new(&plan);
//! decide(&plan, &facts, &mut decision);
//!
//! assert_eq!(decision.arm(&plan), Some(("shop", "canary")));
//! ```
//!
//! A spec with mistakes is refused whole, and every mistake is reported:
//!
//! ```
//! # use serin_core::Plan;
//! let errors = Plan::from_json(br#"{ "formatVersion": 1, "rolouts": {}, "revision": -1 }"#).unwrap_err();
//! assert_eq!(
//!     errors.to_string(),
//!     "rolouts: unknown field, did you mean rollouts?\n\
//!      revision: -1 is not a whole number from 0 to 9007199254740991",
//! );
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(not(test), deny(clippy::unreachable, clippy::indexing_slicing, clippy::string_slice))]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects, clippy::float_arithmetic))]
#![cfg_attr(not(test), deny(clippy::cast_possible_truncation, clippy::cast_sign_loss))]
#![cfg_attr(not(test), deny(clippy::cast_possible_wrap))]

extern crate alloc;

/// The example of the README, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

mod anonymous;
mod attribute;
mod clock;
mod compile;
mod condition;
mod decide;
mod decision;
mod error;
pub mod explain;
mod facts;
pub mod gate;
mod hash;
pub mod headers;
mod id_keys;
pub mod json;
mod name_map;
pub mod overrides;
mod parse;
mod pin;
pub mod plan;
mod record;
mod schedule;
mod shared_cache;
mod sorted;
pub mod spec;
mod split;
mod structured_field;
mod value;

/// Paths in a document, as errors print them, and operands. Tools that report on a spec use them; hosts do
/// not.
///
/// ```
/// use serin_core::inspect::Path;
///
/// let flags = Path::Root.key("flags");
/// let rules = flags.key("checkout").key("rules").index(1).to_string();
/// assert_eq!(rules, "flags.checkout.rules[1]");
/// ```
pub mod inspect {
    pub use crate::condition::Operand;
    pub use crate::error::{Path, path_step, quoted};
    pub use crate::parse::node::canonical_number;
    pub use crate::value::glob::GlobStep;
    pub use crate::value::semver::VersionRange;
}

pub use attribute::Attribute;
pub use clock::MonotonicClock;
pub use condition::Operator;
pub use decide::{decide, decide_with, evaluate_cohort, evaluate_flag};
pub use decision::{Assignment, Decision, ErrorCode, FlagDecision, Reason, RolloutDecision};
pub use error::{Error, ErrorKind, Errors};
pub use explain::Recorder;
pub use facts::{EarlierIds, Facts, FixedHost, RequestHost};
pub use hash::{Bucket, HASH_VERSION, Purpose, digest};
pub use headers::is_reserved as is_reserved_header;
pub use id_keys::IdKeys;
pub use name_map::NameMap;
pub use overrides::{Override, OverrideError, OverrideKeys};
pub use plan::Plan;
pub use shared_cache::{makes_private, private_fields};
pub use spec::Spec;
pub use value::duration::parse as parse_duration;
pub use value::share::Share;
pub use value::timestamp::Timestamp;
