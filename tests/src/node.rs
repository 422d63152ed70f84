use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bt_sim::{Access, Disk, DiskConfig, NodeId, SimRng};
use bt_swarm::{DialId, DiskDone, DiskJob, Event, FailedJob, Swarm};
use bt_types::{ConnId, PieceIndex};

use crate::Tag;

/// What a node of a [`World`](crate::World) is like.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// Its line.
    pub access: Access,
    /// Its disk.
    pub disk: DiskConfig,
    /// It begins with everything.
    pub is_seed: bool,
    /// How it treats others.
    pub behaviour: Behaviour,
    /// When it comes.
    pub joins_at: Duration,
    /// It goes when it has everything.
    pub leaves_when_complete: bool,
}

/// How a node treats others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Behaviour {
    /// As it should.
    Honest,
    /// Corrupts each block that it sends with this probability.
    Liar(f64),
}

impl NodeSpec {
    /// An honest leecher who comes at the start and stays.
    #[must_use]
    pub fn leecher(access: Access) -> Self {
        Self {
            access,
            disk: DiskConfig::solid_state(),
            is_seed: false,
            behaviour: Behaviour::Honest,
            joins_at: Duration::ZERO,
            leaves_when_complete: false,
        }
    }

    /// An honest seed who comes at the start and stays.
    #[must_use]
    pub fn seed(access: Access) -> Self {
        Self {
            is_seed: true,
            ..Self::leecher(access)
        }
    }
}

/// A node while the world runs.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) spec: NodeSpec,
    pub(crate) addr: SocketAddr,
    pub(crate) line: NodeId,
    pub(crate) swarm: Swarm<Tag>,
    pub(crate) is_present: bool,
    /// The other end of each connection.
    pub(crate) wires: BTreeMap<ConnId, (usize, ConnId)>,
    /// Dials under way, and the node that each will reach.
    pub(crate) dials: BTreeMap<DialId, Option<usize>>,
    /// The deadline for which a wake-up is scheduled.
    pub(crate) armed: Option<Duration>,
    pub(crate) completed_at: Option<Duration>,
    pub(crate) peak_memory_bytes: usize,
    pub(crate) events: Vec<(Duration, Event)>,
    disk: Disk,
    /// Blocks written unverified that would fail the hash, by piece.
    spilled_corrupt: BTreeMap<PieceIndex, bool>,
    rng: SimRng,
}

impl Node {
    pub(crate) fn new(
        spec: NodeSpec,
        addr: SocketAddr,
        line: NodeId,
        swarm: Swarm<Tag>,
        rng: SimRng,
    ) -> Self {
        Self {
            disk: Disk::new(spec.disk),
            spec,
            addr,
            line,
            swarm,
            is_present: false,
            wires: BTreeMap::new(),
            dials: BTreeMap::new(),
            armed: None,
            completed_at: None,
            peak_memory_bytes: 0,
            events: Vec::new(),
            spilled_corrupt: BTreeMap::new(),
            rng,
        }
    }

    /// Does a job; returns when it will be done, and how.
    ///
    /// `position` is where the piece begins.
    pub(crate) fn work(
        &mut self,
        now: Duration,
        position: u64,
        job: DiskJob<Tag>,
    ) -> (Duration, DiskDone<Tag>) {
        match job {
            DiskJob::Verify { piece, blocks } => {
                let done = self.disk.write(now, position, bytes_of(&blocks));
                let is_corrupt =
                    self.spilled_corrupt.remove(&piece).unwrap_or(false) || any_corrupt(&blocks);
                let verdict = match done.result {
                    Err(_) => DiskDone::Failed(FailedJob::Verify(piece)),
                    Ok(()) if is_corrupt => DiskDone::Corrupt {
                        piece,
                        block_digests: Vec::new(),
                    },
                    Ok(()) => DiskDone::Verified(piece),
                };
                (done.at, verdict)
            }
            DiskJob::Spill { piece, blocks } => {
                let done = self.disk.write(now, position, bytes_of(&blocks));
                *self.spilled_corrupt.entry(piece).or_default() |= any_corrupt(&blocks);
                let verdict = match done.result {
                    Err(_) => DiskDone::Failed(FailedJob::Spill(piece)),
                    Ok(()) => DiskDone::Spilled(piece),
                };
                (done.at, verdict)
            }
            DiskJob::Read { conn, block } => {
                let position = position + u64::from(block.begin);
                let done = self.disk.read(now, position, u64::from(block.length));
                let payload = match self.spec.behaviour {
                    Behaviour::Liar(probability) if self.rng.chance(probability) => {
                        Tag::corrupt(block)
                    }
                    _ => Tag::good(block),
                };
                let verdict = match done.result {
                    Err(_) => DiskDone::Failed(FailedJob::Read(conn, block)),
                    Ok(()) => DiskDone::Read {
                        conn,
                        block,
                        payload,
                    },
                };
                (done.at, verdict)
            }
        }
    }
}

fn bytes_of(blocks: &[(u32, Tag)]) -> u64 {
    blocks
        .iter()
        .map(|(_, tag)| bt_types::Payload::len(tag) as u64)
        .sum()
}

fn any_corrupt(blocks: &[(u32, Tag)]) -> bool {
    blocks.iter().any(|(_, tag)| !tag.is_good())
}
