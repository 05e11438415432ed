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
//! route     the path, the method and the authorization
//! context   the body → facts
//! evaluate  facts → the JSON of the response
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

/// The maximum length of a body in bytes. A host need not read a longer one.
pub const MAX_BODY: usize = 65_536;

/// The path of the endpoints, and who may use them.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The path before `/ofrep/v1`; `/` and the empty string are equal.
    pub prefix: String,
    /// The web origins that may read responses, separated by commas; `*` is all, `None` is none.
    pub origins: Option<String>,
    /// The token that a caller must send, as bearer token or `X-API-Key`. Without it, everybody may call.
    pub token: Option<String>,
}

/// The parts of an HTTP request that the protocol uses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'r> {
    /// The method, in upper case.
    pub method: &'r str,
    /// The path without the query.
    pub path: &'r str,
    /// The body; [`None`] if it is longer than [`MAX_BODY`].
    pub body: Option<&'r [u8]>,
    /// The field `authorization`.
    pub authorization: Option<&'r str>,
    /// The field `x-api-key`.
    pub api_key: Option<&'r str>,
    /// The field `if-none-match`.
    pub if_none_match: Option<&'r str>,
    /// The field `origin`.
    pub origin: Option<&'r str>,
    /// The time, in ms since 1970-01-01T00:00:00Z.
    pub now: u64,
    /// The latches in force. Flags that an abort disables are disabled here too.
    pub latches: Option<&'r serin_core::gate::ActiveLatches>,
}

/// An HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The header fields, with names in lower case.
    pub fields: Vec<(&'static str, String)>,
    /// The body: JSON, or empty.
    pub body: String,
}
