//! The webhook: sends audit records to a URL until it confirms them.

use core::cell::RefCell;

use std::rc::Rc;

use serin_core::gate::{Audit, Latches};
use serin_core::json;

use crate::host::{self, Level};
use crate::http_client;
use crate::settings::Endpoint;

/// The time limit of a request, in ms.
const TIMEOUT_MS: u32 = 5000;
/// How often a message is sent until it is given up.
const MAX_TRIES: u32 = 6;
/// The maximum number of messages that wait to be sent.
const MAX_WAITING: usize = 32;

thread_local! {
    /// The messages that are not confirmed yet. They belong to the VM, so they outlive the config.
    static WAITING: RefCell<Vec<Message>> = const { RefCell::new(Vec::new()) };
}

/// An audit record on its way to the webhook.
struct Message {
    body: Rc<str>,
    tries: u32,
    /// The uptime of the next try, in ms.
    next_try: u64,
}

/// Enqueues a record. The latches go with it, so that a receiver can serve the message as a latch source.
pub(crate) fn enqueue(audit: &Audit, latches: &Latches) {
    let body = json::object(|object| {
        audit.write(object);
        latches.write(object);
    });
    push(Message { body: body.into(), tries: 0, next_try: 0 });
}

/// Sends the messages that are due.
pub(crate) fn tick(endpoint: Option<&Endpoint>, uptime: u64) {
    let Some(endpoint) = endpoint else { return };
    let all = WAITING.with(RefCell::take);
    let (due, rest): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|message| message.next_try <= uptime);
    rest.into_iter().for_each(push);
    for message in due {
        send(endpoint, message, uptime);
    }
}

fn send(endpoint: &Endpoint, message: Message, uptime: u64) {
    let tries = message.tries.saturating_add(1);
    // The next tries follow after 1 s, 2 s, 4 s and so on.
    let next_try = uptime.saturating_add(500_u64.checked_shl(tries).unwrap_or(u64::MAX));
    let retry = Message { body: Rc::clone(&message.body), tries, next_try };
    let Endpoint { cluster, scheme, authority, path } = endpoint;
    let headers: [(&[u8], &[u8]); 5] = [
        (b":method", b"POST"),
        (b":scheme", scheme.as_bytes()),
        (b":authority", authority.as_bytes()),
        (b":path", path.as_bytes()),
        (b"content-type", b"application/json"),
    ];
    let body = message.body.as_bytes();
    let sent = http_client::send(cluster, &headers, body, TIMEOUT_MS, move |response| {
        if !response.is_some_and(|response| (200..300).contains(&response.status)) {
            push(retry);
        }
    });
    if !sent {
        push(Message { tries, next_try, ..message });
    }
}

/// Lets a message wait for its next try, or gives it up.
fn push(message: Message) {
    let is_waiting = message.tries < MAX_TRIES
        && WAITING.with(|waiting| {
            let Ok(mut waiting) = waiting.try_borrow_mut() else { return false };
            let has_room = waiting.len() < MAX_WAITING;
            if has_room {
                waiting.push(message);
            }
            has_room
        });
    if !is_waiting {
        let text = "gates: the webhook did not confirm a record; it is in this log only";
        host::log(Level::Error, text);
    }
}
