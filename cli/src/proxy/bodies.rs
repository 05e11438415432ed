//! The bodies of requests and responses on their way through the filter, chunk by chunk.

use super::body::{Body, BoxError};
use super::fields;
use super::shared_stream::{BROKEN, SharedStream, Way};
use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use serin_host_sim::{Action, LocalReply};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::oneshot;

/// The number of chunks that may wait between the filter and the receiver.
const MAX_WAITING: usize = 8;

/// The reason why a body ended within the filter.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The filter sent a reply of its own.
    Reply(LocalReply),
    /// The stream was reset, or one side has closed its connection.
    Broken,
}

/// Sends a body through the filter, in a task of its own. If the body ends within the filter, `reason` gets
/// the reason before the receiver gets the error.
pub(crate) fn through(
    body: Incoming,
    stream: SharedStream,
    way: Way,
    reason: Option<oneshot::Sender<Stopped>>,
) -> Body {
    let (mut sender, channel) = Channel::<Bytes, BoxError>::new(MAX_WAITING);
    tokio::spawn(async move {
        let Err(stopped) = pump(body, stream, way, &mut sender).await else {
            return;
        };
        if let Some(reason) = reason {
            let _ = reason.send(stopped);
        }
        sender.abort("the filter ended the body".into());
    });
    channel.boxed()
}

async fn pump(
    mut body: Incoming,
    stream: SharedStream,
    way: Way,
    sender: &mut Sender<Bytes, BoxError>,
) -> Result<(), Stopped> {
    loop {
        let (action, end) = match body.frame().await {
            None => (stream.body(way, Vec::new(), true), true),
            Some(Err(_)) => return Err(Stopped::Broken),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    let end = body.is_end_stream();
                    (stream.body(way, data.into(), end), end)
                }
                Err(frame) => match frame.into_trailers() {
                    Ok(map) => (stream.trailers(way, fields::trailers(&map)), true),
                    Err(_) => continue,
                },
            },
        };
        // Wait only if the filter pauses the end; it gets further chunks of the body at once.
        let action = if end { stream.settled(way, action).await } else { action };
        match action {
            Action::LocalReply(reply) => return Err(Stopped::Reply(reply)),
            Action::Continue | Action::Pause => {}
            _ => return Err(Stopped::Broken),
        }
        let data = stream.take_body(way);
        if !data.is_empty() && sender.send_data(data.into()).await.is_err() {
            return Err(Stopped::Broken);
        }
        if end {
            let trailers = stream.trailers_sent(way);
            if let Some(trailers) = trailers.filter(|trailers| !trailers.is_empty()) {
                let mut trailers = fields::to_http(&trailers);
                if matches!(way, Way::Up) && stream.with(|stream| stream.failed()) {
                    fields::remove_reserved(&mut trailers);
                }
                let _ = sender.send_trailers(trailers).await;
            }
            return Ok(());
        }
    }
}

/// A body that keeps the filter's stream open until its own end, so that the filter logs the complete request.
pub(crate) struct Guarded {
    body: Body,
    stream: SharedStream,
}

impl Guarded {
    pub(crate) fn new(body: Body, stream: SharedStream) -> Self {
        Self { body, stream }
    }
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if matches!(frame, Some(Err(_))) {
            self.stream.failed_by(BROKEN);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
