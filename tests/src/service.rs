//! An HTTP service under test: responds with its name and the flags of the request, and fails on
//! demand.

use crate::client::{Fields, Message, read_message};
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A running version of a service. Its threads end with the process.
pub struct Service {
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    /// The share of requests that fail, in per cent.
    error_percent: AtomicU64,
    /// Whether a failure is a truncated response instead of a 500.
    truncates: AtomicBool,
    /// The delay of each response, in ms.
    delay_ms: AtomicU64,
    /// Whether responses carry `x-order`.
    sends_order: AtomicBool,
    request_count: AtomicU64,
    requests: Mutex<Requests>,
    body: Mutex<String>,
}

#[derive(Default)]
struct Requests {
    last_at: Option<Instant>,
    posted: Vec<String>,
}

impl Service {
    /// Listens on a free port of loopback.
    pub fn start(name: &str) -> Result<Self, String> {
        let bound = TcpListener::bind("127.0.0.1:0");
        let listener = bound.map_err(|error| format!("no port for {name}: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let inner = Arc::new(Inner {
            name: name.into(),
            error_percent: AtomicU64::new(0),
            truncates: AtomicBool::new(false),
            delay_ms: AtomicU64::new(0),
            sends_order: AtomicBool::new(true),
            request_count: AtomicU64::new(0),
            requests: Mutex::default(),
            body: Mutex::new(format!("{name}\n")),
        });
        let shared = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let inner = Arc::clone(&shared);
                std::thread::spawn(move || inner.serve(&stream));
            }
        });
        Ok(Self { address, inner })
    }

    /// Lets this share of requests fail with a 500, in per cent.
    pub fn set_error_percent(&self, percent: u64) {
        self.inner.error_percent.store(percent, Ordering::Relaxed);
    }

    /// Truncates every response; its status is 200.
    pub fn truncate_responses(&self) {
        self.inner.truncates.store(true, Ordering::Relaxed);
        self.set_error_percent(100);
    }

    /// Delays every response by this many ms.
    pub fn set_delay_ms(&self, ms: u64) {
        self.inner.delay_ms.store(ms, Ordering::Relaxed);
    }

    /// Omits `x-order` from responses.
    pub fn omit_order_field(&self) {
        self.inner.sends_order.store(false, Ordering::Relaxed);
    }

    /// Sets the first line of the response body.
    pub fn set_body(&self, text: &str) {
        *lock(&self.inner.body) = text.into();
    }

    /// The number of requests so far.
    pub fn request_count(&self) -> u64 {
        self.inner.request_count.load(Ordering::Relaxed)
    }

    /// When the last request arrived.
    pub fn last_request_at(&self) -> Option<Instant> {
        lock(&self.inner.requests).last_at
    }

    /// The bodies of all POST requests so far.
    pub fn posted(&self) -> Vec<String> {
        lock(&self.inner.requests).posted.clone()
    }
}

impl Inner {
    fn serve(&self, stream: &TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut reader = BufReader::new(stream);
        while let Ok(request) = read_message(&mut reader, false) {
            let number = self.request_count.fetch_add(1, Ordering::Relaxed);
            self.record(&request);
            // 37 is coprime to 100, so failures are spread evenly.
            let fails = number * 37 % 100 < self.error_percent.load(Ordering::Relaxed);
            let truncated = fails && self.truncates.load(Ordering::Relaxed);
            let delay_ms = self.delay_ms.load(Ordering::Relaxed);
            if delay_ms > 0 {
                std::thread::sleep(Duration::from_millis(delay_ms));
            }
            let status = if fails && !truncated { "500 Internal Server Error" } else { "200 OK" };
            let body = self.body(&request.fields);
            let length = body.len() + if truncated { 100 } else { 0 };
            let name = &self.name;
            let sends_order = self.sends_order.load(Ordering::Relaxed);
            let order = if sends_order { "x-order: 1\r\n" } else { "" };
            let response = format!(
                "HTTP/1.1 {status}\r\nx-version: {name}\r\n{order}content-length: {length}\r\n\r\n{body}"
            );
            let mut writer = stream;
            if writer.write_all(response.as_bytes()).is_err() || truncated {
                return;
            }
        }
    }

    fn record(&self, request: &Message) {
        let mut requests = lock(&self.requests);
        requests.last_at = Some(Instant::now());
        if request.start.starts_with("POST ") {
            requests.posted.push(request.text());
        }
    }

    fn body(&self, fields: &Fields) -> String {
        let mut body = lock(&self.body).clone();
        for (name, value) in fields.iter().filter(|(name, _)| name == "serin-flags") {
            body.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value)));
        }
        body
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
