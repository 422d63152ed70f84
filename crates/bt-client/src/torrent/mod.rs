//! One torrent: the task that drives its swarm and its trackers, and the handle that others hold.

mod check;
mod connecting;
mod discovery;
mod drive;
mod ending;
mod handle;
mod log;
mod looking;
mod metadata;
mod parts;
mod publish;
mod record;
mod selecting;
mod showing;
mod subject;
mod task;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use bt_metainfo::{MagnetLink, Metainfo};
use bt_scheduler::RateLimits;
use bt_types::TorrentIds;

pub(crate) use self::{
    check::Found, discovery::Discovery, parts::Parts, publish::publisher, task::run,
};
pub use self::{
    handle::{Events, TorrentHandle},
    publish::Event,
    subject::{Choose, Mode, Subject, Then},
};

/// What a session needs to know of a torrent to transfer it.
#[derive(Clone, Debug)]
pub struct AddTorrent {
    /// Which one, and what to do with it.
    pub subject: Subject,
    /// The folder that holds, or will hold, its file or its top folder.
    pub root: PathBuf,
    /// Its trackers' URLs, by tier (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// Trackers that the user names: asked first, each a tier of its own. They may be anywhere on the
    /// user's own network, where a torrent may ask for `/announce` alone.
    pub user_trackers: Vec<String>,
    /// Peers to begin with.
    pub peers: Vec<SocketAddr>,
    /// The same by host and port, to be looked up.
    pub peer_names: Vec<(String, u16)>,
    /// Nodes of the DHT that its maker names (BEP 5), host and port.
    pub dht_nodes: Vec<(String, u16)>,
    /// Whether files are called `NAME.part` until they are complete. Those that are called so
    /// already are recognised in any case.
    pub part_names: bool,
    /// How fast it may be, whatever the session's limits are; the lower counts.
    pub limits: RateLimits,
    /// To hash all that is on disk first, though the session may remember what it is.
    pub recheck: bool,
}

impl AddTorrent {
    /// A torrent that has neither trackers nor peers.
    #[must_use]
    pub fn new(subject: Subject, root: PathBuf) -> Self {
        Self {
            subject,
            root,
            trackers: Vec::new(),
            user_trackers: Vec::new(),
            peers: Vec::new(),
            peer_names: Vec::new(),
            dht_nodes: Vec::new(),
            part_names: false,
            limits: RateLimits::NONE,
            recheck: false,
        }
    }

    /// A torrent as its file describes it.
    #[must_use]
    pub fn from_file(metainfo: &Metainfo, root: PathBuf, mode: Mode) -> Self {
        let subject = Subject::whole(Arc::clone(metainfo.info()), mode);
        Self {
            trackers: metainfo.tiers().to_vec(),
            dht_nodes: metainfo.nodes().to_vec(),
            ..Self::new(subject, root)
        }
    }

    /// A torrent to which a magnet link leads (BEP 9): its trackers, each a tier of its own, and its
    /// peers. Web seeds are passed over, as in a file. Which files the link chooses, `then` says.
    #[must_use]
    pub fn from_link(link: &MagnetLink, root: PathBuf, then: Then) -> Self {
        let subject = Subject::Link {
            ids: link.ids,
            name: link.name.clone(),
            then,
        };
        let mut torrent = Self {
            trackers: link.trackers.iter().map(|url| vec![url.clone()]).collect(),
            ..Self::new(subject, root)
        };
        for (host, port) in &link.peers {
            match host.parse() {
                Ok(address) => torrent.peers.push(SocketAddr::new(address, *port)),
                Err(_) => torrent.peer_names.push((host.clone(), *port)),
            }
        }
        torrent
    }

    /// The ids under which it is added.
    #[must_use]
    pub fn ids(&self) -> TorrentIds {
        match &self.subject {
            Subject::Info { info, .. } => info.ids(),
            Subject::Link { ids, .. } => *ids,
        }
    }

    /// Whether it is known to be private (BEP 27); of a link that is seen when the metadata has come.
    #[must_use]
    pub fn is_private(&self) -> bool {
        matches!(&self.subject, Subject::Info { info, .. } if info.is_private())
    }

    /// All its trackers, by tier, those of the user in front.
    #[must_use]
    pub fn tiers(&self) -> Vec<Vec<String>> {
        let named = self.user_trackers.iter().map(|url| vec![url.clone()]);
        named.chain(self.trackers.iter().cloned()).collect()
    }

    /// What to call it. Untrusted text, safe as a file name.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.subject {
            Subject::Info { info, .. } => info.name().to_owned(),
            Subject::Link {
                name: Some(name), ..
            } => name.clone(),
            Subject::Link { ids, .. } => ids.primary_swarm_id().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_link_says_is_used() {
        let hash = "cd".repeat(20);
        let link = format!(
            "magnet:?xt=urn:btih:{hash}&dn=a&tr=udp://t:1&tr=http://u/a&ws=http://w/\
             &x.pe=192.0.2.1:2&x.pe=[::1]:3&x.pe=peer.example:4"
        );
        let link: MagnetLink = link.parse().unwrap();
        let torrent = AddTorrent::from_link(&link, PathBuf::new(), Then::Stop);
        assert_eq!(torrent.trackers, [["udp://t:1"], ["http://u/a"]]);
        let peers: Vec<_> = torrent.peers.iter().map(ToString::to_string).collect();
        assert_eq!(peers, ["192.0.2.1:2", "[::1]:3"]);
        assert_eq!(torrent.peer_names, [("peer.example".to_owned(), 4)]);
        assert_eq!(torrent.name(), "a");
        let bare = AddTorrent::from_link(&MagnetLink::new(link.ids), PathBuf::new(), Then::Stop);
        assert_eq!((bare.name(), bare.ids()), (hash, link.ids));
    }
}
