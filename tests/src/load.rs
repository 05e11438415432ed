//! Load of its own on loopback: a few clients that keep their connections, and a note of every answer.

use crate::client::{Message, read_message};
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Clients at once.
const CLIENTS: usize = 6;
/// Between two requests of a client, so that the load is bounded.
const PAUSE: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(20);

/// One request and what came of it.
pub struct Note {
    /// When it was sent.
    pub sent: Instant,
    /// When the answer was there.
    pub answered: Instant,
    /// The status; 0 if there was no answer.
    pub status: u16,
    /// Who answered.
    pub version: String,
    /// Which of the users asked, or which session.
    pub user: usize,
}

/// Who asks.
#[derive(Clone, Copy)]
pub enum Crowd {
    /// So many users by their ids, one after the other.
    Users(usize),
    /// Sessions that last so long, which keep the cookies they are given.
    Sessions(Duration),
}

/// Clients that are at work until they are stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Note>>>,
}

impl Load {
    /// Starts the clients.
    pub fn start(to: SocketAddr, crowd: Crowd) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |number| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || run(to, Asker::new(number, crowd), &stop))
        };
        Self { clients: (0..CLIENTS).map(client).collect(), stop }
    }

    /// Lets every client finish its request, and gives all notes in the order of sending.
    pub fn stop(self) -> Result<Vec<Note>, String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut notes = Vec::new();
        for client in self.clients {
            notes.extend(client.join().map_err(|_| "a client panicked".to_string())?);
        }
        notes.sort_by_key(|note| note.sent);
        Ok(notes)
    }
}

/// Whose turn it is at one client.
struct Asker {
    crowd: Crowd,
    first: usize,
    user: usize,
    /// When the session ends.
    end: Instant,
    cookies: Vec<String>,
}

impl Asker {
    /// Each client has its own users: no two ask at once as the same one.
    fn new(first: usize, crowd: Crowd) -> Self {
        let mut end = Instant::now();
        if let Crowd::Sessions(length) = crowd {
            // Clients begin their sessions at different times.
            end += length * u32::try_from(first + 1).unwrap_or(1) / CLIENTS as u32;
        }
        Self { crowd, first, user: first, end, cookies: Vec::new() }
    }

    fn request(&self) -> String {
        let field = match self.crowd {
            Crowd::Users(_) => format!("x-user-id: user-{}\r\n", self.user),
            Crowd::Sessions(_) if self.cookies.is_empty() => String::new(),
            Crowd::Sessions(_) => format!("cookie: {}\r\n", self.cookies.join("; ")),
        };
        format!("GET / HTTP/1.1\r\nhost: shop\r\n{field}\r\n")
    }

    fn answered(&mut self, answer: &Message) {
        match self.crowd {
            Crowd::Users(users) => {
                self.user += CLIENTS;
                if self.user >= users {
                    self.user = self.first;
                }
            }
            Crowd::Sessions(length) => {
                for cookie in answer.all("set-cookie") {
                    self.cookies.push(cookie.split(';').next().unwrap_or_default().to_owned());
                }
                if Instant::now() >= self.end {
                    self.end += length;
                    self.user += CLIENTS;
                    self.cookies.clear();
                }
            }
        }
    }
}

fn run(to: SocketAddr, mut asker: Asker, stop: &AtomicBool) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut connection: Option<BufReader<TcpStream>> = None;
    while !stop.load(Ordering::Relaxed) {
        let (sent, user) = (Instant::now(), asker.user);
        let answer = ask(to, &mut connection, &asker.request());
        let (mut status, mut version) = (0, String::new());
        match answer {
            Ok(answer) => {
                status = answer.status();
                version = answer.field("x-version").unwrap_or_default();
                asker.answered(&answer);
            }
            Err(_) => connection = None,
        }
        notes.push(Note { sent, answered: Instant::now(), status, version, user });
        std::thread::sleep(PAUSE);
    }
    notes
}

fn ask(
    to: SocketAddr,
    connection: &mut Option<BufReader<TcpStream>>,
    request: &str,
) -> std::io::Result<Message> {
    if connection.is_none() {
        let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        *connection = Some(BufReader::new(stream));
    }
    let Some(reader) = connection else { return Err(std::io::ErrorKind::NotConnected.into()) };
    reader.get_mut().write_all(request.as_bytes())?;
    read_message(reader, false)
}
