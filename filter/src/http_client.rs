//! The filter's own HTTP requests, and the responses to them.

use core::cell::RefCell;

use crate::{host, vm};

/// The maximum number of requests in flight in a VM.
const MAX_IN_FLIGHT: usize = 256;

/// A response.
pub(crate) struct Response {
    pub(crate) status: u16,
}

/// How long after its time limit a request counts as failed, in ms. The host drops the responses to a config that is
/// gone.
const LOST_MS: u64 = 5000;

type Callback = Box<dyn FnOnce(Option<Response>)>;

/// A request in flight.
struct Pending {
    /// The host's token for it.
    token: u32,
    /// The uptime at which it is given up, in ms.
    expires: u64,
    done: Callback,
}

thread_local! {
    /// The requests in flight. A VM has one thread.
    static IN_FLIGHT: RefCell<Vec<Pending>> = const { RefCell::new(Vec::new()) };
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
        let expires = vm::uptime().saturating_add(timeout_ms.into()).saturating_add(LOST_MS);
        in_flight.push(Pending { token, expires, done: Box::new(done) });
        true
    })
}

/// Gives up the requests whose response is lost.
pub(crate) fn expire(uptime: u64) {
    let expired: Vec<Pending> = IN_FLIGHT.with(|in_flight| {
        let Ok(mut in_flight) = in_flight.try_borrow_mut() else { return Vec::new() };
        in_flight.extract_if(.., |pending| uptime >= pending.expires).collect()
    });
    for pending in expired {
        (pending.done)(None);
    }
}

/// Handles a response. Zero headers mean that there is none: the request has failed or timed out. The build
/// exports this function as `proxy_on_http_call_response`, in place of the SDK's.
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
        let index = in_flight.iter().position(|pending| pending.token == token)?;
        Some(in_flight.swap_remove(index).done)
    });
    if let Some(done) = done {
        done(if headers == 0 { None } else { response() });
    }
}

fn response() -> Option<Response> {
    let block = host::call_response_headers()?;
    let status = block.pairs().find(|(name, _)| *name == b":status")?.1;
    let status = core::str::from_utf8(status).ok()?.parse().ok()?;
    Some(Response { status })
}
