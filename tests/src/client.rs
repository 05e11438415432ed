//! An HTTP/1.1 client that sends plain bytes: vectors hold requests that client libraries refuse.

use crate::vector::Request;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Header fields in order: names in lower case, values as bytes.
pub type Fields = Vec<(String, Vec<u8>)>;

/// Generous, so that a busy machine fails no test.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A request or a response.
pub struct Message {
    /// The request line or the status line.
    pub start: String,
    /// The header fields.
    pub fields: Fields,
    /// The trailer fields after a chunked body.
    pub trailers: Fields,
    /// The body.
    pub body: Vec<u8>,
}

impl Message {
    /// The status code of a response, 0 if it has none.
    pub fn status(&self) -> u16 {
        self.start.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default()
    }

    /// The first value of a field; bytes that are not UTF-8 are replaced.
    pub fn field(&self, name: &str) -> Option<String> {
        let found = self.fields.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<String> {
        let found = self.fields.iter().filter(|(field, _)| field == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The body as a string; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a vector's request on a new connection, with `extra` fields after its own. `client` is the
/// client address that the PROXY protocol reports to the proxy.
pub fn send(
    to: SocketAddr,
    client: Option<&str>,
    request: &Request,
    extra: &[(&str, &str)],
) -> Result<Message, String> {
    let mut bytes = Vec::new();
    if let Some(client) = client {
        let (family, own) =
            if client.contains(':') { ("TCP6", "::1") } else { ("TCP4", "127.0.0.1") };
        bytes.extend_from_slice(format!("PROXY {family} {client} {own} 40000 80\r\n").as_bytes());
    }
    let Request { method, path, authority, .. } = request;
    let start = format!("{method} {path} HTTP/1.1\r\nhost: {authority}\r\n");
    bytes.extend_from_slice(start.as_bytes());
    for (name, value) in request.fields() {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(&value);
        bytes.extend_from_slice(b"\r\n");
    }
    for (name, value) in extra {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if matches!(method.as_str(), "POST" | "PUT" | "PATCH") {
        bytes.extend_from_slice(b"content-length: 0\r\n");
    }
    bytes.extend_from_slice(b"connection: close\r\n\r\n");
    exchange(to, &bytes, method == "HEAD")
        .map_err(|error| format!("no response from {to}: {error}"))
}

/// Sends a plain GET of a path.
pub fn get(to: SocketAddr, path: &str) -> Result<Message, String> {
    let bytes = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    exchange(to, bytes.as_bytes(), false).map_err(|error| format!("no response from {to}: {error}"))
}

fn exchange(to: SocketAddr, bytes: &[u8], is_head: bool) -> std::io::Result<Message> {
    let mut stream = TcpStream::connect_timeout(&to, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(bytes)?;
    read_message(&mut BufReader::new(stream), is_head)
}

/// Reads one message. A response that `answers_head` has no body, whatever its fields say.
pub(crate) fn read_message(
    reader: &mut impl BufRead,
    answers_head: bool,
) -> std::io::Result<Message> {
    let start = String::from_utf8_lossy(&read_line(reader)?).into_owned();
    let mut message = Message { start, fields: Vec::new(), trailers: Vec::new(), body: Vec::new() };
    message.fields = read_fields(reader)?;
    if answers_head && message.start.starts_with("HTTP/") {
        return Ok(message);
    }
    read_body(reader, &mut message)?;
    Ok(message)
}

/// Reads fields up to an empty line.
fn read_fields(reader: &mut impl BufRead) -> std::io::Result<Fields> {
    let mut fields = Fields::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok(fields);
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let value = value.get(1..).unwrap_or_default().trim_ascii().to_vec();
        fields.push((name, value));
    }
}

fn read_body(reader: &mut impl BufRead, message: &mut Message) -> std::io::Result<()> {
    if message.field("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        loop {
            let size = String::from_utf8_lossy(&read_line(reader)?).into_owned();
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or_default();
            let mut chunk = vec![0; size];
            reader.read_exact(&mut chunk)?;
            message.body.extend_from_slice(&chunk);
            if size == 0 {
                message.trailers = read_fields(reader)?;
                return Ok(());
            }
            read_line(reader)?;
        }
    }
    let length = message.field("content-length").and_then(|length| length.parse().ok());
    if let Some(length) = length {
        message.body = vec![0; length];
        return reader.read_exact(&mut message.body);
    }
    if message.start.starts_with("HTTP/") {
        reader.read_to_end(&mut message.body)?;
    }
    Ok(())
}

/// One line without its line break.
fn read_line(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    while line.ends_with(b"\n") || line.ends_with(b"\r") {
        line.pop();
    }
    Ok(line)
}
