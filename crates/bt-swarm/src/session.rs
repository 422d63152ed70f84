//! One connected peer: what each side has said.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bt_scheduler::RateMeter;
use bt_types::{Direction, PeerId, Transport};
use bt_wire::ExtensionIds;

use crate::{
    NewConnection, allowed_fast::AllowedFast, early::EarlyPieces, metadata::Serving,
    peers::Outcome, pex::Gossip, servings::Servings, upload::Uploads,
};

/// The state of one connection, from our point of view.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) addr: SocketAddr,
    /// Where the peer can be dialled, as far as we know.
    pub(crate) listen_addr: Option<SocketAddr>,
    pub(crate) direction: Direction,
    pub(crate) transport: Transport,
    pub(crate) peer_id: PeerId,
    pub(crate) supports_fast: bool,
    pub(crate) supports_extended: bool,
    pub(crate) supports_dht: bool,
    /// It has told where its DHT node is.
    pub(crate) told_dht_port: bool,
    pub(crate) client_name: Option<Arc<str>>,
    /// How many requests it takes, as far as it has said so (BEP 10, `reqq`).
    pub(crate) reqq: Option<u32>,
    /// The numbers under which it takes messages of extensions (BEP 10).
    pub(crate) extensions: ExtensionIds,

    /// Bytes of the info dictionary, by its word (BEP 9).
    pub(crate) metadata_size: Option<u32>,

    pub(crate) am_interested: bool,
    pub(crate) peer_choking: bool,
    /// It wants something, and has not said that it only uploads.
    pub(crate) peer_interested: bool,
    /// What it said last of its interest.
    pub(crate) says_interested: bool,
    /// It will not download (BEP 21): a seed, or one that has all that it wants.
    pub(crate) upload_only: bool,
    /// When a change of its interest last made us think of slots.
    pub(crate) interest_seen_at: Option<Instant>,
    /// Since when we answer its requests; `None` while we choke it.
    pub(crate) unchoked_at: Option<Instant>,

    /// What it has said of its pieces while the metadata was unknown.
    pub(crate) early: EarlyPieces,
    pub(crate) uploads: Uploads,
    pub(crate) servings: Servings,
    /// What it has asked for of our info dictionary.
    pub(crate) metadata: Serving,
    pub(crate) gossip: Gossip,
    /// What it may have while we choke it; `None` until it could have used that.
    pub(crate) allowed: Option<AllowedFast>,
    pub(crate) offences: Offences,

    pub(crate) connected_at: Instant,
    pub(crate) last_sent: Instant,
    pub(crate) last_received: Instant,
    pub(crate) traffic: Traffic,
}

/// Counts of what is forgiven a few times.
#[derive(Debug, Default)]
pub(crate) struct Offences {
    pub(crate) invalid_requests: u32,
    /// Since we last unchoked it.
    pub(crate) choked_requests: u32,
    pub(crate) unrequested_blocks: u32,
    pub(crate) unknown_messages: u32,
    pub(crate) extended_handshakes: u32,
}

/// Payload bytes in both directions, and their rates.
#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) downloaded: u64,
    pub(crate) uploaded: u64,
    /// Of `uploaded`, what went while there was something that we lacked.
    pub(crate) lent: u64,
    pub(crate) down: RateMeter,
    pub(crate) up: RateMeter,
}

impl Traffic {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            downloaded: 0,
            uploaded: 0,
            lent: 0,
            down: RateMeter::new(now),
            up: RateMeter::new(now),
        }
    }

    pub(crate) fn add_downloaded(&mut self, now: Instant, bytes: u32) {
        self.downloaded += u64::from(bytes);
        self.down.record(now, u64::from(bytes));
    }

    pub(crate) fn add_uploaded(&mut self, now: Instant, bytes: u32) {
        self.uploaded += u64::from(bytes);
        self.up.record(now, u64::from(bytes));
    }
}

