//! An HTTP reverse proxy that runs the filter on every request, and routes by the headers that it sets.

pub(crate) mod arms;
mod bodies;
mod body;
mod calls;
mod connection;
mod exchange;
mod fields;
mod ofrep;
mod replies;
pub(crate) mod runtime;
mod server;
mod shared_stream;
mod state;
mod table;
mod upgrade;

pub(crate) use server::serve;
pub(crate) use state::{Proxy, Settings};
pub(crate) use table::{Table, Upstream};
