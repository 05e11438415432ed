//! A client's connection.

use std::net::SocketAddr;

/// A client's connection, and the worker that serves all of its streams, as in Envoy.
#[derive(Clone, Copy)]
pub(crate) struct Connection {
    pub(super) worker: usize,
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
}
