use std::{error::Error, net::SocketAddr, sync::Arc};

use bt_swarm::is_common;
use bt_tracker::{AnnounceFailure, Family, Retry};
use bt_tracker_http::{Origin, Scrape, ScrapeEntry};
use bt_tracker_udp::BEP_15_ATTEMPTS;
use bt_types::{AnnounceRequest, AnnounceResponse, SwarmId};
use tracing::debug;

use super::{
    addresses::{Fate, Memory, Of},
    http,
    udp::UdpTrackers,
    url::UdpUrl,
};
use crate::{
    AnnounceError,
    net::{self, HttpClient, HttpError, Wait},
};

/// What the torrents of a session ask trackers with, of each kind. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) udp: UdpTrackers,
    pub(crate) http: HttpClient,
}

/// What is announced, and to whom.
pub(crate) struct What<'a> {
    pub(crate) tracker: &'a Arc<str>,
    pub(crate) origin: Origin,
    pub(crate) request: AnnounceRequest,
    pub(crate) tracker_id: Option<&'a [u8]>,
    pub(crate) family: Option<Family>,
}

/// What a tracker has answered, and from where.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: AnnounceResponse,
    pub(crate) from: SocketAddr,
}

impl Answer {
    /// What of it can be believed: a tracker of the internet names nobody in our own network, and only
    /// one on this machine names others on it.
    pub(super) fn into_believable(self) -> AnnounceResponse {
        let Self { mut response, from } = self;
        let named = response.peers.len();
        response
            .peers
            .retain(|peer| is_common(from.ip(), peer.ip()));
        let left_out = named - response.peers.len();
        if left_out > 0 {
            debug!(tracker = %from, left_out, "peers of a network that is not the tracker's");
        }
        response
    }
}

impl Clients {
    /// Announces by the protocol that the URL names, and tells of its wait, if it has to wait for its
    /// turn. It takes as long as it takes: the caller gives up what is too slow.
    pub(crate) async fn announce(
        &self,
        memory: &Memory,
        announce: &What<'_>,
        tell: impl Fn(Wait),
    ) -> Result<Answer, AnnounceError> {
        let What {
            tracker,
            request,
            family,
            ..
        } = *announce;
        if is_http(tracker) {
            debug!(url = %tracker, event = ?request.event, "announcing");
            return http::announce(&self.http, announce, tell).await;
        }
        let url = UdpUrl::parse(tracker)?;
        let of = (Arc::clone(tracker), family);
        let addresses = self.udp_addresses(memory, &of, &url).await?;
        announce_in_turn(&self.udp, memory, (&of, url.data), &addresses, request).await
    }

    /// Asks how many peers some swarms have, by the protocol that the URL names, for the user.
    pub(crate) async fn scrape(
        &self,
        memory: &Memory,
        tracker: &Arc<str>,
        swarm_ids: &[SwarmId],
    ) -> Result<Scrape, AnnounceError> {
        if is_http(tracker) {
            return http::scrape(&self.http, tracker, swarm_ids).await;
        }
        let url = UdpUrl::parse(tracker)?;
        let of = (Arc::clone(tracker), None);
        let addresses = self.udp_addresses(memory, &of, &url).await?;
        let address = *addresses.first().ok_or(AnnounceError::NoReachableAddress)?;
        let found = self.udp.scrape(address, url.data, swarm_ids).await?;
        let mut swarms: Vec<_> = found
            .into_iter()
            .map(|entry| {
                Some(ScrapeEntry {
                    seeders: Some(entry.seeders),
                    completed: Some(entry.completed),
                    leechers: Some(entry.leechers),
                    downloaders: None,
                })
            })
            .collect();
        swarms.resize(swarm_ids.len(), None);
        Ok(Scrape {
            swarms,
            min_interval: None,
        })
    }

    /// In the order in which they are to be tried.
    async fn udp_addresses(
        &self,
        memory: &Memory,
        of: &Of,
        url: &UdpUrl<'_>,
    ) -> Result<Vec<SocketAddr>, AnnounceError> {
        let found = net::resolve(url.host, url.port).await;
        let mut addresses = found.map_err(|source| AnnounceError::LookUp {
            host: url.host.to_owned(),
            source,
        })?;
        addresses.retain(|&address| self.udp.reaches(address));
        if addresses.is_empty() {
            return Err(AnnounceError::NoReachableAddress);
        }
        if let Some(family) = of.1 {
            addresses.retain(|address| address.is_ipv4() == (family == Family::V4));
            if addresses.is_empty() {
                return Err(AnnounceError::NoAddressOf(family));
            }
        }
        // Few UDP trackers listen on IPv6, whatever their name says, and silence costs 15 seconds.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        memory.put_in_turn(of, &mut addresses);
        Ok(addresses)
    }
}

