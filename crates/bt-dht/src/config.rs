/// How a node behaves. The default is what a client on the internet should use, IPv4 only.
#[derive(Clone, Debug)]
pub struct Config {
    /// Takes part in the network of IPv4 (BEP 5).
    pub v4: bool,
    /// Takes part in the network of IPv6 (BEP 32).
    pub v6: bool,
    /// Asks and never answers (BEP 43): for who cannot be reached from outside, or is not there
    /// for long.
    pub is_read_only: bool,
    /// Client and version, sent with every message: two letters and two bytes, by custom.
    pub version: Option<[u8; 4]>,
    /// How many nodes a look-up asks at once (α of BEP 5).
    pub parallel: usize,
    /// Addresses of private networks and of this machine are like all others: many nodes may share
    /// one, and are not counted. For networks of one's own; on the internet it helps attackers.
    /// Without it nodes with such addresses are talked to all the same, if nobody outside named
    /// them.
    pub trusts_local_addresses: bool,
    /// What is made of ids that are not bound to their nodes' addresses (BEP 42).
    pub id_rule: IdRule,
    /// Swarms of which peers are stored.
    pub max_swarms: usize,
    /// Peers stored of one swarm.
    pub max_peers_per_swarm: usize,
    /// Peers stored that one address (IPv6: one /64) has announced, in all swarms together.
    pub max_peers_per_source: u32,
    /// Items stored (BEP 44).
    pub max_items: usize,
    /// Bytes of answers a second; what was not needed can be made up for three seconds. Queries
    /// beyond it are not answered.
    pub reply_bytes_per_sec: u32,
    /// Queries that one address (IPv6: one /64) may send in ten seconds; who sends more is not
    /// heard for five minutes.
    pub max_queries_per_source: u32,
    /// Who asks from a port below this is not answered: no node sits there, but services do that
    /// somebody may want to have answered to.
    pub min_source_port: u16,
}

/// What is made of ids that are not bound to their nodes' addresses (BEP 42).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum IdRule {
    /// Nothing.
    Ignore,
    /// Nodes with bound ids take the places of others in the routing table, as in libtorrent.
    #[default]
    Prefer,
    /// Besides, look-ups end only when the closest eight with bound ids have answered, and nothing
    /// is stored with others.
    Enforce,
}

impl Default for Config {
    /// The limits are those of libtorrent.
    fn default() -> Self {
        Self {
            v4: true,
            v6: false,
            is_read_only: false,
            version: None,
            parallel: 4,
            trusts_local_addresses: false,
            id_rule: IdRule::default(),
            max_swarms: 2000,
            max_peers_per_swarm: 500,
            max_peers_per_source: 500,
            max_items: 700,
            reply_bytes_per_sec: 8000,
            max_queries_per_source: 50,
            min_source_port: 1024,
        }
    }
}
