use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use crate::{PeerId, SwarmId};

/// Why we announce (BEP 3, "event").
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum AnnounceEvent {
    /// Because the interval has passed.
    #[default]
    None,
    /// The download has just become complete: once, and never by who started complete.
    Completed,
    /// We have joined.
    Started,
    /// We are leaving.
    Stopped,
}

/// What we tell a tracker of any kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AnnounceRequest {
    /// The swarm.
    pub swarm_id: SwarmId,
    /// Who we are.
    pub peer_id: PeerId,
    /// Payload bytes sent since the `Started` event.
    pub uploaded: u64,
    /// Payload bytes received since the `Started` event.
    pub downloaded: u64,
    /// Bytes that we still lack. 0 means: we seed.
    pub left: u64,
    /// Why we announce.
    pub event: AnnounceEvent,
    /// Tells the tracker that we are the same peer after our address changed.
    pub key: u32,
    /// How many peers we would like; `None` leaves it to the tracker.
    pub num_want: Option<u32>,
    /// The port on which we listen.
    pub port: u16,
}

/// What a tracker of any kind answers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AnnounceResponse {
    /// How long to wait before the next regular announce, as the tracker said it (unchecked).
    pub interval: Duration,
    /// Never announce more often than this, whatever happens.
    pub min_interval: Option<Duration>,
    /// Peers that have everything.
    pub seeders: Option<u32>,
    /// Peers that do not.
    pub leechers: Option<u32>,
    /// Some of them. Untrusted: may hold port 0, our own address, anything.
    pub peers: Vec<SocketAddr>,
    /// Our address as the tracker sees it (BEP 24): one vote.
    pub external_ip: Option<IpAddr>,
    /// To be sent back in later announces to this tracker.
    pub tracker_id: Option<Vec<u8>>,
    /// A message for the user; the announce succeeded all the same.
    pub warning: Option<String>,
}
