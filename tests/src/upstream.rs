//! An upstream that responds to every request with its own name and records the request's fields.

use crate::client::{Fields, Message, read_message};
use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The field that names the case of a request to the upstream.
pub const CASE_FIELD: &str = "x-conformance-case";

/// The last request of each case.
type Requests = Arc<Mutex<HashMap<String, Message>>>;

/// A running upstream. Its threads end with the process.
pub struct Upstream {
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    requests: Requests,
}

impl Upstream {
    /// Listens on a free port of loopback.
    pub fn start(name: &str) -> Result<Self, String> {
        Self::answering(name, |_| "200 OK\r\n".to_owned())
    }

    /// [`Upstream::start`] with a response of its own for each request: the status and header fields, each with its
    /// line break.
    pub fn answering(
        name: &str,
        answer: impl Fn(&Message) -> String + Clone + Send + 'static,
    ) -> Result<Self, String> {
        let bound = TcpListener::bind("127.0.0.1:0");
        let listener = bound.map_err(|error| format!("no port for an upstream: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let requests = Requests::default();
        let (shared, name) = (Arc::clone(&requests), name.to_string());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (requests, name, answer) = (Arc::clone(&shared), name.clone(), answer.clone());
                std::thread::spawn(move || serve(&stream, &name, &requests, answer));
            }
        });
        Ok(Self { address, requests })
    }

    /// A case name that no other request has. Cases must not share one: a shadow's copy of a previous
    /// request may arrive late.
    pub fn new_case() -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed).to_string()
    }

    /// Removes and returns the fields of the case's request.
    pub fn take(&self, case: &str) -> Option<Fields> {
        self.take_request(case).map(|request| request.fields)
    }

    /// Removes and returns the case's request.
    pub fn take_request(&self, case: &str) -> Option<Message> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).remove(case)
    }
}

fn serve(stream: &TcpStream, name: &str, requests: &Requests, answer: impl Fn(&Message) -> String) {
    let mut reader = BufReader::new(stream);
    while let Ok(request) = read_message(&mut reader, false) {
        let is_head = request.start.starts_with("HEAD ");
        let answer = answer(&request);
        if let Some(case) = request.field(CASE_FIELD) {
            requests.lock().unwrap_or_else(PoisonError::into_inner).insert(case, request);
        }
        let body = if is_head { "" } else { name };
        let length = name.len();
        if answer.starts_with("304 ") {
            let mut writer = stream;
            if writer.write_all(format!("HTTP/1.1 {answer}\r\n").as_bytes()).is_err() {
                return;
            }
            continue;
        }
        let response = format!("HTTP/1.1 {answer}content-length: {length}\r\n\r\n{body}");
        let mut writer = stream;
        if writer.write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}
