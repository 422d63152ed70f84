use std::{net::IpAddr, sync::Arc};

use bt_tracker_http::{Origin, Scrape};
use bt_types::{AnnounceEvent, AnnounceRequest, AnnounceResponse, PeerId, SwarmId};

use crate::{
    AnnounceError, SessionError,
    net::{HttpClient, UdpSockets},
    random::Seeds,
    session::new_peer_id,
    trackers::{Clients, Memory, UdpTrackers, What},
};

/// Asks trackers without having a torrent: to see what they say, or whether they are there.
///
/// ```
/// use bt_client::{LocalTracker, TrackerClient};
/// use bt_types::SwarmId;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tracker = LocalTracker::start("127.0.0.1:0".parse()?, Default::default())?;
/// let client = TrackerClient::start(None)?;
/// let request = client.request(SwarmId([7; 20]), 6881);
/// let answer = client.announce(&tracker.url(), request).await?;
/// assert_eq!((answer.seeders, answer.leechers), (Some(0), Some(1))); // ourselves
/// # Ok(()) }
/// ```
pub struct TrackerClient {
    clients: Clients,
    /// So that who says goodbye does so to the address that knows us.
    addresses: Memory,
    peer_id: PeerId,
    key: u32,
}

impl TrackerClient {
    /// Opens a UDP socket for each family of addresses, or one on `bind`; on ports that the system
    /// chooses.
    ///
    /// # Errors
    /// If there is no such socket, or the system has no randomness to give.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(bind: Option<IpAddr>) -> Result<Self, SessionError> {
        let mut seeds = Seeds::from_system().map_err(SessionError::Random)?;
        let sockets = UdpSockets::on_any_port(bind).map_err(SessionError::Tracker)?;
        Ok(Self {
            clients: Clients {
                udp: UdpTrackers::alone(sockets, seeds.fork()),
                http: HttpClient::new(bind),
            },
            addresses: Memory::default(),
            peer_id: new_peer_id(&mut seeds),
            key: u32::from_ne_bytes(seeds.draw()),
        })
    }

    /// What a client says that has just started, listens on `port` and does not know yet how much
    /// there is to download. To be changed where that is not what is to be said.
    #[must_use]
    pub fn request(&self, swarm_id: SwarmId, port: u16) -> AnnounceRequest {
        AnnounceRequest {
            swarm_id,
            peer_id: self.peer_id,
            uploaded: 0,
            downloaded: 0,
            left: UNKNOWN_LEFT,
            event: AnnounceEvent::Started,
            key: self.key,
            num_want: None,
            port,
        }
    }

    /// Announces to the addresses of a tracker, one after the other, until one answers; first to
    /// the one that answered last. That may take an hour (BEP 15): whoever has less patience drops
    /// the future.
    ///
    /// # Errors
    /// Of the last address, if none answers; or if there is none.
    pub async fn announce(
        &self,
        url: &str,
        request: AnnounceRequest,
    ) -> Result<AnnounceResponse, AnnounceError> {
        let tracker: Arc<str> = url.into();
        let what = What {
            tracker: &tracker,
            origin: Origin::User,
            request,
            tracker_id: None,
            family: None,
        };
        let addresses = &self.addresses;
        let answer = self.clients.announce(addresses, &what, |_| ()).await?;
        Ok(answer.response)
    }

    /// Asks a tracker how many peers some swarms have (BEP 48), at most 64 at a time. That, too, may
    /// take long.
    ///
    /// # Errors
    /// If it does not answer, refuses, or cannot be scraped.
    pub async fn scrape(&self, url: &str, swarm_ids: &[SwarmId]) -> Result<Scrape, AnnounceError> {
        let tracker: Arc<str> = url.into();
        self.clients
            .scrape(&self.addresses, &tracker, swarm_ids)
            .await
    }
}

/// One block, as libtorrent says before it has the metadata: 0 would make us a seeder.
const UNKNOWN_LEFT: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use bt_tracker_udp::ServerConfig;

    use super::*;
    use crate::LocalTracker;

    const SWARM: SwarmId = SwarmId([5; 20]);

    #[tokio::test]
    async fn who_says_goodbye_is_forgotten() {
        let address = ([127, 0, 0, 1], 0).into();
        let tracker = LocalTracker::start(address, ServerConfig::default()).unwrap();
        let client = TrackerClient::start(None).unwrap();
        let hello = client.request(SWARM, 6881);
        client.announce(&tracker.url(), hello).await.unwrap();
        assert_eq!(tracker.stats(SWARM).leechers, 1);
        let goodbye = AnnounceRequest {
            event: AnnounceEvent::Stopped,
            ..hello
        };
        client.announce(&tracker.url(), goodbye).await.unwrap();
        assert_eq!(tracker.stats(SWARM).leechers, 0);
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_named() {
        let client = TrackerClient::start(Some([127, 0, 0, 1].into())).unwrap();
        let ask = async |url: &str| {
            let request = client.request(SWARM, 1);
            client.announce(url, request).await.unwrap_err()
        };
        let ws = ask("wss://127.0.0.1/announce").await;
        assert!(matches!(ws, AnnounceError::UnsupportedScheme), "{ws}");
        let odd = ask("http://me:secret@127.0.0.1/announce").await;
        assert!(matches!(odd, AnnounceError::Url(_)), "{odd}");
        let bare = ask("udp://127.0.0.1").await;
        assert!(matches!(bare, AnnounceError::NoHostAndPort), "{bare}");
        let other_family = ask("udp://[::1]:9").await;
        assert!(
            matches!(other_family, AnnounceError::NoReachableAddress),
            "{other_family}"
        );
    }
}
