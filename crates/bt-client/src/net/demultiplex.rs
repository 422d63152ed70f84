use std::{net::SocketAddr, sync::Arc};

use bt_tracker::Family;
use tokio::sync::mpsc;
use tracing::{debug, trace};

use super::UdpSockets;

/// The session's UDP: what is sent goes out by `sockets`, whoever sends it; what comes in is
/// brought to whom it concerns. Who is not there for a kind of datagrams drops its inbox.
pub(crate) struct Udp {
    pub(crate) sockets: Arc<UdpSockets>,
    pub(crate) trackers: Inbox,
    pub(crate) dht: Inbox,
}

/// Datagrams for one of those behind the sockets. Bounded: what comes faster than it is taken waits
/// in the system's buffer, or is lost, as it might have been on the way.
pub(crate) type Inbox = mpsc::Receiver<Datagram>;

pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) payload: Box<[u8]>,
}

impl Udp {
    /// Reads until nobody is there to read for.
    pub(crate) fn start(sockets: UdpSockets) -> Self {
        let sockets = Arc::new(sockets);
        let (to_trackers, trackers) = mpsc::channel(TRACKER_QUEUE);
        let (to_dht, dht) = mpsc::channel(DHT_QUEUE);
        for family in sockets.families() {
            let doors = Doors {
                trackers: to_trackers.clone(),
                dht: to_dht.clone(),
            };
            tokio::spawn(read(Arc::clone(&sockets), family, doors));
        }
        Self {
            sockets,
            trackers,
            dht,
        }
    }
}

struct Doors {
    trackers: mpsc::Sender<Datagram>,
    dht: mpsc::Sender<Datagram>,
}

impl Doors {
    /// By the first byte: a message of the DHT is a bencoded dictionary, an answer of a tracker
    /// begins with an action below 4 as a number of 32 bits.
    ///
    /// Strangers may send to the DHT what they like, and more of it than a node can answer. An answer
    /// of a tracker is waited for by us: it must not be lost behind others, and whoever takes them
    /// does nothing that takes long.
    async fn place_for(&self, datagram: &[u8]) -> Option<mpsc::Permit<'_, Datagram>> {
        match datagram.first() {
            Some(b'd') => self.dht.try_reserve().ok(),
            _ => self.trackers.reserve().await.ok(),
        }
    }

    async fn closed(&self) {
        self.trackers.closed().await;
        self.dht.closed().await;
    }
}

/// Each socket has a task of its own, so that a flood on one does not silence the other.
async fn read(sockets: Arc<UdpSockets>, family: Family, doors: Doors) {
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let received = tokio::select! {
            received = sockets.recv(family, &mut buffer) => received,
            () = doors.closed() => return,
        };
        match received {
            Ok((len, from)) => {
                let datagram = &buffer[..len];
                // Only what is taken is copied.
                match doors.place_for(datagram).await {
                    Some(place) => place.send(Datagram {
                        from,
                        payload: datagram.into(),
                    }),
                    None => trace!(%from, len, "nobody takes the datagram"),
                }
            }
            // Mostly an ICMP message about a datagram of ours.
            Err(error) => debug!(%error, "nothing received"),
        }
    }
}

/// The longest that UDP has: a tracker may use it.
const MAX_DATAGRAM: usize = 0x1_0000;
const TRACKER_QUEUE: usize = 64;
/// A burst that a node answers within milliseconds.
const DHT_QUEUE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_gets_what_concerns_it() {
        let (sockets, address) = UdpSockets::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let mut udp = Udp::start(sockets);
        let (others, from) = UdpSockets::bind(([127, 0, 0, 1], 0).into()).unwrap();
        for datagram in [&b"d1:y1:qe"[..], b"\0\0\0\x01abcdefgh", b""] {
            others.send_to(datagram, address).await.unwrap();
        }
        let query = udp.dht.recv().await.unwrap();
        assert_eq!((&*query.payload, query.from), (&b"d1:y1:qe"[..], from));
        let answer = udp.trackers.recv().await.unwrap();
        assert_eq!(&*answer.payload, b"\0\0\0\x01abcdefgh");
        assert!(udp.trackers.recv().await.unwrap().payload.is_empty());
        assert!(udp.dht.try_recv().is_err());

        // By the same sockets.
        udp.sockets.send_to(b"answer", from).await.unwrap();
        let mut buffer = [0; 100];
        let (len, back) = others.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..len], back), (&b"answer"[..], address));
    }

    #[tokio::test]
    async fn who_takes_nothing_holds_up_nobody() {
        let (sockets, address) = UdpSockets::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let mut udp = Udp::start(sockets);
        let (others, _) = UdpSockets::bind(([127, 0, 0, 1], 0).into()).unwrap();
        for _ in 0..DHT_QUEUE + 10 {
            others.send_to(b"d1:y1:qe", address).await.unwrap();
            tokio::task::yield_now().await;
        }
        // The kernel's buffer may be full too: it is asked until an answer comes through.
        let answer = loop {
            others.send_to(b"\0\0\0\0", address).await.unwrap();
            tokio::task::yield_now().await;
            if let Ok(answer) = udp.trackers.try_recv() {
                break answer;
            }
        };
        assert_eq!(&*answer.payload, [0; 4]);
        assert!(udp.dht.len() <= DHT_QUEUE);
    }

    #[tokio::test]
    async fn no_answer_of_a_tracker_is_lost_behind_others() {
        let (sockets, address) = UdpSockets::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let mut udp = Udp::start(sockets);
        let (others, _) = UdpSockets::bind(([127, 0, 0, 1], 0).into()).unwrap();
        // So few that the system keeps them.
        for number in 0..TRACKER_QUEUE + 16 {
            others
                .send_to(&[0, 0, 0, number as u8], address)
                .await
                .unwrap();
            tokio::task::yield_now().await;
        }
        for number in 0..TRACKER_QUEUE + 16 {
            let answer = udp.trackers.recv().await.unwrap();
            assert_eq!(*answer.payload, [0, 0, 0, number as u8]);
        }
    }

    #[tokio::test]
    async fn the_port_is_free_when_nobody_reads() {
        let (sockets, address) = UdpSockets::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let udp = Udp::start(sockets);
        let sockets = Arc::downgrade(&udp.sockets);
        drop(udp);
        while sockets.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(UdpSockets::bind(address).is_ok());
    }
}
