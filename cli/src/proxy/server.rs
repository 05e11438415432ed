//! The server: accepts connections, and sends each request through the filter or to OFREP.

use super::body::{Body, BoxError};
use super::connection::Connection;
use super::state::Proxy;
use super::{exchange, ofrep};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long open requests may take to finish when the proxy stops.
const GRACE: Duration = Duration::from_secs(10);
/// How often the filter's timers are checked.
const TICK: Duration = Duration::from_millis(50);

/// Serves until `stop` completes, then waits for the open requests.
pub(crate) async fn serve(
    proxy: Arc<Proxy>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) {
    let ticker = tokio::spawn(tick(Arc::clone(&proxy)));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    let mut next = 0_usize;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let Ok((socket, peer)) = accepted else {
            // Most likely there is no free file descriptor: wait for one.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let _ = socket.set_nodelay(true);
        let local = socket.local_addr().unwrap_or(peer);
        let connection = Connection { worker: next % proxy.plugin.workers(), peer, local };
        next = next.wrapping_add(1);
        let handle = Arc::clone(&proxy);
        let service = hyper::service::service_fn(move |request| {
            answer(Arc::clone(&handle), connection, request)
        });
        let mut server = auto::Builder::new(TokioExecutor::new());
        server.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
        let served =
            server.serve_connection_with_upgrades(TokioIo::new(socket), service).into_owned();
        let served = graceful.watch(served);
        tokio::spawn(async move {
            // An error means that the client has closed the connection.
            let _ = served.await;
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(GRACE) => {}
    }
    ticker.abort();
    proxy.plugin.shut_down();
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Broken>> + Send>>;

/// The error that closes a connection without a response.
#[derive(Debug)]
struct Broken(BoxError);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Broken {}

/// Responds by OFREP if the path is one of its own, else through the filter.
fn answer(proxy: Arc<Proxy>, connection: Connection, request: Request<Incoming>) -> Answer {
    let path = request.uri().path();
    if proxy.ofrep.as_ref().is_some_and(|ofrep| ofrep.covers(path)) {
        return Box::pin(async move { Ok(ofrep::answer(&proxy, request).await) });
    }
    Box::pin(async move { exchange::run(proxy, connection, request).await.map_err(Broken) })
}

async fn tick(proxy: Arc<Proxy>) {
    let mut interval = tokio::time::interval(TICK);
    loop {
        interval.tick().await;
        if proxy.plugin.next_due_nanos().is_some() {
            let plugin = proxy.plugin.clone();
            // A tick of the filter may block.
            let _ = tokio::task::spawn_blocking(move || plugin.tick()).await;
            proxy.calls.dispatch();
        }
    }
}
