//! The type of bodies in the proxy.

use bytes::Bytes;
use http_body_util::combinators::BoxBody;

/// The error of a body that breaks off.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A body of a request or a response.
pub(crate) type Body = BoxBody<Bytes, BoxError>;
