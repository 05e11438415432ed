//! Tells a URL what gates did, until it says that it has understood.

use core::cell::RefCell;

use std::rc::Rc;

use serin_core::gate::{Audit, Latches};

use crate::calls;
use crate::host::{self, Level};
use crate::settings::Endpoint;

/// An answer takes no longer.
const TIMEOUT_MS: u32 = 5000;
/// A message is sent so often at most.
const MOST_TRIES: u32 = 6;
/// So many wait at most.
const MOST_WAITING: usize = 32;

thread_local! {
    /// Messages that have not been understood yet. The VM's, so that they outlive the config.
    static WAITING: RefCell<Vec<Message>> = const { RefCell::new(Vec::new()) };
}

struct Message {
    body: Rc<str>,
    tries: u32,
    next: u64,
}

/// Puts a record in line. The latches go with it, so that what was received can be served as it is where
/// state is read.
pub(crate) fn tell(audit: &Audit, latches: &Latches) {
    let mut body = audit.to_json();
    if body.pop() == Some('}') {
        let latches = latches.to_json();
        body.push(',');
        body.push_str(latches.strip_prefix('{').unwrap_or("}"));
    }
    wait(Message { body: body.into(), tries: 0, next: 0 });
}

/// Sends what is due.
pub(crate) fn tick(endpoint: Option<&Endpoint>, now: u64) {
    let Some(endpoint) = endpoint else { return };
    let all = WAITING.with(RefCell::take);
    let (due, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|message| message.next <= now);
    rest.into_iter().for_each(wait);
    for message in due {
        send(endpoint, message, now);
    }
}

fn send(endpoint: &Endpoint, message: Message, now: u64) {
    let tries = message.tries.saturating_add(1);
    // Again after 1 s, 2 s, 4 s and so on.
    let next = now.saturating_add(500_u64.checked_shl(tries).unwrap_or(u64::MAX));
    let again = Message { body: Rc::clone(&message.body), tries, next };
    let Endpoint { cluster, scheme, authority, path } = endpoint;
    let headers: [(&[u8], &[u8]); 5] = [
        (b":method", b"POST"),
        (b":scheme", scheme.as_bytes()),
        (b":authority", authority.as_bytes()),
        (b":path", path.as_bytes()),
        (b"content-type", b"application/json"),
    ];
    let body = message.body.as_bytes();
    let sent = calls::send(cluster, &headers, body, TIMEOUT_MS, move |answer| {
        if !answer.is_some_and(|answer| (200..300).contains(&answer.status)) {
            wait(again);
        }
    });
    if !sent {
        wait(Message { tries, next, ..message });
    }
}

fn wait(message: Message) {
    let kept = message.tries < MOST_TRIES
        && WAITING.with(|waiting| {
            let Ok(mut waiting) = waiting.try_borrow_mut() else { return false };
            let room = waiting.len() < MOST_WAITING;
            if room {
                waiting.push(message);
            }
            room
        });
    if !kept {
        let text = "gates: the webhook has not taken a record, which stands in this log alone";
        host::log(Level::Error, text);
    }
}
