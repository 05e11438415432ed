//! A minimal HTTP/1.1 client and server, so that tests see every byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// A connection with timeouts.
pub(crate) fn connect(to: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(to).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Sends a request with these header lines, and returns the whole response.
pub(crate) fn request(to: SocketAddr, start: &str, fields: &[&str]) -> String {
    let mut socket = connect(to);
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    write!(
        socket,
        "{start} HTTP/1.1\r\nhost: shop.example.com\r\nconnection: close\r\n{fields}\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn get(to: SocketAddr, path: &str, fields: &[&str]) -> String {
    request(to, &format!("GET {path}"), fields)
}

/// Reads until the text has arrived.
#[track_caller]
pub(crate) fn read_until(socket: &mut TcpStream, text: &str) -> String {
    try_read_until(socket, text).unwrap_or_else(|| panic!("the end came before {text:?}"))
}

fn try_read_until(socket: &mut TcpStream, text: &str) -> Option<String> {
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(text.as_bytes()) {
        if socket.read(&mut byte).unwrap() == 0 {
            return None;
        }
        seen.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&seen).into_owned())
}

/// An upstream that handles each connection in a thread of its own.
pub(crate) fn upstream(handle: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (socket, handle) = (socket.unwrap(), handle.clone());
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            std::thread::spawn(move || handle(socket));
        }
    });
    address
}

/// An upstream that responds with its name and the request's head.
pub(crate) fn named(name: &'static str) -> SocketAddr {
    upstream(move |mut socket| {
        let Some(head) = try_read_until(&mut socket, "\r\n\r\n") else {
            return;
        };
        let body = format!("{name} saw {head}");
        let length = body.len();
        let _ = write!(
            socket,
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close, x-hop\r\n\
             x-hop: 1\r\nx-kept: 1\r\n\r\n{body}"
        );
    })
}
