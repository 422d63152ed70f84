use std::{num::NonZeroU64, time::Duration};

/// What limits a download right now: one thing, with the figures that say so. All of them are means
/// of the last five seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Limit {
    /// Nothing is left to fetch.
    Complete,
    /// What is on disk is looked at first.
    Checking {
        /// Bytes checked.
        bytes_done: u64,
        /// Bytes to check.
        bytes_total: u64,
    },
    /// The info dictionary is fetched from peers first (BEP 9).
    Metadata {
        /// Peers that are connected.
        connected: usize,
        /// Of these, those that say to have it, and answer.
        having: usize,
        /// Bytes of it that have come.
        bytes: u32,
        /// Bytes of it in all, by the word of most; 0 while nobody has said so.
        total: u32,
    },
    /// Nobody is connected.
    NoPeers {
        /// Addresses that are known.
        known: usize,
        /// Of these, those that could not be reached the last time.
        unreachable: usize,
        /// Dials under way.
        dialling: usize,
        /// Nodes that our DHT node knows; `None` if there is none, or it is not asked for this
        /// torrent.
        dht_nodes: Option<usize>,
    },
    /// Nobody is connected, nobody else is known who could be reached, and no tracker answers.
    TrackersDown {
        /// Trackers that failed the last time.
        failing: usize,
        /// Addresses that are known, and could not be reached.
        known: usize,
    },
    /// Peers have what we want, and none of them lets us have it.
    AllChoked {
        /// Peers that are connected.
        connected: usize,
        /// Of these, those that have something that we want; all of them choke us.
        interesting: usize,
    },
    /// Most of the connected peers have nothing that we lack.
    RarePieces {
        /// Peers that are connected.
        connected: usize,
        /// Of these, those that have something that we want.
        interesting: usize,
        /// Pieces of which blocks are lacking.
        missing: u32,
        /// Of these, those that nobody has.
        nowhere: u32,
        /// Of these, those that one peer alone has.
        sole: u32,
    },
    /// The user wants no more than this.
    OwnLimit {
        /// The limit.
        bytes_per_sec: NonZeroU64,
        /// What comes.
        received_bytes_per_sec: u64,
    },
    /// All the memory that we may use is in use, and not because of the disk.
    Memory {
        /// What we may use.
        bytes: usize,
        /// What comes.
        received_bytes_per_sec: u64,
    },
    /// The disk does not keep up.
    Disk {
        /// Bytes that wait to be hashed and written.
        waiting_bytes: usize,
        /// What is written.
        written_bytes_per_sec: u64,
        /// It has refused to write.
        is_refusing: bool,
    },
    /// The processor does not keep up with hashing.
    Hashing {
        /// Bytes that wait to be hashed and written.
        waiting_bytes: usize,
        /// What is hashed.
        hashed_bytes_per_sec: u64,
    },
    /// Nothing of ours: it is as fast as the peers send, or the lines between.
    Peers {
        /// Peers that are connected.
        connected: usize,
        /// Of these, those that let us have something that we want.
        serving: usize,
        /// Of these, those that do not answer.
        snubbed: usize,
        /// What comes.
        received_bytes_per_sec: u64,
    },
}

impl Limit {
    /// In a word, for machines: `all_choked`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Checking { .. } => "checking",
            Self::Metadata { .. } => "metadata",
            Self::NoPeers { .. } => "no_peers",
            Self::TrackersDown { .. } => "trackers_down",
            Self::AllChoked { .. } => "all_choked",
            Self::RarePieces { .. } => "rare_pieces",
            Self::OwnLimit { .. } => "own_limit",
            Self::Memory { .. } => "memory",
            Self::Disk { .. } => "disk",
            Self::Hashing { .. } => "hashing",
            Self::Peers { .. } => "peers",
        }
    }
}

/// What a swarm does not see of itself, told by whoever drives it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Outside {
    /// Trackers that answered the last time.
    pub trackers_working: usize,
    /// Trackers that did not, and will be asked again or not.
    pub trackers_failing: usize,
    /// Trackers that are being asked, and have not failed.
    pub trackers_asked: usize,
    /// Nodes that our DHT node knows; `None` if there is none, or it is not asked for this torrent.
    pub dht_nodes: Option<usize>,
    /// What hashing has cost so far, on all threads together.
    pub hash_time: Duration,
    /// Threads that hash and write; 0 counts as one.
    pub disk_threads: usize,
}
