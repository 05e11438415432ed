//! The filter's own HTTP requests, and the responses to them.

use core::cell::RefCell;

use crate::host;

/// The maximum number of requests in flight in a VM.
const MAX_IN_FLIGHT: usize = 256;

/// A response.
pub(crate) struct Response {
    pub(crate) status: u16,
}

type Callback = Box<dyn FnOnce(Option<Response>)>;

thread_local! {
    /// The callback of each request in flight, with the host's token for it. A VM has one thread.
    static IN_FLIGHT: RefCell<Vec<(u32, Callback)>> = const { RefCell::new(Vec::new()) };
}

/// Sends a request. `done` is called with the response, or with `None` if there is none. Returns whether the
/// host has accepted the request; if not, `done` is never called.
pub(crate) fn send(
    cluster: &str,
    headers: &[(&[u8], &[u8])],
    body: &[u8],
    timeout_ms: u32,
    done: impl FnOnce(Option<Response>) + 'static,
) -> bool {
    IN_FLIGHT.with(|in_flight| {
        let Ok(mut in_flight) = in_flight.try_borrow_mut() else { return false };
        if in_flight.len() >= MAX_IN_FLIGHT {
            return false;
        }
        let Some(token) = host::http_call(cluster, headers, body, timeout_ms) else { return false };
        in_flight.push((token, Box::new(done)));
        true
    })
}

/// Handles a response. Zero headers mean that there is none: the request has failed or timed out. The build exports this function as
/// `proxy_on_http_call_response`, in place of the SDK's.
#[unsafe(no_mangle)]
#[allow(unsafe_code)]
pub(crate) extern "C" fn serin_on_http_call_response(
    _context: u32,
    token: u32,
    headers: u32,
    _body: u32,
    _trailers: u32,
) {
    let done = IN_FLIGHT.with(|in_flight| {
        let mut in_flight = in_flight.try_borrow_mut().ok()?;
        let index = in_flight.iter().position(|(sent, _)| *sent == token)?;
        Some(in_flight.swap_remove(index).1)
    });
    if let Some(done) = done {
        done(if headers == 0 { None } else { response() });
    }
}

fn response() -> Option<Response> {
    let block = host::response_headers()?;
    let status = block.pairs().find(|(name, _)| *name == b":status")?.1;
    let status = core::str::from_utf8(status).ok()?.parse().ok()?;
    Some(Response { status })
}
