//! Which block of the dictionary from whom.

mod judging;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use bt_types::{BLOCK_LENGTH, ConnId, ConnMap, TorrentIds};

use self::judging::Exhibit;
pub(crate) use self::judging::Verdict;
use super::{
    MetadataProgress,
    draft::{Draft, block_count, length_of},
    source::{ASK_AGAIN, Asked, Source, TIMEOUT_DELAY},
};
use crate::bans::host_of;

/// The dictionary as far as peers have sent it.
///
/// Nobody can be asked whether a block is right, only whether the whole is. Peers are grouped by
/// the size that they name. Each group sends one copy together; if that is wrong and came from
/// several, each of them sends one alone, so that every failure names a liar from then on.
///
/// Memory grows with what has come and was asked for, never with what is named, up to one bound
/// for all copies. When it is short, the group of most hosts has the first claim to it.
#[derive(Debug)]
pub(crate) struct Fetch {
    ids: TorrentIds,
    /// The greatest size that is believed, and the bound of the memory.
    max_bytes: u32,
    sources: ConnMap<Source>,
    /// By size.
    groups: BTreeMap<u32, Group>,
    /// Blocks of copies that were wrong, and came from several.
    evidence: Vec<Exhibit>,
    /// It has come, or never will: nobody is asked any more.
    end: Option<u32>,
    /// When it was last seen that nobody can be asked for more.
    idle_at: Option<Instant>,
}

/// Peers that name the same size.
#[derive(Debug, Default)]
struct Group {
    /// A copy from several was wrong: each sends one alone.
    is_suspect: bool,
    /// By who sends it; `None` for the one that all send together.
    drafts: BTreeMap<Option<ConnId>, (Draft, Instant)>,
}

/// What a block that a peer has sent turns out to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Data {
    /// It was asked for; a copy may be [complete](Fetch::judge) now.
    Taken,
    /// It came late, and is not needed any more.
    Unneeded,
    /// Nobody asked for it.
    Unrequested,
    /// It has another length than it must have, or belongs to a dictionary of another size.
    Misfit,
}

impl Fetch {
    pub(crate) fn new(ids: TorrentIds, max_bytes: u32) -> Self {
        Self {
            ids,
            max_bytes,
            sources: ConnMap::new(),
            groups: BTreeMap::new(),
            evidence: Vec::new(),
            end: None,
            idle_at: None,
        }
    }

    /// What a peer has said: that it can be asked, and how many bytes the dictionary has.
    pub(crate) fn set_source(
        &mut self,
        now: Instant,
        conn: ConnId,
        addr: SocketAddr,
        size: Option<u32>,
    ) {
        let size = size.filter(|size| (1..=self.max_bytes).contains(size));
        let known = self.sources.get(&conn).map(|source| source.size);
        if size == known || self.end.is_some() {
            return;
        }
        self.remove(conn);
        if let Some(size) = size {
            self.sources.insert(conn, Source::new(now, addr, size));
            self.groups.entry(size).or_default();
        }
    }

    /// A connection is gone.
    pub(crate) fn remove(&mut self, conn: ConnId) {
        let Some(source) = self.sources.remove(&conn) else {
            return;
        };
        let is_empty = self.groups.get_mut(&source.size).is_some_and(|group| {
            group.drafts.remove(&Some(conn));
            group.drafts.is_empty()
        });
        let mut others = self.sources.values();
        if is_empty && !others.any(|other| other.size == source.size) {
            self.groups.remove(&source.size);
        }
    }

    /// A peer has sent a block.
    pub(crate) fn handle_data(
        &mut self,
        now: Instant,
        conn: ConnId,
        block: u32,
        total_size: u32,
        bytes: Box<[u8]>,
    ) -> Data {
        if self.end.is_some() {
            return Data::Unneeded;
        }
        let memory = self.memory_bytes();
        let Some(source) = self.sources.get_mut(&conn) else {
            return Data::Unrequested;
        };
        let asked = source.answered(block);
        let fits = total_size == source.size && length_of(source.size, block) == Some(bytes.len());
        match (asked, fits) {
            (Asked::No, _) => return Data::Unrequested,
            (Asked::Yes, false) => return Data::Misfit,
            // It may have named another size since.
            (Asked::Late, false) => return Data::Unneeded,
            (Asked::Yes, true) => {}
            (Asked::Late, true) if memory + bytes.len() > self.max_bytes as usize => {
                return Data::Unneeded;
            }
            (Asked::Late, true) => {}
        }
        source.succeeded();
        let (size, from) = (source.size, source.addr);
        let Some(group) = self.groups.get_mut(&size) else {
            return Data::Unneeded;
        };
        let owner = group.is_suspect.then_some(conn);
        let draft = match (owner, asked) {
            // Given up meanwhile.
            (Some(_), Asked::Late) => group.drafts.get_mut(&owner).map(|(draft, _)| draft),
            _ => Some(group.draft(now, size, owner)),
        };
        match draft {
            Some(draft) => {
                draft.insert(block, from, bytes);
                Data::Taken
            }
            None => Data::Unneeded,
        }
    }

