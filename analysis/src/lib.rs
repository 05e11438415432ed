//! Analyses of specs for tools: [`lint`] finds likely mistakes, [`moves`] the users that an edit moves,
//! [`debt`] flags to remove, [`planner`] forecasts what gates can detect, and [`replay`] verifies audit
//! records.
//!
//! Hosts do not need this crate. Everything is a pure function of its arguments, the time included: nothing
//! here does I/O or reads a clock, and no input makes it panic.
//!
//! ```
//! use serin_analysis::lint::{Lint, lint};
//! use serin_core::{Plan, Spec, Timestamp};
//!
//! let text = br#"{
//!   "formatVersion": 1,
//!   "units": { "user": [ { "header": "x-user-id" } ] },
//!   "flags": { "checkout": {
//!     "variants": { "on": true, "off": false },
//!     "defaultVariant": "off",
//!     "rules": [
//!       { "serve": "off" },
//!       { "ramp": { "variant": "on", "share": 25 } }
//!     ]
//!   } }
//! }"#;
//! let (spec, plan) = (Spec::from_json(text)?, Plan::from_json(text)?);
//! let now = Timestamp::parse("2026-11-21T12:00:00Z").expect("a timestamp");
//!
//! let findings = lint(&spec, &plan, now);
//! assert_eq!(findings.len(), 1);
//! assert_eq!(findings[0].lint, Lint::UnreachableRule);
//! assert_eq!(findings[0].path, "flags.checkout.rules[1]");
//! # Ok::<(), serin_core::Errors>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(not(test), deny(clippy::unreachable, clippy::indexing_slicing, clippy::string_slice))]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects, clippy::float_arithmetic))]
#![cfg_attr(not(test), deny(clippy::cast_possible_truncation, clippy::cast_sign_loss))]
#![cfg_attr(not(test), deny(clippy::cast_possible_wrap))]

pub mod debt;
pub mod lint;
pub mod moves;
pub mod planner;
pub mod punycode;
pub mod replay;
pub mod steering;
