use std::time::Duration;

use bt_types::{PeerId, SwarmId};

/// How a [`Schedule`](crate::Schedule) announces. [`Config::new`] fills in what is usual.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Who announces, and for which swarm.
    pub identity: Identity,
    /// To how many trackers at once.
    pub reach: Reach,
    /// A private torrent (BEP 27) uses one tracker at a time, whatever `reach` says.
    pub is_private: bool,
    /// The URL schemes that the driver can serve, in lower case. Others are reported and left.
    pub schemes: &'static [&'static str],
    /// How many peers to ask for; `None` leaves it to the tracker. Who leaves asks for none.
    pub num_want: Option<u32>,
    /// No regular announce to a tracker follows an answered one sooner than this, whatever
    /// interval it names. libtorrent's floor is 5 minutes; ours is 1, as trackers of fast swarms
    /// ask for 2.
    pub min_interval: Duration,
    /// [`Schedule::want_peers`](crate::Schedule::want_peers) shortens a tracker's interval to no
    /// less than this: BEP 15 wants nobody before the interval has passed, but it is often half an
    /// hour. libtorrent's `min_announce_interval` of 5 minutes.
    pub eager_interval: Duration,
    /// How long an announce may take before it counts as failed; libtorrent's 30 seconds.
    pub announce_timeout: Duration,
    /// How long [`Schedule::stop`](crate::Schedule::stop) may take; libtorrent's 5 seconds.
    pub stop_timeout: Duration,
}

/// What trackers know a peer by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The swarm. A hybrid torrent lives in two, and has one schedule for each.
    pub swarm_id: SwarmId,
    /// Who we are.
    pub peer_id: PeerId,
    /// Random; tells a tracker that we are the same peer after our address changed.
    pub key: u32,
    /// The port on which we listen.
    pub port: u16,
}

/// To how many trackers a torrent announces at once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reach {
    /// The first that answers, as BEP 12 has it.
    OneTracker,
    /// The first of each tier that answers (libtorrent's `announce_to_all_tiers`): more peers, and
    /// the swarm stays whole where people put their trackers in different orders.
    #[default]
    OneOfEachTier,
    /// All.
    EveryTracker,
}

impl Config {
    /// The usual: one tracker of each tier, all known schemes, 200 peers.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            reach: Reach::default(),
            is_private: false,
            schemes: &["udp", "http", "https", "ws", "wss"],
            num_want: Some(200),
            min_interval: Duration::from_secs(60),
            eager_interval: Duration::from_secs(5 * 60),
            announce_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(5),
        }
    }

    pub(crate) fn reach(&self) -> Reach {
        if self.is_private {
            Reach::OneTracker
        } else {
            self.reach
        }
    }

    /// Whether the driver can announce to `url`.
    pub(crate) fn supports(&self, url: &str) -> bool {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        url.len() <= MAX_URL_LENGTH
            && scheme.is_some_and(|scheme| {
                let mut supported = self.schemes.iter();
                supported.any(|supported| scheme.eq_ignore_ascii_case(supported))
            })
    }
}

/// Longer than any URL that a tracker hands out, passkey included.
const MAX_URL_LENGTH: usize = 2048;
