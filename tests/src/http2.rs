//! An HTTP/2 client of one request (RFC 9113). Its header blocks have literal fields only (RFC 7541, section
//! 6.2.2), so that any field can be sent, as a trailer too.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Sends a POST of `/` with a body and trailers. The connection is returned, because its end resets the
/// request.
pub fn post(
    to: SocketAddr,
    fields: &[(&str, &str)],
    body: &[u8],
    trailers: &[(&str, &str)],
) -> io::Result<TcpStream> {
    let pseudo =
        [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")];
    let mut bytes = PREFACE.to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, &[])?;
    frame(&mut bytes, HEADERS, END_HEADERS, 1, &block(&[&pseudo, fields].concat())?)?;
    frame(&mut bytes, DATA, 0, 1, body)?;
    frame(&mut bytes, HEADERS, END_HEADERS | END_STREAM, 1, &block(trailers)?)?;
    let mut stream = TcpStream::connect(to)?;
    stream.write_all(&bytes)?;
    Ok(stream)
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
    let length = u16::try_from(payload.len()).map_err(io::Error::other)?;
    bytes.push(0);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    Ok(())
}

/// A header block of literal fields that are not indexed, in plain bytes.
fn block(fields: &[(&str, &str)]) -> io::Result<Vec<u8>> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            // Lengths from 127 on have several bytes.
            let length = u8::try_from(text.len()).ok().filter(|length| *length < 127);
            block.push(length.ok_or_else(|| io::Error::other("a field is too long"))?);
            block.extend_from_slice(text.as_bytes());
        }
    }
    Ok(block)
}
