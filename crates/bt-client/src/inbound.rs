//! Peers that connect to us.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bt_swarm::HANDSHAKE_TIMEOUT;
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::{
    half_open::HalfOpen,
    handshake::{self, HandshakeFailure},
    mail::Mail,
    net::{Listener, Stream},
    shared::Shared,
};

/// Accepts connections, exchanges handshakes, and hands them to their torrents.
pub(crate) async fn accept(listener: Listener, shared: Arc<Shared>, half_open: HalfOpen) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let handshake = shake_hands(stream, peer, Arc::clone(&shared), half_open.clone());
                half_open.spawn(peer.ip(), handshake);
            }
            Err(error) => {
                // The peer has gone again, or we are out of descriptors: let others close some.
                debug!(%error, "no connection accepted");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn shake_hands(
    stream: Arc<dyn Stream>,
    peer: SocketAddr,
    shared: Arc<Shared>,
    half_open: HalfOpen,
) {
    let mut mailbox = None;
    let respond = handshake::respond(stream, peer, |id| {
        let (found, handshake) = shared.route(id)?;
        mailbox = Some(found);
        Some(handshake)
    });
    let result = timeout(HANDSHAKE_TIMEOUT, respond).await;
    match (result.unwrap_or(Err(HandshakeFailure::TimedOut)), mailbox) {
        (Ok(mut established), Some(mailbox)) => {
            established.permit = half_open.wait_for_torrent().await;
            // The torrent may have gone meanwhile; the connection closes then.
            let _ = mailbox.send(Mail::Accepted(established));
        }
        (Ok(_), None) => {}
        (Err(reason), _) => debug!(%peer, %reason, "inbound handshake failed"),
    }
}

/// Between two attempts to accept when the system refuses.
const PAUSE: Duration = Duration::from_millis(100);
