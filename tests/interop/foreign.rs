//! Programs that nobody here wrote, as a case sees them.

mod aria2;
pub(crate) mod libtorrent;
pub(crate) mod libtorrent_dht;
pub(crate) mod npm;
pub(crate) mod qbittorrent;
mod rqbit;
mod rtorrent;
pub(crate) mod transmission;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddrV4},
    path::{Path, PathBuf},
    time::Duration,
};

pub(crate) use bt_tests::foreign::{Torrent, opentracker};

use crate::harness::{Case, Context, Outcome, Payload, ports, wait};

/// Every client of the matrix, in the order in which they are started where all take part.
///
/// transmission is the last: it takes one connection from an address, and that of rqbit, which dials
/// whom a tracker names, is ours.
pub(crate) const CLIENTS: &[&dyn Client] = &[
    &libtorrent::Build::Newest,
    &libtorrent::Build::Debian,
    &aria2::Aria2,
    &qbittorrent::Qbittorrent,
    &rtorrent::Rtorrent,
    &rqbit::Rqbit,
    &transmission::Transmission,
];

/// A client that can be started with a torrent, and what one has to know of it.
pub(crate) trait Client: fmt::Debug + Sync {
    /// As its cases are called.
    fn name(&self) -> &'static str;

    /// Starts one that has this torrent in this folder: a seeder if everything lies there, which
    /// it checks, and else a leecher.
    fn start(
        &self,
        case: &Case<'_>,
        torrent: &Torrent,
        folder: &Path,
        upload_limit_bytes_per_sec: Option<u64>,
    ) -> Outcome<Box<dyn Peer>>;

    /// Whether torrents that are v1 and v2 at once are nothing strange to it.
    fn takes_hybrids(&self) -> bool {
        false
    }

    /// Whether it makes files of no bytes.
    fn makes_empty_files(&self) -> bool {
        true
    }

    /// Whether it soon dials those whom a tracker names.
    fn dials_from_trackers(&self) -> bool {
        true
    }

    /// Whether it may be absent, and then takes part in the long tier only.
    fn is_optional(&self) -> bool {
        false
    }

    /// What is missing, of an optional one that is absent.
    fn missing(&self) -> Option<String> {
        None
    }
}

impl dyn Client {
    /// Starts one and waits until it has checked that it has everything.
    pub(crate) fn seed(
        &self,
        case: &Case<'_>,
        torrent: &Torrent,
        folder: &Path,
        upload_limit_bytes_per_sec: Option<u64>,
    ) -> Outcome<Box<dyn Peer>> {
        let mut peer = self.start_listening(case, torrent, folder, upload_limit_bytes_per_sec)?;
        peer.wait_complete(wait::TRANSFER)
            .context("checking what it shall seed")?;
        Ok(peer)
    }

    /// Starts one with an empty folder of its own, which [`Leecher::finish`] looks into.
    pub(crate) fn leech(&'static self, case: &Case<'_>, torrent: &Torrent) -> Outcome<Leecher> {
        let folder = case.folder(&format!("{}-got", self.name()))?;
        let peer = self.start_listening(case, torrent, &folder, None)?;
        Ok(Leecher {
            client: self,
            peer,
            folder,
        })
    }

    /// Some answer to us before they do to peers, and who is refused comes back much later.
    pub(crate) fn start_listening(
        &self,
        case: &Case<'_>,
        torrent: &Torrent,
        folder: &Path,
        upload_limit_bytes_per_sec: Option<u64>,
    ) -> Outcome<Box<dyn Peer>> {
        let peer = self.start(case, torrent, folder, upload_limit_bytes_per_sec)?;
        wait_listening(self.name(), peer.address())?;
        Ok(peer)
    }
}

/// In the network of this thread.
fn wait_listening(name: &str, address: SocketAddrV4) -> Outcome {
    wait::until(&format!("{name} listens"), wait::SOON, || {
        Ok(ports::is_listening(address)?.then_some(()))
    })
}

/// A client that finds others by itself where it is told to; else it never does.
pub(crate) trait Finder: Client {
    /// As [`start`](Client::start), in the network of this thread.
    fn start_finding(
        &self,
        case: &Case<'_>,
        torrent: &Torrent,
        folder: &Path,
        place: Place,
    ) -> Outcome<Box<dyn FindingPeer>>;

    /// How often it calls on the local network when it begins, before it is silent for minutes.
    fn first_calls(&self) -> usize;
}

impl dyn Finder + '_ {
    /// Starts one that is ready for peers.
    pub(crate) fn find(
        &self,
        case: &Case<'_>,
        torrent: &Torrent,
        folder: &Path,
        place: Place,
    ) -> Outcome<Box<dyn FindingPeer>> {
        let peer = self.start_finding(case, torrent, folder, place)?;
        wait_listening(self.name(), peer.address())?;
        Ok(peer)
    }
}

/// Where it lives on a network of the case's own, and how it finds others there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) ip: Ipv4Addr,
    pub(crate) finds: Finds,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Finds {
    /// Through peers that know of others (PEX).
    ThroughPeers,
    /// By calling on the local network (LSD).
    Nearby,
}

/// A client at work that finds others.
pub(crate) trait FindingPeer: Peer {
    /// Whether it is connected to somebody whom it has found so.
    fn has_found(&mut self, by: Finds) -> Outcome<bool>;
}

/// A client at work. Dropping it ends it at once.
pub(crate) trait Peer {
    /// Where it listens.
    fn address(&self) -> SocketAddrV4;

    /// Waits until it has everything, checked.
    fn wait_complete(&mut self, patience: Duration) -> Outcome;

    /// Whether it has sent any payload, as far as it says.
    fn has_uploaded(&mut self) -> Outcome<bool>;

    /// Ends it in its own way, after which nothing is left in its buffers.
    fn stop(self: Box<Self>) -> Outcome;
}

/// A client that began with nothing.
pub(crate) struct Leecher {
    client: &'static dyn Client,
    peer: Box<dyn Peer>,
    folder: PathBuf,
}

impl Leecher {
    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.peer.address()
    }

    /// Waits until it has everything, ends it and compares every byte.
    pub(crate) fn finish(mut self, payload: &Payload) -> Outcome {
        let doing = format_args!("{} downloads", self.client.name());
        self.peer.wait_complete(wait::TRANSFER).context(doing)?;
        self.peer.stop().context(doing)?;
        if self.client.makes_empty_files() {
            payload.compare(&self.folder)
        } else {
            payload.compare_but_empty_files(&self.folder)
        }
    }
}
