use std::time::Duration;

use bt_scheduler::{Evaluator, Grant};
use bt_types::PeerId;

/// What a [`Swarm`](crate::Swarm) is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// What we call ourselves.
    pub peer_id: PeerId,
    /// The port on which we listen, told to peers; 0 if on none.
    pub listen_port: u16,
    /// The port of our DHT node, told to peers that have one too (BEP 5); `None` if there is none,
    /// or it has nothing to do with this torrent.
    pub dht_port: Option<u16>,
    /// Our name for peers (BEP 10, `v`).
    pub client_name: String,
    /// What this torrent may use until [`Swarm::set_grant`](crate::Swarm::set_grant) says otherwise.
    pub grant: Grant,
    /// How long a dial may take, handshakes included.
    pub dial_timeout: Duration,
    /// How long to wait before a peer is dialled again the first time; doubles with each failure.
    pub redial_delay: Duration,
    /// How many addresses are remembered.
    pub max_known_peers: usize,
    /// If we have everything when we begin, to pose as a peer with little until the others have
    /// everything, too (BEP 16): fewer uploads of ours until there is a second copy. For the first
    /// seed of a torrent; slower where there are others, or peers do not find each other.
    pub super_seed: bool,
    /// Nothing is ever requested: what is lost from the disk is waited for until it is there again,
    /// and peers are told that we only upload (BEP 21).
    pub only_serves: bool,
    /// To tell peers of each other, and to hear of others from them (BEP 11). Never in a private
    /// torrent.
    pub pex: bool,
    /// To fetch the info dictionary from peers while there is none, and to give it to them when
    /// there is (BEP 9). Never given in a private torrent.
    pub exchange_metadata: bool,
    /// How large an info dictionary may be that comes from peers, in bytes. So much memory is taken
    /// for it at most, whatever they send.
    pub max_metadata_bytes: u32,
    /// How peers are judged: whom to dial, from whom to part, whom to unchoke, how much to ask of
    /// each, and whose requests to give to others.
    pub evaluator: Evaluator,
}

impl Config {
    /// The defaults that users get.
    #[must_use]
    pub fn new(peer_id: PeerId, listen_port: u16) -> Self {
        Self {
            peer_id,
            listen_port,
            dht_port: None,
            client_name: concat!("bt ", env!("CARGO_PKG_VERSION")).to_owned(),
            grant: Grant::default(),
            dial_timeout: DIAL_TIMEOUT,
            redial_delay: REDIAL_DELAY,
            max_known_peers: MAX_KNOWN_PEERS,
            super_seed: false,
            only_serves: false,
            pex: true,
            exchange_metadata: true,
            max_metadata_bytes: MAX_METADATA_BYTES,
            evaluator: Evaluator::default(),
        }
    }
}

/// How long the driver may wait for the handshake of a peer that connected to us, before it knows
/// for which torrent (libtorrent's default).
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Connect and handshake together: libtorrent allows 15 s and 10 s, but most of the useful peers
/// answer within one, and a slot of the few half-open ones is dear.
const DIAL_TIMEOUT: Duration = Duration::from_secs(20);
/// Short, so that a peer that restarts is found again soon; the doubling makes it polite.
const REDIAL_DELAY: Duration = Duration::from_secs(5);
/// Of 1,600,000 pieces. libtorrent takes 30 MiB.
const MAX_METADATA_BYTES: u32 = 32 << 20;
/// libtorrent's `max_peerlist_size`.
const MAX_KNOWN_PEERS: usize = 3000;
