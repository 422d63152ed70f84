use std::net::SocketAddr;

use bt_client::{AddTorrent, DhtConfig};
use clap::Args;

use super::values::{parse_host, parse_peer, parse_tracker};

/// How peers are found.
#[derive(Args, Debug)]
pub(crate) struct Finding {
    /// Announce to this tracker too (udp://host:port, http://… or https://…); may be given several
    /// times
    #[arg(long, value_name = "URL", value_parser = parse_tracker)]
    pub(crate) tracker: Vec<String>,

    /// Connect to this peer too (address:port); may be given several times
    #[arg(long, value_name = "ADDR", value_parser = parse_peer)]
    pub(crate) peer: Vec<SocketAddr>,

    /// Enter the DHT by way of this host (host:port) instead of the well-known ones; may be given
    /// several times
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_host, conflicts_with = "no_dht")]
    pub(crate) dht_node: Vec<String>,

    /// Take no part in the DHT, where peers are found without trackers; private torrents never do
    #[arg(long)]
    pub(crate) no_dht: bool,

    /// Do not look for peers on the local network; for private torrents that is never done
    #[arg(long)]
    pub(crate) no_lsd: bool,

    /// Neither ask peers for other peers nor tell them of any (PEX)
    #[arg(long)]
    pub(crate) no_pex: bool,
}

impl Finding {
    /// How the session takes part in the DHT, if it does.
    pub(crate) fn dht(&self) -> Option<DhtConfig> {
        (!self.no_dht).then(|| dht_by(&self.dht_node))
    }

    /// Adds the trackers and peers that the user names.
    pub(crate) fn add_to(&self, torrent: &mut AddTorrent) {
        torrent.user_trackers.clone_from(&self.tracker);
        torrent.peers.extend(&self.peer);
    }
}

/// By way of these hosts, or the well-known ones. Who names addresses of the local network and
/// nothing else has a DHT of his own.
pub(super) fn dht_by(hosts: &[String]) -> DhtConfig {
    let mut config = DhtConfig::default();
    if !hosts.is_empty() {
        let is_local = |host: &String| {
            let address = host.parse::<SocketAddr>();
            address.is_ok_and(|address| bt_tracker_http::is_local(address.ip()))
        };
        config.trusts_local_addresses = hosts.iter().all(is_local);
        config.bootstrap = hosts.to_vec();
    }
    config
}

#[cfg(test)]
mod tests {
    use bt_client::DhtConfig;

    #[test]
    fn a_dht_of_ones_own() {
        let check = |hosts: &[&str], count, trusts| {
            let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
            let config = super::dht_by(&hosts);
            assert_eq!(
                (config.bootstrap.len(), config.trusts_local_addresses),
                (count, trusts)
            );
        };
        check(&[], DhtConfig::default().bootstrap.len(), false);
        check(&["127.0.0.1:1", "[fd00::1]:1"], 2, true);
        check(&["127.0.0.1:1", "198.51.100.1:1"], 2, false);
        check(&["localhost:1"], 1, false);
    }
}