    /// A peer has refused a block; returns whether it had been asked for it.
    pub(crate) fn handle_reject(&mut self, now: Instant, conn: ConnId, block: u32) -> bool {
        if self.end.is_some() {
            return true;
        }
        let Some(source) = self.sources.get_mut(&conn) else {
            return false;
        };
        let asked = source.answered(block);
        if asked == Asked::Yes {
            source.rejected(now);
            if let Some(group) = self.groups.get_mut(&source.size) {
                group.drafts.remove(&Some(conn));
            }
        }
        asked != Asked::No
    }

    /// Whom to ask for which block, if anybody.
    pub(crate) fn poll_request(&mut self, now: Instant) -> Option<(ConnId, u32)> {
        if self.end.is_some() || self.sources.is_empty() {
            return None;
        }
        self.expire(now);
        let ranking = self.ranking();
        for (rank, &size) in ranking.iter().enumerate() {
            let ready = self.sources.iter();
            let ready = ready.filter(|(_, source)| source.size == size && source.is_ready(now));
            let ready = ready.map(|(&conn, source)| (source.failures(), conn));
            let ready: BTreeSet<_> = ready.collect();
            for (_, conn) in ready {
                let Some(block) = self.choose(now, size, conn) else {
                    continue;
                };
                if !self.has_room(&ranking[rank + 1..]) {
                    break;
                }
                let owner = self.groups.get(&size)?.is_suspect.then_some(conn);
                self.groups.get_mut(&size)?.draft(now, size, owner);
                self.sources.get_mut(&conn)?.ask(now, block);
                return Some((conn, block));
            }
        }
        self.idle_at = Some(now);
        None
    }

