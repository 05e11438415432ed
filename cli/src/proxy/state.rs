//! The state of a proxy: its filter, its table of upstreams and its HTTP client.

use super::body::Body;
use super::calls::Calls;
use super::table::{Table, Upstream};
use crate::clock;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serin_core::MonotonicClock;
use serin_host_sim::Plugin;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The parts of a new proxy.
pub(crate) struct Settings {
    pub(crate) plugin: Plugin,
    pub(crate) table: Table,
    pub(crate) clusters: HashMap<String, Upstream>,
    pub(crate) timeout: Duration,
    /// The settings of OFREP, if it is served.
    pub(crate) ofrep: Option<serin_ofrep::Settings>,
}

/// A proxy. Its table can be replaced while it runs.
pub(crate) struct Proxy {
    pub(super) plugin: Plugin,
    table: Mutex<Arc<Table>>,
    pub(super) client: Client<HttpConnector, Body>,
    pub(super) calls: Calls,
    pub(super) timeout: Duration,
    pub(super) ofrep: Option<serin_ofrep::Settings>,
    /// The clock of flag evaluation, which never goes back, like the filter's own.
    clock: Mutex<MonotonicClock>,
}

impl Proxy {
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(settings.timeout.min(Duration::from_secs(5))));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Arc::new(Self {
            calls: Calls::new(settings.plugin.clone(), client.clone(), settings.clusters),
            plugin: settings.plugin,
            table: Mutex::new(Arc::new(settings.table)),
            client,
            timeout: settings.timeout,
            ofrep: settings.ofrep,
            clock: Mutex::default(),
        })
    }

    /// The time of flag evaluation, in ms since 1970.
    pub(super) fn now(&self) -> u64 {
        let reading = clock::now().unix_ms();
        let clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        clock.advance(Some(reading)).unwrap_or(reading)
    }

    /// The current table.
    pub(crate) fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the table.
    pub(crate) fn set_table(&self, table: Table) {
        *self.table.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    /// Reconfigures the filter. A configuration that it refuses changes nothing.
    pub(crate) async fn reconfigure(&self, json: Vec<u8>) -> Result<(), String> {
        let plugin = self.plugin.clone();
        let done = tokio::task::spawn_blocking(move || plugin.reconfigure(json)).await;
        match done {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}
