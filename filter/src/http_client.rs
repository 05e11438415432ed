//! The filter's own HTTP requests, and their answers.

use core::cell::RefCell;

use crate::host;

/// How many requests may be open at once in a VM.
const MAX_OPEN: usize = 256;

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
}

type Done = Box<dyn FnOnce(Option<Answer>)>;

thread_local! {
    /// The callback of each open request, by the host's token for it. A VM has one thread.
    static OPEN: RefCell<Vec<(u32, Done)>> = const { RefCell::new(Vec::new()) };
}

/// Sends a request. `done` is called with the answer, or `None` if there is none. Returns whether the
/// host has accepted the request; if not, `done` is never called.
pub(crate) fn send(
    cluster: &str,
    headers: &[(&[u8], &[u8])],
    body: &[u8],
    timeout_ms: u32,
    done: impl FnOnce(Option<Answer>) + 'static,
) -> bool {
    OPEN.with(|open| {
        let Ok(mut open) = open.try_borrow_mut() else { return false };
        if open.len() >= MAX_OPEN {
            return false;
        }
        let Some(token) = host::call(cluster, headers, body, timeout_ms) else { return false };
        open.push((token, Box::new(done)));
        true
    })
}

/// Handles an answer; no headers mean that there is none. The build exports this function as
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
    let done = OPEN.with(|open| {
        let mut open = open.try_borrow_mut().ok()?;
        let place = open.iter().position(|(known, _)| *known == token)?;
        Some(open.swap_remove(place).1)
    });
    if let Some(done) = done {
        done(if headers == 0 { None } else { answer() });
    }
}

fn answer() -> Option<Answer> {
    let block = host::call_headers()?;
    let status = block.pairs().find(|(name, _)| *name == b":status")?.1;
    let status = core::str::from_utf8(status).ok()?.parse().ok()?;
    Some(Answer { status })
}
