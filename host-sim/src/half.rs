//! One direction of a stream: what came in, what the guest holds back, what went on.

use crate::headers::HeaderMap;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Response,
}

/// Where the guest stopped the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// It did not.
    #[default]
    No,
    /// At the headers: nothing that follows is shown to the guest until it continues.
    Headers,
    /// In the body: what follows is shown and held back.
    Body,
    /// At the trailers.
    Trailers,
}

/// What a callback for a body asked for (Envoy's `FilterDataStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataStatus {
    Continue,
    Buffer,
    Watermark,
    NoBuffer,
}

impl DataStatus {
    pub(crate) fn from_result(result: u32, stop: bool) -> Self {
        match result {
            _ if stop => Self::NoBuffer,
            0 => Self::Continue,
            1 => Self::Buffer,
            2 => Self::Watermark,
            _ => Self::NoBuffer,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Half {
    pub(crate) headers: Option<HeaderMap>,
    /// The guest may read and change the headers now.
    pub(crate) headers_open: bool,
    pub(crate) headers_sent: bool,
    /// The body the guest sees: one chunk, or all that is buffered.
    pub(crate) chunk: Vec<u8>,
    pub(crate) body_open: bool,
    pub(crate) buffering: bool,
    /// Bytes that go before `chunk` and that the guest does not see.
    pub(crate) held: Vec<u8>,
    /// Bytes that went on.
    pub(crate) out: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) trailers_open: bool,
    pub(crate) queued_trailers: Option<HeaderMap>,
    /// The last thing that came in was the end.
    pub(crate) ended: bool,
    /// The end went on too.
    pub(crate) end_sent: bool,
    pub(crate) stopped: Stopped,
    pub(crate) body_bytes: u64,
}

impl Half {
    /// Lets headers go on.
    pub(crate) fn pass_headers(&mut self) {
        self.headers_sent = true;
        self.stopped = Stopped::No;
        if self.ended && self.held.is_empty() && self.queued_trailers.is_none() {
            self.end_sent = true;
        }
    }

    /// Lets everything that is held go on.
    pub(crate) fn pass_body(&mut self) {
        self.out.append(&mut self.held);
        self.out.append(&mut self.chunk);
        self.body_open = false;
        self.buffering = false;
        self.stopped = Stopped::No;
        // A filter may add trailers to the last chunk; they are the end then.
        if self.ended {
            self.end_sent = true;
        }
    }

    /// Lets the trailers go on, and the end with them.
    pub(crate) fn pass_trailers(&mut self) {
        self.pass_body();
        self.trailers_open = false;
        self.ended = true;
        self.end_sent = true;
    }

    /// The guest no longer may touch what is there.
    pub(crate) fn close_views(&mut self) {
        self.headers_open = false;
        self.trailers_open = false;
    }

    /// The trailers the guest may change: in their phase, or new ones with the body's last chunk.
    pub(crate) fn trailers_mut(&mut self) -> Option<&mut HeaderMap> {
        if self.trailers_open {
            return self.trailers.as_mut();
        }
        if self.trailers.is_none() && self.body_open && self.ended && self.queued_trailers.is_none()
        {
            self.trailers_open = true;
            return Some(self.trailers.insert(HeaderMap::new()));
        }
        None
    }
}