impl Session {
    pub(crate) fn new(now: Instant, connection: &NewConnection) -> Self {
        let is_outbound = connection.direction == Direction::Outbound;
        Self {
            addr: connection.peer,
            listen_addr: is_outbound.then_some(connection.peer),
            direction: connection.direction,
            transport: connection.transport,
            peer_id: connection.peer_id,
            supports_fast: connection.reserved.supports_fast(),
            supports_extended: connection.reserved.supports_extended(),
            supports_dht: connection.reserved.supports_dht(),
            told_dht_port: false,
            client_name: None,
            reqq: None,
            extensions: ExtensionIds::default(),
            metadata_size: None,
            am_interested: false,
            peer_choking: true,
            peer_interested: false,
            says_interested: false,
            upload_only: false,
            interest_seen_at: None,
            unchoked_at: None,
            early: EarlyPieces::default(),
            uploads: Uploads::default(),
            servings: Servings::default(),
            metadata: Serving::default(),
            gossip: Gossip::default(),
            allowed: None,
            offences: Offences::default(),
            connected_at: now,
            last_sent: now,
            last_received: now,
            traffic: Traffic::new(now),
        }
    }

    /// Whether it uses its slot: it waits for something, or did until a moment ago.
    pub(crate) fn is_asking(&self, now: Instant) -> bool {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < REST;
        let last = self.uploads.last_progress();
        !self.uploads.is_idle() || last.max(self.unchoked_at).is_some_and(is_recent)
    }

    pub(crate) fn am_choking(&self) -> bool {
        self.unchoked_at.is_none()
    }

    pub(crate) fn has_traded(&self) -> bool {
        self.traffic.downloaded + self.traffic.uploaded > 0
    }

    /// Whether it has been there for long enough to show what it is worth.
    pub(crate) fn is_proven(&self, now: Instant) -> bool {
        now.duration_since(self.connected_at) >= PROBATION
    }

    /// How fast payload came and went since it connected, in bytes per second.
    pub(crate) fn mean_rates(&self, now: Instant) -> (u64, u64) {
        let age_ms = now.duration_since(self.connected_at).as_millis().max(1000);
        let mean = |bytes: u64| (u128::from(bytes) * 1000 / age_ms) as u64;
        (mean(self.traffic.downloaded), mean(self.traffic.uploaded))
    }

    /// Whether it does not take what we send.
    pub(crate) fn is_not_reading(&self, now: Instant) -> bool {
        let stuck = self.uploads.stuck_since();
        stuck.is_some_and(|since| now.duration_since(since) >= STUCK_LIMIT)
    }

    /// What is to be remembered of the peer when the connection ends at `now`.
    pub(crate) fn outcome(&self, now: Instant) -> Outcome {
        if self.has_traded() || now.duration_since(self.connected_at) >= LONG_CONNECTION {
            Outcome::Good
        } else {
            Outcome::Fruitless
        }
    }

    pub(crate) fn keep_alive_due(&self, now: Instant) -> bool {
        now.duration_since(self.last_sent) >= KEEP_ALIVE_INTERVAL
    }

    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        now.duration_since(self.last_received) >= SILENCE_LIMIT
    }
}

/// A connection that stood for a minute was accepted; one that ended sooner without a byte of
/// payload was most likely refused by a full peer.
const LONG_CONNECTION: Duration = Duration::from_secs(60);
/// BEP 3 has two minutes; twenty seconds less, so that it arrives in time.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(100);
/// A peer that keeps to BEP 3's two minutes, and half a minute for the network.
const SILENCE_LIMIT: Duration = Duration::from_secs(150);
/// Twelve rounds of choking: whoever has anything for us, or wants anything, has shown it by then.
const PROBATION: Duration = Duration::from_secs(120);
/// A block takes less at 300 bytes per second.
const STUCK_LIMIT: Duration = Duration::from_secs(60);
/// Longer than the way to the far side of the world and back.
const REST: Duration = Duration::from_millis(500);
