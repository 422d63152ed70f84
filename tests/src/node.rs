use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bt_sim::{Access, Disk, DiskConfig, NatKind, Rate, SimRng};
use bt_swarm::{DialId, DiskDone, DiskJob, DiskRefusal, Event, Limit, Outside, Stats, Swarm};
use bt_types::{Bitfield, PieceIndex, Selection};

use crate::{Tag, world::Wires};

/// What a node of a [`World`](crate::World) is like.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// What its kind is called in reports.
    pub group: &'static str,
    /// Which torrent it has; 0 is that of the world's config.
    pub torrent: usize,
    /// Its line.
    pub access: Access,
    /// Who can dial it: only behind an open router it is reached. Dials to others are not
    /// answered, as routers drop what they do not expect.
    pub nat: NatKind,
    /// Its disk.
    pub disk: DiskConfig,
    /// Its disk is full for a while.
    pub full_disk: Option<FullDisk>,
    /// How fast it hashes; as if at once if `None`.
    pub hashing: Option<Rate>,
    /// It begins with the metadata; if not, it knows the ids only.
    pub knows_metadata: bool,
    /// How it lies to those who ask it for the metadata.
    pub metadata_lie: Option<MetadataLie>,
    /// It begins with everything.
    pub is_seed: bool,
    /// But for these pieces.
    pub lacks: Vec<u32>,
    /// What it wants of the torrent.
    pub selection: Arc<Selection>,
    /// How it treats others.
    pub behaviour: Behaviour,
    /// When it comes.
    pub joins_at: Duration,
    /// It goes for a while, and comes back with what it had.
    pub absence: Option<Absence>,
    /// It goes when it has everything.
    pub leaves_when_complete: bool,
    /// It is on the far side of a [partition](crate::Partition).
    pub is_far: bool,
    /// Its completion counts where a run is compared with the bound.
    pub is_counted: bool,
}

/// When a node is away.
#[derive(Clone, Copy, Debug)]
pub struct Absence {
    /// When it goes.
    pub from: Duration,
    /// When it is back.
    pub until: Duration,
}

/// When a node's disk is full.
#[derive(Clone, Copy, Debug)]
pub struct FullDisk {
    /// When nothing more can be written.
    pub from: Duration,
    /// When there is room again.
    pub until: Duration,
}

/// How a node was doing at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// When.
    pub at: Duration,
    /// Its figures.
    pub stats: Stats,
    /// What limits it, by the last seconds.
    pub limit: Limit,
}

/// How a node treats others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Behaviour {
    /// As it should.
    Honest,
    /// Corrupts each block that it sends with this probability.
    Liar(f64),
    /// Never gives anybody anything: it has no upload slots.
    Leech,
    /// Of what it is asked for, leaves this part unanswered.
    Forgetful(f64),
}

/// What a node sends in place of the metadata.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MetadataLie {
    /// The right number of wrong bytes.
    Bytes,
    /// Another size, from the beginning.
    Size,
    /// A reject for each request.
    Refusal,
    /// Nothing.
    Silence,
}

impl NodeSpec {
    /// An honest leecher who comes at the start and stays.
    #[must_use]
    pub fn leecher(access: Access) -> Self {
        Self {
            group: "leecher",
            torrent: 0,
            access,
            nat: NatKind::Open,
            disk: DiskConfig::solid_state(),
            full_disk: None,
            hashing: None,
            knows_metadata: true,
            metadata_lie: None,
            is_seed: false,
            lacks: Vec::new(),
            selection: Arc::default(),
            behaviour: Behaviour::Honest,
            joins_at: Duration::ZERO,
            absence: None,
            leaves_when_complete: false,
            is_far: false,
            is_counted: true,
        }
    }

    /// An honest seed who comes at the start and stays.
    #[must_use]
    pub fn seed(access: Access) -> Self {
        Self {
            group: "seed",
            is_seed: true,
            is_counted: false,
            ..Self::leecher(access)
        }
    }

    /// Whether a world lasts until it is complete. A liar may never be, once nobody talks to it.
    pub(crate) fn is_awaited(&self) -> bool {
        let lies = matches!(self.behaviour, Behaviour::Liar(_)) || self.metadata_lie.is_some();
        !self.is_seed && !lies
    }

