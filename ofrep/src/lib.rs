//! The OpenFeature Remote Evaluation Protocol over `serin-core`, for every host that speaks HTTP: a
//! [`Request`] in, a [`Response`] out, no I/O, no clock.
//!
//! ```text
//! POST {prefix}/ofrep/v1/evaluate/flags/{key}   one flag
//! POST {prefix}/ofrep/v1/evaluate/flags         all flags, with ETag and 304
//! ```
//!
//! The evaluation context's keys are attributes as a spec names them (`header.x-plan`, `country`,
//! `unit.tenant`, …); `targetingKey` is every unit that nothing else names.
//!
//! ```text
//! route     the path and who may ask
//! context   the body → facts
//! evaluate  facts → the answers' JSON
//! ```
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

mod context;
mod evaluate;
mod route;

pub use route::respond;

/// The longest body that is read; a host that knows the length need not read a longer one.
pub const LARGEST_BODY: usize = 65_536;

/// Where the endpoints are and who may ask.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What stands before `/ofrep/v1`; `/` and nothing mean the same.
    pub prefix: String,
    /// Which web origins may read the answers, separated by commas; `*` for all; none when absent.
    pub origins: Option<String>,
    /// What a caller has to show as bearer token or `X-API-Key`; nothing when absent.
    pub token: Option<String>,
}

/// A request, as far as the protocol looks at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'r> {
    /// The method, in upper case.
    pub method: &'r str,
    /// The path without the query.
    pub path: &'r str,
    /// The body; [`None`] if it is longer than [`LARGEST_BODY`].
    pub body: Option<&'r [u8]>,
    /// The field `authorization`.
    pub authorization: Option<&'r str>,
    /// The field `x-api-key`.
    pub api_key: Option<&'r str>,
    /// The field `if-none-match`.
    pub if_none_match: Option<&'r str>,
    /// The field `origin`.
    pub origin: Option<&'r str>,
    /// The moment, in ms since 1970-01-01T00:00:00Z.
    pub now: u64,
    /// What gates have said: flags that an abort turns off are off here, too.
    pub latches: Option<&'r serin_core::gate::ActiveLatches>,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The fields, names in lower case.
    pub fields: Vec<(&'static str, String)>,
    /// The body, JSON or nothing.
    pub body: String,
}
