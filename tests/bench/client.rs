//! Who is compared, and at what.

use std::{fmt, net::SocketAddrV4, path::Path};

use bt_tests::harness::{Context, Outcome};

use crate::measure::Job;

/// A client or a tool.
pub(crate) struct Client {
    /// In tables and in `--clients`.
    pub(crate) name: &'static str,
    /// What is told to it beyond the task, for the readers of the results.
    pub(crate) settings: &'static str,
    /// It comes in no package, so a bench without it, or in which it fails, is no failure.
    pub(crate) is_optional: bool,
    pub(crate) works: &'static [Work],
    /// Fails if it is not installed, and says how to.
    pub(crate) version: fn(&Bench<'_>) -> Outcome<String>,
    /// One of `works`.
    pub(crate) job: for<'a> fn(&'a Task<'a>) -> Outcome<Job<'a>>,
}

/// A kind of work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Work {
    /// Fetch everything from one seeder that a tracker knows, into an empty folder.
    Download,
    /// Check what is there already.
    Verify,
    /// Make a .torrent.
    Create,
    /// Fetch everything from whom the tracker knows, as one of a swarm, and serve it meanwhile; and
    /// afterwards, unless the client's default is to end.
    Leech,
    /// Check what is there already and serve it to a swarm. Whoever can leech can do this.
    Seed,
    /// Fetch something from one seeder that the DHT knows, by the info hash alone. It is watched by
    /// others, and never ends.
    Magnet,
}

/// What all runs of a bench share.
pub(crate) struct Bench<'a> {
    pub(crate) case: &'a bt_tests::harness::Case<'a>,
}

/// What one run is about.
pub(crate) struct Task<'a> {
    pub(crate) bench: &'a Bench<'a>,
    pub(crate) work: Work,
    /// Or the magnet link.
    pub(crate) torrent: &'a Path,
    /// The file or folder that the torrent is made of; it exists.
    pub(crate) content: &'a Path,
    /// The folder in which the content lies, or shall lie.
    pub(crate) folder: &'a Path,
    /// Empty, for everything else that the client writes.
    pub(crate) scratch: &'a Path,
    /// Where it may listen.
    pub(crate) address: SocketAddrV4,
    /// The tracker, which speaks both UDP (its URL is in the torrent) and HTTP.
    pub(crate) tracker: SocketAddrV4,
    /// What leads into the DHT; where nobody takes part in one, there is none.
    pub(crate) dht_node: Option<SocketAddrV4>,
    pub(crate) piece_length: u64,
}

impl Task<'_> {
    pub(crate) fn dht_node(&self) -> Outcome<String> {
        let node = self.dht_node.context("there is no DHT")?;
        Ok(node.to_string())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