    pub(crate) fn is_awaited_contributor(&self) -> bool {
        self.is_awaited() && self.behaviour != Behaviour::Leech
    }

    /// What it could give, in bytes per second.
    pub(crate) fn useful_up(&self) -> u64 {
        match self.behaviour {
            Behaviour::Leech => 0,
            Behaviour::Honest | Behaviour::Liar(_) | Behaviour::Forgetful(_) => {
                self.access.up.get()
            }
        }
    }
}

/// A node from one coming to the next going. What is under way to an earlier life is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Life {
    /// Four bytes, as millions of these are under way.
    node: u32,
    count: u32,
}

impl Life {
    /// The node's number.
    pub(crate) fn node(self) -> usize {
        self.node as usize
    }
}

/// A node while the world runs.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) spec: NodeSpec,
    pub(crate) addr: SocketAddr,
    pub(crate) host: usize,
    pub(crate) life: Life,
    pub(crate) swarm: Swarm<Tag>,
    pub(crate) is_present: bool,
    /// What it had when it left.
    pub(crate) kept: Option<Bitfield>,
    /// The figures of its earlier lives.
    pub(crate) past: Stats,
    /// The other end of each connection.
    pub(crate) wires: Wires,
    /// Dials under way that will be answered, and by whom, if anybody is there.
    pub(crate) dials: BTreeMap<DialId, Option<Life>>,
    /// The deadline for which a wake-up is scheduled: never after the swarm's.
    pub(crate) armed: Option<Duration>,
    pub(crate) completed_at: Option<Duration>,
    /// When it had the metadata from its peers.
    pub(crate) learnt_at: Option<Duration>,
    /// Pieces that it had when the last of those was complete who give something.
    pub(crate) held_at_end_of_contributors: Option<u32>,
    pub(crate) peak_memory_bytes: usize,
    pub(crate) events: Vec<(Duration, Event)>,
    /// Liars of whom it took part of a piece that failed.
    pub(crate) suspected: BTreeSet<usize>,
    /// Those of them whose part it was that failed.
    pub(crate) lied_to_by: BTreeSet<usize>,
    pub(crate) banned: BTreeSet<usize>,
    /// What was seen of it, if it is [observed](crate::World::observe).
    pub(crate) sights: Vec<Sight>,
    /// What it is told of its tracker and its disk.
    pub(crate) outside: Outside,
    /// Until when its processor hashes.
    hashes_until: Duration,
    lies_told: u32,
    disk: Disk,
    /// Blocks written unverified, by piece.
    spilled: BTreeMap<PieceIndex, BTreeMap<u32, Tag>>,
    rng: SimRng,
}

impl Node {
    pub(crate) fn new(
        number: usize,
        spec: NodeSpec,
        addr: SocketAddr,
        host: usize,
        swarm: Swarm<Tag>,
        rng: SimRng,
    ) -> Self {
        Self {
            disk: Disk::new(spec.disk),
            spec,
            addr,
            host,
            life: Life {
                node: number as u32,
                count: 0,
            },
            swarm,
            is_present: false,
            kept: None,
            past: Stats::default(),
            wires: Wires::new(),
            dials: BTreeMap::new(),
            armed: None,
            completed_at: None,
            learnt_at: None,
            held_at_end_of_contributors: None,
            peak_memory_bytes: 0,
            events: Vec::new(),
            suspected: BTreeSet::new(),
            lied_to_by: BTreeSet::new(),
            banned: BTreeSet::new(),
            sights: Vec::new(),
            outside: Outside {
                disk_threads: 1,
                ..Outside::default()
            },
            hashes_until: Duration::ZERO,
            lies_told: 0,
            spilled: BTreeMap::new(),
            rng,
        }
    }

    /// It comes back, and remembers nothing but what is on its disk.
    pub(crate) fn begin_anew(&mut self, now: Instant, swarm: Swarm<Tag>) {
        let stats = self.swarm.stats(now);
        self.past.downloaded += stats.downloaded;
        self.past.uploaded += stats.uploaded;
        self.past.wasted += stats.wasted;
        self.swarm = swarm;
        self.life.count += 1;
        self.armed = None;
        self.wires.clear();
        self.dials.clear();
        self.spilled.clear();
    }

