//! Peers that connect to us.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bt_swarm::HANDSHAKE_TIMEOUT;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::debug;

use crate::{
    handshake::{self, HandshakeFailure},
    net::{Listener, Stream},
    session::Shared,
};

/// Accepts connections as long as there is room in `half_open`, exchanges handshakes, and hands
/// them to their torrents. Connections beyond that wait in the system's backlog.
pub(crate) async fn accept(listener: Listener, shared: Arc<Shared>, half_open: Arc<Semaphore>) {
    let mut handshakes = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&half_open).acquire_owned().await else {
            return; // the semaphore is never closed
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let shared = Arc::clone(&shared);
                handshakes.spawn(shake_hands(stream, peer, shared, permit));
            }
            Err(error) => {
                // The peer has gone again, or we are out of descriptors: let others close some.
                debug!(%error, "no connection accepted");
                sleep(PAUSE).await;
            }
        }
        while handshakes.try_join_next().is_some() {}
    }
}

async fn shake_hands(
    stream: Arc<dyn Stream>,
    peer: SocketAddr,
    shared: Arc<Shared>,
    permit: OwnedSemaphorePermit,
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
            established.permit = Some(permit);
            // The torrent may have gone meanwhile; the connection closes then.
            let _ = mailbox.send(crate::torrent::Mail::Accepted(established));
        }
        (Ok(_), None) => {}
        (Err(reason), _) => debug!(%peer, %reason, "inbound handshake failed"),
    }
}

/// Between two attempts to accept when the system refuses.
const PAUSE: Duration = Duration::from_millis(100);