/// Whether a tracker is asked over HTTP or HTTPS.
fn is_http(url: &str) -> bool {
    let scheme = url.split("://").next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// Announces to the addresses of a tracker, one after the other, until one answers, if only to
/// refuse; the next announce begins where this one was.
async fn announce_in_turn(
    udp: &UdpTrackers,
    memory: &Memory,
    (of, url_data): (&Of, &str),
    addresses: &[SocketAddr],
    request: AnnounceRequest,
) -> Result<Answer, AnnounceError> {
    let mut last = AnnounceError::NoReachableAddress;
    for (position, &address) in addresses.iter().enumerate() {
        debug!(url = %of.0, %address, event = ?request.event, "announcing");
        let before = memory.note(of, address, Fate::Unanswered);
        let is_last = position + 1 == addresses.len();
        let attempts = if is_last { BEP_15_ATTEMPTS } else { 1 };
        match udp.announce(address, url_data, request, attempts).await {
            Ok(response) => {
                memory.note(of, address, Fate::Answered);
                let from = address;
                return Ok(Answer { response, from });
            }
            // That is its answer, whatever its other addresses do.
            Err(refusal @ AnnounceError::Refused { .. }) => return Err(refusal),
            // So many others ask it that it has not been asked: who knows whether it answers.
            Err(busy @ AnnounceError::Busy { .. }) => {
                memory.put_back(of, before);
                last = busy;
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What the schedule hears of it.
pub(super) fn failure(error: &AnnounceError) -> AnnounceFailure {
    let message = match error.source() {
        Some(source) if !matches!(error, AnnounceError::NotAnAnswer { .. }) => {
            format!("{error}: {source}")
        }
        _ => error.to_string(),
    };
    let retry = match error {
        AnnounceError::UnsupportedScheme
        | AnnounceError::NoHostAndPort
        | AnnounceError::Url(_)
        | AnnounceError::Request(_) => Retry::Never,
        AnnounceError::NoAddressOf(_) | AnnounceError::Http(HttpError::NoAddressOf(_)) => {
            Retry::NoAddress
        }
        AnnounceError::Refused { retry, .. } => *retry,
        _ => Retry::Unspecified,
    };
    AnnounceFailure { message, retry }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bt_tracker_udp::MAX_PENDING_REQUESTS;
    use bt_types::{AnnounceEvent, PeerId};

    use super::*;
    use crate::{net::UdpSockets, random::Seeds, tasks::AbortOnDrop};

    #[test]
    fn trackers_of_the_internet_name_nobody_in_our_network() {
        let named = [
            "127.0.0.1:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
            "192.168.1.1:1",
            "169.254.1.1:1",
            "[fe80::1]:1",
            "8.8.8.8:1",
            "[2600::1]:1",
        ];
        for (tracker, believed) in [
            ("1.1.1.1:80", &named[6..]),
            ("[2606:4700::1111]:80", &named[6..]),
            ("192.168.1.9:80", &named[3..]),
            ("[fd00::9]:80", &named[3..]),
            ("127.0.0.1:80", &named[..]),
        ] {
            let peers = |of: &[&str]| of.iter().map(|it| it.parse().unwrap()).collect();
            let answer = Answer {
                response: AnnounceResponse {
                    peers: peers(&named),
                    ..AnnounceResponse::default()
                },
                from: tracker.parse().unwrap(),
            };
            let expected: Vec<SocketAddr> = peers(believed);
            assert_eq!(answer.into_believable().peers, expected, "{tracker}");
        }
    }

    const REQUEST: AnnounceRequest = AnnounceRequest {
        swarm_id: SwarmId([1; 20]),
        peer_id: PeerId([2; 20]),
        downloaded: 0,
        uploaded: 0,
        left: 1,
        event: AnnounceEvent::Started,
        key: 3,
        num_want: None,
        port: 4,
    };

    fn local() -> (UdpSockets, SocketAddr) {
        UdpSockets::bind(([127, 0, 0, 1], 0).into()).unwrap()
    }

    fn client() -> UdpTrackers {
        UdpTrackers::alone(local().0, Seeds::from_system().unwrap())
    }

    fn refuse(server: UdpSockets) -> AbortOnDrop {
        AbortOnDrop::spawn(async move {
            let mut datagram = [0; 1500];
            while let Ok((_, from)) = server.recv_from(&mut datagram).await {
                // BEP 15: action 3, the transaction id, the reason.
                let refusal = [&[0, 0, 0, 3], &datagram[12..16], b"go away"].concat();
                server.send_to(&refusal, from).await.unwrap();
            }
        })
    }

    fn is_refused(answer: &Result<Answer, AnnounceError>) -> bool {
        matches!(answer, Err(AnnounceError::Refused { reason, .. }) if reason == "go away")
    }

    #[tokio::test]
    async fn a_refusal_is_not_forgotten_while_another_address_is_silent() {
        let ((server, refuses), (_silent, silent)) = (local(), local());
        let _refusing = refuse(server);
        let (udp, url) = (client(), ("udp://t:1".into(), None));
        let (memory, addresses) = (Memory::default(), [refuses, silent]);
        let answer = announce_in_turn(&udp, &memory, (&url, ""), &addresses, REQUEST);
        // The silent one alone would take this long.
        let answer = tokio::time::timeout(Duration::from_secs(10), answer).await;
        assert!(is_refused(&answer.unwrap()));
    }

    #[tokio::test]
    async fn an_address_that_gets_no_more_is_not_one_that_does_not_answer() {
        let ((server, refuses), (_silent, full)) = (local(), local());
        let _refusing = refuse(server);
        let udp = client();
        // Asked one after the other, of which each waits.
        let mut waiting = Vec::new();
        for _ in 0..MAX_PENDING_REQUESTS {
            let mut one = Box::pin(udp.announce(full, "", REQUEST, 1));
            tokio::select! {
                biased;
                answer = &mut one => panic!("{answer:?}"),
                () = tokio::task::yield_now() => {}
            }
            waiting.push(one);
        }
        let url = ("udp://t:1".into(), None);
        let in_turn = |memory: &Memory| {
            let mut addresses = [refuses, full];
            memory.put_in_turn(&url, &mut addresses);
            addresses
        };
        let memory = Memory::default();
        for addresses in [&[full][..], &[full, refuses]] {
            memory.note(&url, full, Fate::Answered);
            let answer = announce_in_turn(&udp, &memory, (&url, ""), addresses, REQUEST).await;
            assert_eq!(in_turn(&memory), [full, refuses]);
            assert_eq!(is_refused(&answer), addresses.len() == 2, "{answer:?}");
        }
    }
}
