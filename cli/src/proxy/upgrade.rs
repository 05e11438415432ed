//! Upgraded connections, such as WebSockets.

use hyper_util::rt::TokioIo;

/// Copies bytes between the two sides once both have upgraded.
pub(crate) fn join(client: hyper::upgrade::OnUpgrade, upstream: hyper::upgrade::OnUpgrade) {
    tokio::spawn(async move {
        let (Ok(client), Ok(upstream)) = tokio::join!(client, upstream) else {
            return;
        };
        let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        // When one side closes, the other one is closed too.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
    });
}