    /// When [`poll_request`](Self::poll_request) may have something, if nothing comes before.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.end.is_some() {
            return None;
        }
        let idle_at = self.idle_at?;
        let sources = self.sources.values();
        let changes = sources.filter_map(|source| source.next_change(idle_at));
        let alone = self.groups.iter().flat_map(|(&size, group)| {
            let drafts = group.drafts.iter().filter(|(owner, _)| owner.is_some());
            drafts.map(move |(_, (_, begun))| *begun + time_alone(size))
        });
        changes.chain(alone).min()
    }

    /// How far the copy has come that most peers speak of.
    pub(crate) fn progress(&self) -> MetadataProgress {
        if let Some(size) = self.end {
            return MetadataProgress {
                bytes: size,
                total: size,
                peers: 0,
            };
        }
        let Some(&total) = self.ranking().first() else {
            return MetadataProgress::default();
        };
        let drafts = self
            .groups
            .get(&total)
            .map(|group| group.drafts.values().map(|(draft, _)| draft.bytes()));
        let sources = self.sources.values();
        let peers = sources.filter(|source| source.size == total && source.answers());
        MetadataProgress {
            bytes: drafts.and_then(Iterator::max).unwrap_or(0) as u32,
            total,
            peers: peers.count(),
        }
    }

    /// Bytes of blocks in memory, and of those for which it is reserved.
    pub(crate) fn memory_bytes(&self) -> usize {
        let drafts = self.groups.values().flat_map(|group| group.drafts.values());
        let held: usize = drafts.map(|(draft, _)| draft.bytes()).sum();
        let asked = self.sources.values().filter_map(Source::request);
        held + asked.count() * BLOCK_LENGTH as usize
    }

    #[cfg(any(test, debug_assertions))]
    pub(crate) fn check_invariants(&self) {
        assert!(self.memory_bytes() <= self.max_bytes.max(BLOCK_LENGTH) as usize);
        assert!(self.evidence.len() <= judging::MAX_EVIDENCE);
        for source in self.sources.values() {
            assert!(self.groups.contains_key(&source.size));
        }
    }

    /// Gives up what has taken too long.
    fn expire(&mut self, now: Instant) {
        for (&conn, source) in self.sources.iter_mut() {
            let is_late = source.expire(now);
            if let (true, Some(group)) = (is_late, self.groups.get_mut(&source.size)) {
                // Its own copy keeps the place from that of another.
                group.drafts.remove(&Some(conn));
            }
        }
        let sources = &mut self.sources;
        for (&size, group) in &mut self.groups {
            group.drafts.retain(|owner, (_, begun)| {
                let Some(owner) = owner else { return true };
                let is_overdue = now.duration_since(*begun) >= time_alone(size);
                if let (true, Some(source)) = (is_overdue, sources.get_mut(owner)) {
                    source.give_up();
                    source.fail(now, TIMEOUT_DELAY);
                }
                !is_overdue
            });
        }
    }

    /// The sizes by how many hosts name them that answer, most first; of equals the smallest, of
    /// which it is soonest known what it is worth.
    fn ranking(&self) -> Vec<u32> {
        let mut hosts = BTreeMap::<u32, BTreeSet<IpAddr>>::new();
        for source in self.sources.values().filter(|source| source.answers()) {
            let hosts = hosts.entry(source.size).or_default();
            hosts.insert(host_of(source.addr.ip()));
        }
        let count = |size: &u32| hosts.get(size).map_or(0, BTreeSet::len);
        let mut sizes: Vec<_> = self.groups.keys().copied().collect();
        sizes.sort_by_key(|size| (Reverse(count(size)), *size));
        sizes
    }

    /// What a peer could be asked for, that is not asked for anything.
    fn choose(&self, now: Instant, size: u32, conn: ConnId) -> Option<u32> {
        let group = self.groups.get(&size)?;
        let owner = group.is_suspect.then_some(conn);
        let draft = group.drafts.get(&owner).map(|(draft, _)| draft);
        if owner.is_some() {
            // What others send of a copy of their own is no help here.
            if draft.is_none() && !group.has_room_for_another(size, self.max_bytes) {
                return None;
            }
            return missing(draft, size).next();
        }
        let asked: BTreeMap<u32, Instant> = self.asked_of_group(size);
        let mut free = missing(draft, size).filter(|block| !asked.contains_key(block));
        free.next().or_else(|| {
            let mut slow = missing(draft, size).filter(|block| {
                let last = asked.get(block);
                last.is_some_and(|last| now.duration_since(*last) >= ASK_AGAIN)
            });
            slow.next()
        })
    }

    /// Blocks that are on their way, and when somebody was last asked for each.
    fn asked_of_group(&self, size: u32) -> BTreeMap<u32, Instant> {
        let mut asked = BTreeMap::new();
        let sources = self.sources.values().filter(|source| source.size == size);
        for (block, at) in sources.filter_map(Source::request) {
            let last = asked.entry(block).or_insert(at);
            *last = at.max(*last);
        }
        asked
    }

    /// Whether there is memory for another block, if need be that of groups of lower rank.
    fn has_room(&mut self, lower: &[u32]) -> bool {
        let needed = BLOCK_LENGTH as usize;
        // Whatever the bound is, one block has room: it is no more than a message.
        let bound = (self.max_bytes.max(BLOCK_LENGTH)) as usize;
        for &size in lower.iter().rev() {
            if self.memory_bytes() + needed <= bound {
                return true;
            }
            let sources = self.sources.values_mut();
            sources
                .filter(|source| source.size == size)
                .for_each(Source::give_up);
            if let Some(group) = self.groups.get_mut(&size) {
                group.drafts.clear();
            }
        }
        self.memory_bytes() + needed <= bound
    }

    fn finish(&mut self, size: u32) {
        self.end = Some(size);
        self.groups.clear();
        self.sources.clear();
        self.evidence = Vec::new();
    }
}

impl Group {
    fn draft(&mut self, now: Instant, size: u32, owner: Option<ConnId>) -> &mut Draft {
        let new = || (Draft::new(size), now);
        let (draft, _) = self.drafts.entry(owner).or_insert_with(new);
        draft
    }

    /// Whether another copy can be begun so that each of them can come to an end.
    fn has_room_for_another(&self, size: u32, max_bytes: u32) -> bool {
        let count = self.drafts.len();
        let bytes = (count as u64 + 1) * u64::from(size);
        count == 0 || (count < MAX_ALONE && bytes <= u64::from(max_bytes))
    }
}

fn missing(draft: Option<&Draft>, size: u32) -> impl Iterator<Item = u32> + '_ {
    let begun = draft.into_iter().flat_map(Draft::missing);
    let new = 0..block_count(size);
    let new = new.take(if draft.is_none() { usize::MAX } else { 0 });
    begun.chain(new)
}

/// How long a peer may take for a whole copy: a minute, and then 64 KiB a second.
fn time_alone(size: u32) -> Duration {
    Duration::from_secs(60) + Duration::from_millis(250) * block_count(size)
}

/// How many peers send a copy each at the same time.
const MAX_ALONE: usize = 4;
