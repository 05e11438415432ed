//! Concurrent user sessions on loopback. Each request of a session uses the next free connection, so
//! that a session reaches all workers of a proxy.

use crate::load::{PAUSE, send};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// The number of connections; each carries one request at a time.
const CONNECTIONS: usize = 8;
/// The number of concurrent sessions. Each occupies a slot; when it ends, the next one takes the slot.
const SLOTS: usize = 48;
/// In every n-th slot, sessions do not end before a spec change that follows their start is complete.
const LASTING: usize = 8;
/// The numbers of requests of a session, in turn. They differ so that sessions start and end at all
/// times.
const LENGTHS: [usize; 7] = [3, 5, 8, 12, 18, 27, 40];

/// A session: it starts without a cookie and sends back every cookie that it gets.
#[derive(Debug)]
pub struct Session {
    /// The number of the connection on which it started.
    pub connection: usize,
    /// When each request was sent, and the version that responded with 200.
    pub requests: Vec<(Instant, String)>,
    /// The status line or the error of each request without a 200.
    pub lost: Vec<String>,
    slot: usize,
    length: usize,
    /// The number of complete spec changes at its start.
    changes: usize,
    cookies: Vec<String>,
}

impl Session {
    /// Whether different versions responded.
    pub fn is_mixed(&self) -> bool {
        self.requests.windows(2).any(|pair| pair[0].1 != pair[1].1)
    }

    fn is_over(&self, changes: usize) -> bool {
        let lasts = self.slot.is_multiple_of(LASTING) && changes == self.changes;
        self.requests.len() + self.lost.len() >= self.length && !lasts
    }
}

#[derive(Default)]
struct Queue {
    /// The number of sessions so far.
    started: usize,
    waiting: VecDeque<Session>,
    over: Vec<Session>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    changes: AtomicUsize,
    queue: Mutex<Queue>,
}

/// A generator of sessions, which runs until it is stopped.
pub struct Sessions {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

impl Sessions {
    /// Opens the connections and starts the sessions.
    pub fn start(to: SocketAddr) -> Self {
        let shared = Arc::new(Shared::default());
        let mut queue = lock(&shared);
        for slot in 0..SLOTS {
            queue.start(slot);
        }
        drop(queue);
        let client = |connection| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || run(to, connection, &shared))
        };
        Self { clients: (0..CONNECTIONS).map(client).collect(), shared }
    }

    /// The number of sessions that match; sessions with a pending request do not count.
    pub fn count(&self, matches: impl Fn(&Session) -> bool) -> usize {
        let queue = lock(&self.shared);
        queue.over.iter().chain(&queue.waiting).filter(|session| matches(session)).count()
    }

    /// Whether a session that matches has started on every connection.
    pub fn all_connections(&self, matches: impl Fn(&Session) -> bool) -> bool {
        let on = |connection| {
            self.count(|session| session.connection == connection && matches(session)) > 0
        };
        (0..CONNECTIONS).all(on)
    }

    /// Counts a complete spec change: sessions that waited for it may end.
    pub fn complete_change(&self) {
        self.shared.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Stops after all pending requests; returns all sessions.
    pub fn stop(mut self) -> Result<Vec<Session>, String> {
        self.shared.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client.join().map_err(|_| "a client panicked".to_string())?;
        }
        let mut queue = lock(&self.shared);
        let waiting = std::mem::take(&mut queue.waiting);
        queue.over.extend(waiting);
        Ok(std::mem::take(&mut queue.over))
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Queue {
    /// Adds a session that has sent no request yet.
    fn start(&mut self, slot: usize) {
        let length = LENGTHS[self.started % LENGTHS.len()];
        self.started += 1;
        self.waiting.push_back(Session {
            connection: 0,
            requests: Vec::new(),
            lost: Vec::new(),
            slot,
            length,
            changes: 0,
            cookies: Vec::new(),
        });
    }
}

fn run(to: SocketAddr, number: usize, shared: &Shared) {
    let mut connection = None;
    while !shared.stop.load(Ordering::Relaxed) {
        let Some(mut session) = lock(shared).waiting.pop_front() else { continue };
        let changes = shared.changes.load(Ordering::Relaxed);
        if session.requests.is_empty() {
            (session.connection, session.changes) = (number, changes);
        }
        let cookies = match session.cookies.as_slice() {
            [] => String::new(),
            cookies => format!("cookie: {}\r\n", cookies.join("; ")),
        };
        let sent = Instant::now();
        match send(to, &mut connection, &format!("GET / HTTP/1.1\r\nhost: shop\r\n{cookies}\r\n")) {
            Ok(response) if response.status() == 200 => {
                for cookie in response.all("set-cookie") {
                    session.cookies.push(cookie.split(';').next().unwrap_or_default().to_owned());
                }
                session.requests.push((sent, response.field("x-version").unwrap_or_default()));
            }
            Ok(response) => session.lost.push(response.start),
            Err(error) => {
                session.lost.push(error.to_string());
                connection = None;
            }
        }
        let mut queue = lock(shared);
        if session.is_over(changes) {
            queue.start(session.slot);
            queue.over.push(session);
        } else {
            queue.waiting.push_back(session);
        }
        drop(queue);
        std::thread::sleep(PAUSE);
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Queue> {
    shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
}
