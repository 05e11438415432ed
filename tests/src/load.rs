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
pub(crate) const PAUSE: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(60);

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
    /// Which of the users asked.
    pub user: usize,
}

/// Clients that are at work until they are stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Note>>>,
}

impl Load {
    /// Starts the clients, which ask as so many users by their ids, one after the other.
    pub fn start(to: SocketAddr, users: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |number| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || run(to, number, users, &stop))
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

/// Each client has its own users: no two ask at once as the same one.
fn run(to: SocketAddr, first: usize, users: usize, stop: &AtomicBool) -> Vec<Note> {
    let (mut notes, mut user) = (Vec::new(), first);
    let mut connection: Option<BufReader<TcpStream>> = None;
    while !stop.load(Ordering::Relaxed) {
        let sent = Instant::now();
        let request = format!("GET / HTTP/1.1\r\nhost: shop\r\nx-user-id: user-{user}\r\n\r\n");
        let answer = ask(to, &mut connection, &request);
        let (mut status, mut version) = (0, String::new());
        match answer {
            Ok(answer) => {
                status = answer.status();
                version = answer.field("x-version").unwrap_or_default();
            }
            Err(_) => connection = None,
        }
        notes.push(Note { sent, answered: Instant::now(), status, version, user });
        user = if user + CLIENTS < users { user + CLIENTS } else { first };
        std::thread::sleep(PAUSE);
    }
    notes
}

/// Asks on a connection that is kept; it is opened first if there is none.
pub(crate) fn ask(
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
