//! Sessions under load on loopback: many at once, each on whichever connection is free, so that its
//! requests reach all of a proxy's workers.

use crate::load::{PAUSE, ask};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// Connections, each with one request under way at most.
const CONNECTIONS: usize = 8;
/// Sessions under way at once, each in a place that the next one takes over.
const PLACES: usize = 48;
/// In one of so many places sessions last until a change that came after their beginning is over.
const LASTING: usize = 8;
/// So many requests make a session, by turns: they end and begin at any moment.
const LENGTHS: [usize; 7] = [3, 5, 8, 12, 18, 27, 40];

/// A session: it begins without a cookie and keeps what it is given.
#[derive(Debug)]
pub struct Session {
    /// On which connection it began.
    pub connection: usize,
    /// Each request: when it was sent, and who answered.
    pub requests: Vec<(Instant, String)>,
    /// What became of requests that were not answered with 200.
    pub lost: Vec<String>,
    place: usize,
    length: usize,
    /// How many changes were over when it began.
    changes: usize,
    cookies: Vec<String>,
}

impl Session {
    /// Whether different versions answered.
    pub fn is_mixed(&self) -> bool {
        self.requests.windows(2).any(|pair| pair[0].1 != pair[1].1)
    }

    fn is_over(&self, changes: usize) -> bool {
        let lasts = self.place.is_multiple_of(LASTING) && changes == self.changes;
        self.requests.len() + self.lost.len() >= self.length && !lasts
    }
}

#[derive(Default)]
struct Crowd {
    begun: usize,
    waiting: VecDeque<Session>,
    over: Vec<Session>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    changes: AtomicUsize,
    crowd: Mutex<Crowd>,
}

/// Sessions that begin and end until they are stopped.
pub struct Sessions {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

impl Sessions {
    /// Opens the connections and begins.
    pub fn start(to: SocketAddr) -> Self {
        let shared = Arc::new(Shared::default());
        let mut crowd = lock(&shared);
        for place in 0..PLACES {
            crowd.begin(place);
        }
        drop(crowd);
        let client = |connection| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || run(to, connection, &shared))
        };
        Self { clients: (0..CONNECTIONS).map(client).collect(), shared }
    }

    /// How many sessions are such, but for those with a request under way.
    pub fn count(&self, is_such: impl Fn(&Session) -> bool) -> usize {
        let crowd = lock(&self.shared);
        crowd.over.iter().chain(&crowd.waiting).filter(|session| is_such(session)).count()
    }

    /// Whether such a session has begun on each connection.
    pub fn everywhere(&self, is_such: impl Fn(&Session) -> bool) -> bool {
        let on = |connection| {
            self.count(|session| session.connection == connection && is_such(session)) > 0
        };
        (0..CONNECTIONS).all(on)
    }

    /// A change is over: sessions that waited for it may end.
    pub fn changed(&self) {
        self.shared.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets every request be answered, and gives all sessions.
    pub fn stop(mut self) -> Result<Vec<Session>, String> {
        self.shared.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client.join().map_err(|_| "a client panicked".to_string())?;
        }
        let mut crowd = lock(&self.shared);
        let waiting = std::mem::take(&mut crowd.waiting);
        crowd.over.extend(waiting);
        Ok(std::mem::take(&mut crowd.over))
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Crowd {
    /// A session that has its first request still before it.
    fn begin(&mut self, place: usize) {
        let length = LENGTHS[self.begun % LENGTHS.len()];
        self.begun += 1;
        self.waiting.push_back(Session {
            connection: 0,
            requests: Vec::new(),
            lost: Vec::new(),
            place,
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
        match ask(to, &mut connection, &format!("GET / HTTP/1.1\r\nhost: shop\r\n{cookies}\r\n")) {
            Ok(answer) if answer.status() == 200 => {
                for cookie in answer.all("set-cookie") {
                    session.cookies.push(cookie.split(';').next().unwrap_or_default().to_owned());
                }
                session.requests.push((sent, answer.field("x-version").unwrap_or_default()));
            }
            Ok(answer) => session.lost.push(answer.start),
            Err(error) => {
                session.lost.push(error.to_string());
                connection = None;
            }
        }
        let mut crowd = lock(shared);
        if session.is_over(changes) {
            crowd.begin(session.place);
            crowd.over.push(session);
        } else {
            crowd.waiting.push_back(session);
        }
        drop(crowd);
        std::thread::sleep(PAUSE);
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Crowd> {
    shared.crowd.lock().unwrap_or_else(PoisonError::into_inner)
}
