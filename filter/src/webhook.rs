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

/// Messages that have not been understood yet.
#[derive(Default)]
pub(crate) struct Webhook {
    waiting: Rc<RefCell<Vec<Message>>>,
}

struct Message {
    body: String,
    tries: u32,
    next: u64,
}

impl Webhook {
    /// Puts a record in line. The latches go with it, so that what was received can be served as it is
    /// where state is read.
    pub(crate) fn tell(&self, audit: &Audit, latches: &Latches) {
        let mut body = audit.to_json();
        if body.pop() == Some('}') {
            let latches = latches.to_json();
            body.push(',');
            body.push_str(latches.strip_prefix('{').unwrap_or("}"));
        }
        if let Ok(mut waiting) = self.waiting.try_borrow_mut()
            && waiting.len() < MOST_WAITING
        {
            waiting.push(Message { body, tries: 0, next: 0 });
        }
    }

    /// Sends what is due.
    pub(crate) fn tick(&self, endpoint: Option<&Endpoint>, now: u64) {
        let Some(endpoint) = endpoint else { return };
        let Ok(mut waiting) = self.waiting.try_borrow_mut() else { return };
        let all = core::mem::take(&mut *waiting);
        let (due, rest): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|message| message.next <= now);
        *waiting = rest;
        drop(waiting);
        for message in due {
            self.send(endpoint, message, now);
        }
    }

    fn send(&self, endpoint: &Endpoint, mut message: Message, now: u64) {
        message.tries = message.tries.saturating_add(1);
        // 1 s, 2 s, 4 s and so on.
        let wait = 500_u64.checked_shl(message.tries).unwrap_or(u64::MAX);
        message.next = now.saturating_add(wait);
        let Endpoint { cluster, scheme, authority, path } = endpoint;
        let headers: [(&[u8], &[u8]); 5] = [
            (b":method", b"POST"),
            (b":scheme", scheme.as_bytes()),
            (b":authority", authority.as_bytes()),
            (b":path", path.as_bytes()),
            (b"content-type", b"application/json"),
        ];
        let body = message.body.clone();
        let waiting = Rc::clone(&self.waiting);
        let again = Rc::new(RefCell::new(Some(message)));
        let kept = Rc::clone(&again);
        let failed = move || {
            let message = kept.try_borrow_mut().ok().and_then(|mut message| message.take());
            if let Some(message) = message {
                retry(&waiting, message);
            }
        };
        let failed = Rc::new(failed);
        let on_answer = Rc::clone(&failed);
        let sent = calls::send(cluster, &headers, body.as_bytes(), TIMEOUT_MS, move |answer| {
            if !answer.is_some_and(|answer| (200..300).contains(&answer.status)) {
                on_answer();
            }
        });
        if !sent {
            failed();
        }
    }
}

fn retry(waiting: &RefCell<Vec<Message>>, message: Message) {
    if message.tries >= MOST_TRIES {
        host::log(
            Level::Error,
            "gates: the webhook did not take a record, which stands in this log",
        );
        return;
    }
    if let Ok(mut waiting) = waiting.try_borrow_mut() {
        waiting.push(message);
    }
}
