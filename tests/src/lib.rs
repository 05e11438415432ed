//! The conformance suite: one set of vectors, and the code that the runners of all hosts share.
//!
//! - [`vector`] reads `vectors/*.json` (`vectors/README.md` describes the format).
//! - [`outcome`] holds what a host did with a request and compares it with a vector's expectation.
//! - [`native`] decides with `serin-core` in this process; other hosts are compared with it.
//! - [`report`] counts cases and prints failures, skips and the summary.
//! - [`random`] generates specs and requests from a seed.
//!
//! The feature `hosts` adds what real proxies need: an HTTP client that sends any bytes, upstreams
//! that record requests, signed tokens, load, and Envoy as a child process.

#[cfg(feature = "hosts")]
pub mod client;
pub mod clock;
#[cfg(feature = "hosts")]
pub mod envoy;
pub mod example_requests;
pub mod host_entropy;
pub mod http2;
#[cfg(feature = "hosts")]
pub mod jwt;
#[cfg(feature = "hosts")]
pub mod load;
pub mod native;
pub mod outcome;
pub mod override_token;
pub mod protobuf;
pub mod random;
pub mod report;
#[cfg(feature = "hosts")]
pub mod serin_cli;
#[cfg(feature = "hosts")]
pub mod service;
#[cfg(feature = "hosts")]
pub mod sessions;
#[cfg(feature = "hosts")]
pub mod sim;
pub mod totality;
#[cfg(feature = "hosts")]
pub mod upstream;
pub mod vector;
