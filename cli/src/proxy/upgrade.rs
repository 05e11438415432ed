//! Connections that become something else, such as WebSockets.

use hyper_util::rt::TokioIo;

/// Joins the two sides once both have changed over.
pub(crate) fn join(client: hyper::upgrade::OnUpgrade, upstream: hyper::upgrade::OnUpgrade) {
    tokio::spawn(async move {
        let (Ok(client), Ok(upstream)) = tokio::join!(client, upstream) else {
            return;
        };
        let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        // Whichever side goes away, the other one is let go too.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
    });
}
