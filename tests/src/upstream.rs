//! An upstream that answers every request with its own name and remembers the fields it saw.

use crate::client::{Fields, read_message};
use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The field that tells the upstream which case a request belongs to.
pub const CASE_FIELD: &str = "x-conformance-case";

type Seen = Arc<Mutex<HashMap<String, Fields>>>;

/// A running upstream. Its threads end with the process.
pub struct Upstream {
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    seen: Seen,
}

impl Upstream {
    /// Listens on a free port of loopback.
    pub fn start(name: &str) -> Result<Self, String> {
        let bound = TcpListener::bind("127.0.0.1:0");
        let listener = bound.map_err(|error| format!("no port for an upstream: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let seen = Seen::default();
        let (memory, name) = (Arc::clone(&seen), name.to_string());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (memory, name) = (Arc::clone(&memory), name.clone());
                std::thread::spawn(move || serve(&stream, &name, &memory));
            }
        });
        Ok(Self { address, seen })
    }

    /// A case that no other request has: a shadow's copy of an earlier one may come late.
    pub fn new_case() -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed).to_string()
    }

    /// The fields of the request that belongs to the case, once.
    pub fn take(&self, case: &str) -> Option<Fields> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(case)
    }
}

fn serve(stream: &TcpStream, name: &str, seen: &Seen) {
    let mut reader = BufReader::new(stream);
    while let Ok(request) = read_message(&mut reader, true) {
        let case = request.fields.iter().find(|(name, _)| name == CASE_FIELD);
        if let Some((_, case)) = case {
            let case = String::from_utf8_lossy(case).into_owned();
            seen.lock().unwrap_or_else(PoisonError::into_inner).insert(case, request.fields);
        }
        let head = request.start.starts_with("HEAD ");
        let body = if head { "" } else { name };
        let length = name.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
        let mut writer = stream;
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
