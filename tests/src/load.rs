//! A load generator on loopback: a few clients with persistent connections that record every response.

use crate::client::{Message, read_message};
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The number of concurrent clients.
const CLIENTS: usize = 6;
/// The pause between two requests of a client; it bounds the load.
pub(crate) const PAUSE: Duration = Duration::from_millis(2);
const TIMEOUT: Duration = Duration::from_secs(60);

/// One request and its response.
pub struct Exchange {
    /// When the request was sent.
    pub sent: Instant,
    /// When the response was complete.
    pub answered: Instant,
    /// The status code; 0 without a response.
    pub status: u16,
    /// The version of the service that responded, from `x-version`.
    pub version: String,
    /// The number of the user who sent the request.
    pub user: usize,
}

/// Clients that send requests until they are stopped.
pub struct LoadGenerator {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Exchange>>>,
}

impl LoadGenerator {
    /// Starts the clients, which send requests as `users` users in turn, by `x-user-id`.
    pub fn start(to: SocketAddr, users: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |number| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || run(to, number, users, &stop))
        };
        Self { clients: (0..CLIENTS).map(client).collect(), stop }
    }

    /// Stops the clients after the current request of each; returns all exchanges in the order of
    /// sending.
    pub fn stop(self) -> Result<Vec<Exchange>, String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut exchanges = Vec::new();
        for client in self.clients {
            exchanges.extend(client.join().map_err(|_| "a client panicked".to_string())?);
        }
        exchanges.sort_by_key(|exchange| exchange.sent);
        Ok(exchanges)
    }
}

/// Runs one client. Clients share no users: `first`, `first + CLIENTS` and so on are this client's.
fn run(to: SocketAddr, first: usize, users: usize, stop: &AtomicBool) -> Vec<Exchange> {
    let (mut exchanges, mut user) = (Vec::new(), first);
    let mut connection: Option<BufReader<TcpStream>> = None;
    while !stop.load(Ordering::Relaxed) {
        let sent = Instant::now();
        let request = format!("GET / HTTP/1.1\r\nhost: shop\r\nx-user-id: user-{user}\r\n\r\n");
        let response = send(to, &mut connection, &request);
        let (mut status, mut version) = (0, String::new());
        match response {
            Ok(response) => {
                status = response.status();
                version = response.field("x-version").unwrap_or_default();
            }
            Err(_) => connection = None,
        }
        exchanges.push(Exchange { sent, answered: Instant::now(), status, version, user });
        user = if user + CLIENTS < users { user + CLIENTS } else { first };
        std::thread::sleep(PAUSE);
    }
    exchanges
}

/// Sends a request on a persistent connection, which is opened first if there is none.
pub(crate) fn send(
    to: SocketAddr,
    connection: &mut Option<BufReader<TcpStream>>,
    request: &str,
) -> std::io::Result<Message> {
    if connection.is_none() {
        let stream = TcpStream::connect_timeout(&to, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        *connection = Some(BufReader::new(stream));
    }
    let Some(reader) = connection else { return Err(std::io::ErrorKind::NotConnected.into()) };
    reader.get_mut().write_all(request.as_bytes())?;
    read_message(reader, false)
}
