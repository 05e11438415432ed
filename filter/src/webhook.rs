//! The webhook: sends audit records to a URL until it confirms them.

use core::cell::RefCell;

use std::rc::Rc;

use serin_core::gate::{Audit, Latches};
use serin_core::json;

use crate::host::{self, Level};
use crate::http_client;
use crate::settings::Endpoint;

/// How long an answer may take.
const TIMEOUT_MS: u32 = 5000;
/// How often a message is sent at most.
const MAX_TRIES: u32 = 6;
/// How many messages may wait.
const MAX_WAITING: usize = 32;

thread_local! {
    /// Messages that are not confirmed yet. They belong to the VM, so that they outlive the config.
    static WAITING: RefCell<Vec<Message>> = const { RefCell::new(Vec::new()) };
}

struct Message {
    body: Rc<str>,
    tries: u32,
    next: u64,
}

/// Enqueues a record. The latches go with it, so that a receiver can serve what it was sent as latch
/// source.
pub(crate) fn enqueue(audit: &Audit, latches: &Latches) {
    let body = json::object(|object| {
        audit.write(object);
        latches.write(object);
    });
    wait(Message { body: body.into(), tries: 0, next: 0 });
}

/// Sends the messages that are due.
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
    let sent = http_client::send(cluster, &headers, body, TIMEOUT_MS, move |answer| {
        if !answer.is_some_and(|answer| (200..300).contains(&answer.status)) {
            wait(again);
        }
    });
    if !sent {
        wait(Message { tries, next, ..message });
    }
}

fn wait(message: Message) {
    let kept = message.tries < MAX_TRIES
        && WAITING.with(|waiting| {
            let Ok(mut waiting) = waiting.try_borrow_mut() else { return false };
            let room = waiting.len() < MAX_WAITING;
            if room {
                waiting.push(message);
            }
            room
        });
    if !kept {
        let text = "gates: the webhook did not confirm a record; it is only in this log";
        host::log(Level::Error, text);
    }
}
