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
            // A liar gets nothing, not even a handshake.
            Ok((_, peer)) if shared.is_banned(peer) => debug!(%peer, "banned peer refused"),
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

#[cfg(test)]
mod tests {
    use bt_scheduler::{Grant, RateLimits};
    use bt_types::{InfoHash, PeerId, TorrentIds};
    use bt_wire::{Handshake, Reserved};
    use tokio::{sync::mpsc, time::Instant};

    use super::*;
    use crate::{
        buffers::BufferPool,
        disk::Disk,
        net::{
            self,
            testing::{Pipe, pipe},
        },
        shared::Place,
    };

    /// A session with one torrent, and what is sent to that.
    fn session() -> (Arc<Shared>, Place, Handshake, mpsc::UnboundedReceiver<Mail>) {
        let buffers = BufferPool::new(0);
        let disk = Disk::new(1, buffers.clone());
        let shared = Shared::new(None, vec![], Grant::default(), buffers, disk, 1, None);
        let shared = Arc::new(shared);
        let ids = TorrentIds::v1_only(InfoHash([1; 20]));
        let ours = Handshake {
            reserved: Reserved::NONE,
            swarm_id: ids.primary_swarm_id(),
            peer_id: PeerId([2; 20]),
        };
        let (mailbox, mail) = mpsc::unbounded_channel();
        let place = shared
            .reserve(ids, None, RateLimits::NONE, &mailbox)
            .unwrap();
        shared.open_to_peers(ids, ours);
        (shared, place, ours, mail)
    }

    /// How long a stranger is heard who does this, and whether a torrent learns of it.
    async fn heard(does: impl AsyncFn(&Pipe, [u8; Handshake::LENGTH])) -> (Duration, bool) {
        let (shared, _place, handshake, mut mail) = session();
        let (ours, theirs) = pipe(1000);
        let peer = ([192, 0, 2, 1], 1).into();
        let begun = Instant::now();
        let task = tokio::spawn(async move {
            shake_hands(Arc::new(ours), peer, shared, HalfOpen::new()).await;
            begun.elapsed()
        });
        does(&theirs, handshake.encode()).await;
        let lasted = task.await.unwrap();
        let is_accepted =
            std::iter::from_fn(|| mail.try_recv().ok()).any(|m| matches!(m, Mail::Accepted(_)));
        (lasted, is_accepted)
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_has_ten_seconds_to_say_who_it_is() {
        for length in [0, 1, 19, 20, 47, 48, 67] {
            let stalls = async |peer: &Pipe, handshake: [u8; 68]| {
                net::write_all(peer, &handshake[..length]).await.unwrap();
            };
            assert_eq!(
                heard(stalls).await,
                (HANDSHAKE_TIMEOUT, false),
                "{length} bytes"
            );
        }
        let drips = async |peer: &Pipe, handshake: [u8; 68]| {
            for byte in handshake {
                let _ = net::write_all(peer, &[byte]).await;
                sleep(Duration::from_secs(1)).await;
            }
        };
        assert_eq!(heard(drips).await, (HANDSHAKE_TIMEOUT, false));
        let speaks = async |peer: &Pipe, handshake: [u8; 68]| {
            net::write_all(peer, &handshake).await.unwrap();
        };
        assert_eq!(heard(speaks).await, (Duration::ZERO, true));
    }

    #[tokio::test]
    async fn who_lies_to_one_torrent_is_banned_by_all() {
        let (shared, _place, _, mut mail) = session();
        let liar = ([192, 0, 2, 1], 6881).into();
        assert!(!shared.is_banned(liar));
        shared.ban(liar);
        shared.ban(liar);
        assert!(shared.is_banned(([192, 0, 2, 1], 50_000).into()), "a host");
        let told = std::iter::from_fn(|| mail.try_recv().ok());
        let bans: Vec<_> = told
            .filter_map(|mail| match mail {
                Mail::Bans(bans) => Some(bans),
                _ => None,
            })
            .collect();
        assert!(bans.len() == 1 && bans[0].contains(liar));

        let (mailbox, _mail) = mpsc::unbounded_channel();
        let ids = TorrentIds::v1_only(InfoHash([2; 20]));
        let later = shared.reserve(ids, None, RateLimits::NONE, &mailbox);
        assert!(later.unwrap().first_bans.contains(liar));
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_another_torrent_is_not_heard_out() {
        let asks = async |peer: &Pipe, mut handshake: [u8; 68]| {
            handshake[28] ^= 1;
            net::write_all(peer, &handshake).await.unwrap();
        };
        assert_eq!(heard(asks).await, (Duration::ZERO, false));
    }
}