    /// Whether it leaves unanswered what it is just about to answer.
    pub(crate) fn forgets(&mut self) -> bool {
        matches!(self.spec.behaviour, Behaviour::Forgetful(part) if self.rng.chance(part))
    }

    /// From now on its disk is another one, and what it does now is forgotten.
    pub(crate) fn set_disk(&mut self, config: DiskConfig) {
        self.spec.disk = config;
        self.disk = Disk::new(config);
    }

    /// When so many bytes are hashed, one piece after the other.
    fn hash(&mut self, now: Duration, bytes: u64) -> Duration {
        let Some(rate) = self.spec.hashing else {
            return now;
        };
        let time = rate.time_for(bytes);
        self.hashes_until = self.hashes_until.max(now) + time;
        self.outside.hash_time += time;
        self.hashes_until
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
        let done = match &job {
            // A piece that it has had.
            DiskJob::Verify { piece, blocks, .. } if blocks.is_empty() => {
                let bytes = self
                    .swarm
                    .info()
                    .map_or(0, |info| u64::from(info.layout().piece_length(*piece)));
                self.disk.read(now, position, bytes)
            }
            DiskJob::Verify { blocks, .. } | DiskJob::Spill { blocks, .. } => {
                self.disk.write(now, position, bytes_of(blocks))
            }
            DiskJob::Read { block, .. } => {
                let position = position + u64::from(block.begin);
                self.disk.read(now, position, u64::from(block.length))
            }
            DiskJob::Survey => self.disk.read(now, position, 0),
        };
        let refusal = match &job {
            _ if done.result.is_ok() => None,
            DiskJob::Verify { blocks, .. } | DiskJob::Spill { blocks, .. }
                if !blocks.is_empty() =>
            {
                Some(DiskRefusal::Write)
            }
            _ => Some(DiskRefusal::Read),
        };
        let hashed = match &job {
            DiskJob::Verify { blocks, .. } => self.hash(now, bytes_of(blocks)),
            _ => now,
        };
        let answer = match refusal {
            Some(refusal) => DiskDone::Failed(job, refusal),
            None => self.do_job(job),
        };
        (done.at.max(hashed), answer)
    }

    /// From now on nothing can be written, or it can again.
    pub(crate) fn set_disk_full(&mut self, is_full: bool) {
        self.disk.fill_after(if is_full { 0 } else { u64::MAX });
    }

    fn do_job(&mut self, job: DiskJob<Tag>) -> DiskDone<Tag> {
        match job {
            DiskJob::Verify {
                piece,
                blocks,
                wants_digests,
            } => {
                let mut all = self.spilled.remove(&piece).unwrap_or_default();
                all.extend(blocks);
                self.judge(piece, &all, wants_digests)
            }
            DiskJob::Spill { piece, blocks } => {
                self.spilled.entry(piece).or_default().extend(blocks);
                DiskDone::Spilled(piece)
            }
            DiskJob::Read { conn, block } => {
                let payload = match self.spec.behaviour {
                    Behaviour::Liar(probability) if self.rng.chance(probability) => {
                        self.lies_told += 1;
                        Tag::corrupt(block, self.life.node(), self.lies_told)
                    }
                    _ => Tag::good(block),
                };
                DiskDone::Read {
                    conn,
                    block,
                    payload,
                }
            }
            DiskJob::Survey => DiskDone::Surveyed {
                missing: Vec::new(),
                doubtful: Vec::new(),
            },
        }
    }

    fn judge(
        &mut self,
        piece: PieceIndex,
        blocks: &BTreeMap<u32, Tag>,
        wants_digests: bool,
    ) -> DiskDone<Tag> {
        let liars = blocks.values().filter_map(|tag| tag.liar());
        self.lied_to_by.extend(liars);
        let digests = blocks.iter().map(|(&begin, tag)| (begin, tag.digest()));
        if blocks.values().all(|tag| tag.is_good()) {
            DiskDone::Verified {
                piece,
                block_digests: digests.filter(|_| wants_digests).collect(),
            }
        } else {
            DiskDone::Corrupt {
                piece,
                block_digests: digests.collect(),
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
