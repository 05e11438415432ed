//! The conformance suite: one set of vectors, and what every host's runner shares.
//!
//! [`vector`] reads `vectors/*.json` (their format is described in `vectors/README.md`),
//! [`outcome`] says what a host did with a request and how that differs from what a vector expects,
//! [`native`] is the first host and the measure of the others, [`report`] counts and prints,
//! [`random`] makes specs and requests for what no list of cases can cover.
//! With the feature `hosts` there are also the parts that real proxies need: a client that sends
//! any bytes, upstreams that remember what they saw, signed tokens, and Envoy as a child process.

#[cfg(feature = "hosts")]
pub mod client;
pub mod crowd;
#[cfg(feature = "hosts")]
pub mod envoy;
#[cfg(feature = "hosts")]
pub mod jwt;
#[cfg(feature = "hosts")]
pub mod load;
pub mod minted;
pub mod native;
pub mod outcome;
#[cfg(feature = "hosts")]
pub mod overrides;
pub mod protobuf;
pub mod random;
pub mod report;
#[cfg(feature = "hosts")]
pub mod service;
#[cfg(feature = "hosts")]
pub mod sessions;
#[cfg(feature = "hosts")]
pub mod sim;
pub mod token;
pub mod totality;
#[cfg(feature = "hosts")]
pub mod upstream;
pub mod vector;
