//! A version of a service: answers with its name and the flags it was told, and fails when told to.

use crate::client::{Fields, read_message};
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A running version. Its threads end with the process.
pub struct Service {
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    /// Of 100 requests, so many fail.
    failing: AtomicU64,
    /// A failure is an answer that breaks off.
    cuts: AtomicBool,
    /// How long an answer takes, in ms.
    takes: AtomicU64,
    /// Whether answers carry `x-order`.
    sells: AtomicBool,
    asked: AtomicU64,
    seen: Mutex<Seen>,
    body: Mutex<String>,
}

#[derive(Default)]
struct Seen {
    last: Option<Instant>,
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
            failing: AtomicU64::new(0),
            cuts: AtomicBool::new(false),
            takes: AtomicU64::new(0),
            sells: AtomicBool::new(true),
            asked: AtomicU64::new(0),
            seen: Mutex::default(),
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

    /// From now on so many of 100 requests get a 500.
    pub fn fail(&self, percent: u64) {
        self.inner.failing.store(percent, Ordering::Relaxed);
    }

    /// From now on every answer is one of status 200 that breaks off.
    pub fn cut(&self) {
        self.inner.cuts.store(true, Ordering::Relaxed);
        self.fail(100);
    }

    /// From now on every answer takes so many ms.
    pub fn take(&self, ms: u64) {
        self.inner.takes.store(ms, Ordering::Relaxed);
    }

    /// From now on no answer carries `x-order`.
    pub fn sell_nothing(&self) {
        self.inner.sells.store(false, Ordering::Relaxed);
    }

    /// From now on this is the answer's first line.
    pub fn say(&self, text: &str) {
        *lock(&self.inner.body) = text.into();
    }

    /// How many requests have come in.
    pub fn asked(&self) -> u64 {
        self.inner.asked.load(Ordering::Relaxed)
    }

    /// When the last request came in.
    pub fn last(&self) -> Option<Instant> {
        lock(&self.inner.seen).last
    }

    /// What was posted.
    pub fn posted(&self) -> Vec<String> {
        lock(&self.inner.seen).posted.clone()
    }
}

impl Inner {
    fn serve(&self, stream: &TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut reader = BufReader::new(stream);
        while let Ok(request) = read_message(&mut reader, true) {
            let number = self.asked.fetch_add(1, Ordering::Relaxed);
            let mut seen = lock(&self.seen);
            seen.last = Some(Instant::now());
            if request.start.starts_with("POST ") {
                seen.posted.push(String::from_utf8_lossy(&request.body).into_owned());
            }
            drop(seen);
            // Spread evenly: 37 is coprime to 100.
            let fails = number * 37 % 100 < self.failing.load(Ordering::Relaxed);
            let cut = fails && self.cuts.load(Ordering::Relaxed);
            let takes = self.takes.load(Ordering::Relaxed);
            if takes > 0 {
                std::thread::sleep(Duration::from_millis(takes));
            }
            let status = if fails && !cut { "500 Internal Server Error" } else { "200 OK" };
            let body = self.body(&request.fields);
            let length = body.len() + if cut { 100 } else { 0 };
            let name = &self.name;
            let order = if self.sells.load(Ordering::Relaxed) { "x-order: 1\r\n" } else { "" };
            let answer = format!(
                "HTTP/1.1 {status}\r\nx-version: {name}\r\n{order}content-length: {length}\r\n\r\n{body}"
            );
            let mut writer = stream;
            if writer.write_all(answer.as_bytes()).is_err() || cut {
                return;
            }
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
