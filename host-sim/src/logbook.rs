//! What guests logged, kept for whoever tests them and passed on to whoever runs them.

use crate::shared::lock;
use crate::status::LogLevel;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;

/// One line of a guest's log, or of the host about a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// How important it is.
    pub level: LogLevel,
    /// The text; bytes that are not UTF-8 are replaced.
    pub message: String,
    /// The worker that wrote it, from 0.
    pub worker: usize,
    /// True when the host wrote it: an unsupported call, a trap, a restart.
    pub by_host: bool,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = if self.by_host { "host" } else { "wasm" };
        write!(f, "[{}] {who}: {}", self.level, self.message)
    }
}

/// Called with every line as it is written.
pub(crate) type Sink = Box<dyn Fn(&LogLine) + Send + Sync>;

#[derive(Default)]
struct Lines {
    kept: VecDeque<LogLine>,
    dropped: usize,
}

/// The last lines, oldest first.
pub(crate) struct LogBook {
    lines: Mutex<Lines>,
    keep: usize,
    line_bytes: usize,
    sink: Option<Sink>,
}

impl LogBook {
    pub(crate) fn new(keep: usize, line_bytes: usize, sink: Option<Sink>) -> Self {
        Self { lines: Mutex::default(), keep, line_bytes, sink }
    }

    pub(crate) fn guest(&self, level: LogLevel, message: &[u8], worker: usize) {
        let kept = &message[..message.len().min(self.line_bytes)];
        let message = String::from_utf8_lossy(kept).into_owned();
        self.push(LogLine { level, message, worker, by_host: false });
    }

    pub(crate) fn host(&self, level: LogLevel, message: String, worker: usize) {
        self.push(LogLine { level, message, worker, by_host: true });
    }

    fn push(&self, line: LogLine) {
        if let Some(sink) = &self.sink {
            sink(&line);
        }
        if self.keep == 0 {
            return;
        }
        let mut lines = lock(&self.lines);
        if lines.kept.len() >= self.keep {
            lines.kept.pop_front();
            lines.dropped += 1;
        }
        lines.kept.push_back(line);
    }

    pub(crate) fn lines(&self) -> Vec<LogLine> {
        lock(&self.lines).kept.iter().cloned().collect()
    }

    /// How many lines were ever written.
    pub(crate) fn mark(&self) -> usize {
        let lines = lock(&self.lines);
        lines.kept.len() + lines.dropped
    }

    /// What was written since a mark, as far as it is kept.
    pub(crate) fn since(&self, mark: usize) -> Vec<LogLine> {
        let lines = lock(&self.lines);
        let skip = mark.saturating_sub(lines.dropped).min(lines.kept.len());
        lines.kept.range(skip..).cloned().collect()
    }

    pub(crate) fn clear(&self) {
        let mut lines = lock(&self.lines);
        lines.dropped += lines.kept.len();
        lines.kept.clear();
    }
}
