//! A proxy-wasm host as a library: runs a filter and shows what it does, without a proxy.
//!
//! It takes any filter for proxy-wasm 0.1.0, 0.2.0 or 0.2.1, offers every call that an HTTP filter
//! may make, and answers as Envoy does: headers exist only in their phase, with Envoy's status codes;
//! local replies pass through the filter's own response callbacks; a stream ends with
//! `proxy_on_log`, `proxy_on_done` and `proxy_on_delete`. The clock stands still until a test moves
//! it, and randomness comes from a seed, so equal runs give equal results.
//!
//! The guest is not trusted: [`Limits`] bound its memory, time, bodies, headers, logs and everything
//! else that it makes the host keep. A trap becomes an [`Error`] and is handled by the
//! [`FailPolicy`]; the host does not panic.
//!
//! # The parts
//!
//! - [`Plugin`]: a configured filter on one or more workers, each with its own VM.
//!   [`PluginBuilder`] has its settings; [`Shared`] is the process that the VMs share: data, queues
//!   and metrics.
//! - [`Stream`]: one request and its response. Send in what the client and the upstream send; every
//!   step returns an [`Action`].
//! - [`HttpCall`]: a request that the filter makes itself, answered by a closure or by hand.
//! - [`Clock`] and [`Entropy`]: where the filter's time and randomness come from.
//! - [`Stats`]: host calls by name, and fuel: exact, for tests that guard costs.
//! - [`Error`] and [`ErrorKind`]: why a filter could not be loaded, or failed.
//!
//! # Example
//!
//! A filter in WebAssembly's text format that answers `/secret` itself and marks every other request:
//!
//! ```
//! use serin_host_sim::{Action, Plugin, StreamInfo};
//!
//! # let wasm = wat::parse_str(r#"
//! (module
//!   (import "env" "proxy_get_header_map_value"
//!     (func $get (param i32 i32 i32 i32 i32) (result i32)))
//!   (import "env" "proxy_replace_header_map_value"
//!     (func $replace (param i32 i32 i32 i32 i32) (result i32)))
//!   (import "env" "proxy_send_local_response"
//!     (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
//!   (memory (export "memory") 1)
//!   (data (i32.const 0) ":path/secretx-seenyesno such page")
//!   (global $heap (mut i32) (i32.const 4096))
//!   (func (export "proxy_abi_version_0_2_1"))
//!   (func (export "malloc") (param $size i32) (result i32)
//!     (global.get $heap)
//!     (global.set $heap (i32.add (global.get $heap) (local.get $size))))
//!   (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
//!     ;; Is the path seven bytes long? This filter is easily satisfied.
//!     (drop (call $get (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 100) (i32.const 104)))
//!     (if (i32.eq (i32.load (i32.const 104)) (i32.const 7))
//!       (then (drop (call $reply (i32.const 404) (i32.const 0) (i32.const 0)
//!         (i32.const 21) (i32.const 12) (i32.const 0) (i32.const 0) (i32.const -1)))))
//!     (drop (call $replace (i32.const 0)
//!       (i32.const 12) (i32.const 6) (i32.const 18) (i32.const 3)))
//!     (i32.const 0)))
//! # "#)?;
//! let plugin = Plugin::builder(wasm).configuration("{}").build()?;
//!
//! let mut stream = plugin.stream(StreamInfo::new().source("192.0.2.7:55555"));
//! let action = stream.send_request_headers([(":method", "GET"), (":path", "/welcome")], true);
//! assert_eq!(action, Action::Continue);
//! assert_eq!(stream.request_headers().get_str("x-seen"), Some("yes"));
//! stream.send_response_headers([(":status", "200")], true);
//! stream.finish();
//! assert_eq!(stream.stats().host_call_count(), 2);
//!
//! let mut stream = plugin.stream(StreamInfo::new());
//! let action = stream.send_request_headers([(":method", "GET"), (":path", "/secret")], true);
//! let reply = action.local_reply().expect("a reply");
//! assert_eq!((reply.status, &reply.body[..]), (404, &b"no such page"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(missing_debug_implementations)]
// What is public can gain a field or a variant in any release.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod abi;
mod action;
mod builder;
mod clock;
mod context;
mod entropy;
mod environment;
mod error;
mod exchange;
mod half;
mod headers;
mod http_call;
mod lifecycle;
mod limits;
mod local_reply;
mod logbook;
mod metrics;
mod module;
mod pairs;
mod plugin;
mod restart;
mod shared;
mod state;
mod stats;
mod status;
mod stream;
mod stream_info;
mod value;
mod vm;
mod worker;

pub use action::{Action, LocalReply};
pub use builder::PluginBuilder;
pub use clock::{Clock, SystemClock, VirtualClock};
pub use entropy::Entropy;
pub use environment::FailPolicy;
pub use error::{Error, ErrorKind};
pub use headers::HeaderMap;
pub use http_call::{HttpCall, HttpCallId, HttpResponse};
pub use limits::Limits;
pub use logbook::LogLine;
pub use metrics::{Metric, MetricKind, Metrics};
pub use module::{Abi, Module};
pub use plugin::Plugin;
pub use shared::Shared;
pub use stats::Stats;
pub use status::{LogLevel, Status};
pub use stream::Stream;
pub use stream_info::StreamInfo;
pub use value::Value;
