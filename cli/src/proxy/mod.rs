//! An HTTP reverse proxy that runs a filter on every request and routes by what the filter sets.

mod bodies;
mod calls;
mod exchange;
mod fields;
mod ofrep;
mod replies;
mod table;
mod upgrade;

pub(crate) use table::{Table, Upstream};

use bytes::Bytes;
use calls::Calls;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use serin_host_sim::Plugin;
use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;

/// Whatever breaks a body off.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A body on its way.
pub(crate) type Body = BoxBody<Bytes, BoxError>;

/// How long connections may finish what they do when the proxy stops.
const GRACE: Duration = Duration::from_secs(10);
/// How often the filter's timers are looked at.
const TICK: Duration = Duration::from_millis(50);

/// What a proxy is made of.
pub(crate) struct Settings {
    pub(crate) plugin: Plugin,
    pub(crate) table: Table,
    pub(crate) clusters: HashMap<String, Upstream>,
    pub(crate) timeout: Duration,
    /// Where flags are evaluated for apps, if anywhere.
    pub(crate) ofrep: Option<serin_ofrep::Settings>,
}

/// A proxy. It can be told of a new table while it runs.
pub(crate) struct Proxy {
    plugin: Plugin,
    table: Mutex<Arc<Table>>,
    client: Client<HttpConnector, Body>,
    calls: Calls,
    timeout: Duration,
    ofrep: Option<serin_ofrep::Settings>,
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
        })
    }

    /// The table as it is now.
    pub(crate) fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_table(&self, table: Table) {
        *self.table.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    /// Gives the filter a new configuration; a bad one changes nothing.
    pub(crate) async fn reconfigure(&self, json: Vec<u8>) -> Result<(), String> {
        let plugin = self.plugin.clone();
        let done = tokio::task::spawn_blocking(move || plugin.reconfigure(json)).await;
        match done {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Serves until `stop` is done, then lets what is under way finish.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) {
        let ticker = tokio::spawn(tick(Arc::clone(&self)));
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        let mut next = 0_usize;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut stop => break,
            };
            let Ok((socket, peer)) = accepted else {
                // Out of file descriptors, say: wait for some to come back.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let _ = socket.set_nodelay(true);
            let local = socket.local_addr().unwrap_or(peer);
            let connection = Connection { worker: next % self.plugin.workers(), peer, local };
            next = next.wrapping_add(1);
            let proxy = Arc::clone(&self);
            let service = hyper::service::service_fn(move |request| {
                answer(Arc::clone(&proxy), connection, request)
            });
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
            let served =
                server.serve_connection_with_upgrades(TokioIo::new(socket), service).into_owned();
            let served = graceful.watch(served);
            tokio::spawn(async move {
                // A client that goes away is no news.
                let _ = served.await;
            });
        }
        drop(listener);
        tokio::select! {
            () = graceful.shutdown() => {}
            () = tokio::time::sleep(GRACE) => {}
        }
        ticker.abort();
        self.plugin.shut_down();
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Broken>> + Send>>;

/// Why there is no response at all: the connection ends.
#[derive(Debug)]
struct Broken(BoxError);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Broken {}

/// Here if it is about flags for apps, else through the filter to an upstream.
fn answer(proxy: Arc<Proxy>, connection: Connection, request: Request<Incoming>) -> Answer {
    let path = request.uri().path();
    if proxy.ofrep.as_ref().is_some_and(|ofrep| ofrep.covers(path)) {
        return Box::pin(async move { Ok(ofrep::answer(&proxy, request).await) });
    }
    Box::pin(async move { exchange::run(proxy, connection, request).await.map_err(Broken) })
}

/// Who is connected, and the worker that serves all of its streams, as in Envoy.
#[derive(Clone, Copy)]
pub(crate) struct Connection {
    worker: usize,
    peer: SocketAddr,
    local: SocketAddr,
}

async fn tick(proxy: Arc<Proxy>) {
    let mut interval = tokio::time::interval(TICK);
    loop {
        interval.tick().await;
        if proxy.plugin.next_due_nanos().is_some() {
            let plugin = proxy.plugin.clone();
            // A guest may take its time in a tick.
            let _ = tokio::task::spawn_blocking(move || plugin.tick()).await;
            proxy.calls.dispatch();
        }
    }
}
