//! Drift: the differences between what hosts run and the spec in git, in revision, digest, document and aborts.
//!
//! ```
//! use serde_json::json;
//! use serin_core::Timestamp;
//! use serin_fleet::drift::{ExpectedSpec, check, worker};
//!
//! let document = json!({"formatVersion": 1, "revision": 4});
//! let expected = ExpectedSpec { document: &document, revision: 4, digest: "9f0c" };
//! let page = json!({"spec": {"revision": 3, "digest": "51aa", "source": "kv"}});
//! let drift = check(expected, worker(&page)?, Timestamp::from_unix_ms(1_795_262_400_000));
//! assert!(!drift.is_in_sync());
//! assert_eq!(drift.reasons, ["kv: revision 3 (51aa), an older one"]);
//! # Ok::<(), serin_fleet::drift::PageError>(())
//! ```

mod check;
mod envoy;
mod report;
mod status;
mod worker;

pub use check::{Drift, ExpectedSpec, HostKind, HostResult, check, exit_code};
pub use envoy::{CONFIG_PATH, STATS_PATH, envoy};
pub use report::{json, text};
pub use status::{AbortStatus, DeployedSpec, HostStatus, PageError};
pub use worker::worker;
