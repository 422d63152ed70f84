//! Pieces that have been begun: the only place with a record for every block.

use std::time::Instant;

use bt_types::{Block, ConnId, PieceIndex, PieceLayout};

/// The partial pieces of a torrent, in a slab whose records are used again.
#[derive(Debug, Default)]
pub(crate) struct Partials {
    slab: Vec<Partial>,
    vacant: Vec<u32>,
    /// Those with free blocks, in no particular order.
    open: Vec<u32>,
}

/// One piece, between its first request and the verdict on it.
#[derive(Debug)]
pub(crate) struct Partial {
    piece: PieceIndex,
    slots: Vec<Slot>,
    /// Blocks that have not been received; when there are none, the piece awaits its verdict.
    missing: u32,
    /// Blocks that have not been received and that nobody is asked for, late requests aside.
    free: u32,
    /// No slot below is free.
    cursor: u32,
    /// Requests for its blocks in all peers' tables.
    askers: u32,
    /// Peers that take their next block from here.
    workers: u32,
    /// Begun by a peer that is fast enough to finish it alone.
    is_exclusive: bool,
    /// The one peer that may be asked for its blocks, if it is not for all.
    reserved_for: Option<ConnId>,
    /// When that ends at the latest; set while there is somebody.
    reserved_until: Option<Instant>,
    /// Position in `open`, or `NOT_OPEN`.
    open_index: u32,
}

/// One block of the 16 KiB grid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Slot {
    state: SlotState,
    /// Peers asked whose answers we count on.
    live: u8,
    /// Peers asked that have taken too long: they may still answer.
    late: u16,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum SlotState {
    Missing,
    Received,
    /// Nothing but padding: never requested (BEP 47).
    Padding,
}

/// How many peers are asked for a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Askers {
    pub(crate) live: u8,
    pub(crate) late: u16,
}

/// What became of a block that has arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Arrival {
    /// The first of its kind.
    New {
        /// Others are still asked for it.
        has_other_askers: bool,
        /// It was the last of its piece.
        completes: bool,
    },
    /// We had it.
    Known,
}

impl Partials {
    /// Begins `piece`; none of its blocks is asked for.
    pub(crate) fn begin(&mut self, layout: &PieceLayout, piece: PieceIndex) -> u32 {
        let id = self.vacant.pop().unwrap_or_else(|| {
            self.slab.push(Partial::vacant());
            self.slab.len() as u32 - 1
        });
        let partial = &mut self.slab[id as usize];
        partial.piece = piece;
        partial.slots.clear();
        let slots = 0..layout.slot_count(piece);
        partial.slots.extend(slots.map(|slot| Slot {
            state: match layout.block(piece, slot) {
                Some(_) => SlotState::Missing,
                None => SlotState::Padding,
            },
            live: 0,
            late: 0,
        }));
        let missing = partial.slots.iter().filter(|slot| slot.is_free()).count() as u32;
        (partial.missing, partial.free, partial.cursor) = (missing, missing, 0);
        debug_assert!(missing > 0, "a piece without blocks is never begun");
        self.set_open(id);
        id
    }

    /// A block that nobody is asked for is there already; returns whether it was the last.
    pub(crate) fn find_there(&mut self, id: u32, slot: u32) -> bool {
        let partial = &mut self.slab[id as usize];
        let record = partial.slots.get_mut(slot as usize);
        if let Some(record) = record.filter(|record| record.is_free()) {
            record.state = SlotState::Received;
            partial.missing -= 1;
            partial.free -= 1;
        }
        let completes = partial.missing == 0;
        self.set_open(id);
        completes
    }

    /// Forgets a piece, which no table may hold requests for any more.
    pub(crate) fn close(&mut self, id: u32) {
        let partial = &mut self.slab[id as usize];
        debug_assert_eq!((partial.askers, partial.workers), (0, 0));
        partial.slots.clear();
        (partial.missing, partial.free) = (0, 0);
        (partial.is_exclusive, partial.reserved_for) = (false, None);
        partial.reserved_until = None;
        self.set_open(id);
        self.vacant.push(id);
    }

    pub(crate) fn get(&self, id: u32) -> &Partial {
        &self.slab[id as usize]
    }

    /// Those with free blocks.
    pub(crate) fn open(&self) -> &[u32] {
        &self.open
    }

    /// All of them, those included that await their verdict.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Partial)> {
        let all = self.slab.iter().enumerate();
        all.map(|(id, partial)| (id as u32, partial))
            .filter(|(_, partial)| !partial.slots.is_empty())
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len() - self.vacant.len()
    }

    pub(crate) fn set_exclusive(&mut self, id: u32) {
        self.slab[id as usize].is_exclusive = true;
    }

    /// From now on only `conn` is asked for blocks of the piece.
    pub(crate) fn reserve(&mut self, id: u32, conn: ConnId, until: Instant) {
        let partial = &mut self.slab[id as usize];
        (partial.reserved_for, partial.reserved_until) = (Some(conn), Some(until));
    }

    /// Ends the reservations that have lasted too long; returns whether there were any.
    pub(crate) fn expire_reservations(&mut self, now: Instant) -> bool {
        let mut expired = false;
        for partial in &mut self.slab {
            if partial
                .reserved_until
                .take_if(|until| *until <= now)
                .is_some()
            {
                partial.reserved_for = None;
                expired = true;
            }
        }
        expired
    }

    /// When the first reservation ends.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.slab
            .iter()
            .filter_map(|partial| partial.reserved_until)
            .min()
    }

    /// How many pieces are reserved for `conn`.
    pub(crate) fn reserved_count(&self, conn: ConnId) -> usize {
        let reserved = self.slab.iter();
        reserved
            .filter(|partial| partial.reserved_for == Some(conn))
            .count()
    }

    /// What was reserved for `conn` is for all again where `is_over`; returns whether anything was.
    pub(crate) fn unreserve(&mut self, conn: ConnId, is_over: impl Fn(PieceIndex) -> bool) -> bool {
        let mut any = false;
        for partial in &mut self.slab {
            if partial.reserved_for == Some(conn) && is_over(partial.piece) {
                (partial.reserved_for, partial.reserved_until) = (None, None);
                any = true;
            }
        }
        any
    }

    pub(crate) fn add_worker(&mut self, id: u32) {
        self.slab[id as usize].workers += 1;
    }

    pub(crate) fn remove_worker(&mut self, id: u32) {
        let partial = &mut self.slab[id as usize];
        partial.workers -= 1;
        if partial.workers == 0 {
            partial.is_exclusive = false;
        }
    }

    /// The first free block for which `is_allowed`, if there is one.
    pub(crate) fn find_free(
        &mut self,
        id: u32,
        mut is_allowed: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let partial = &mut self.slab[id as usize];
        if partial.free == 0 {
            return None;
        }
        let rest = &partial.slots[partial.cursor as usize..];
        let taken = rest.iter().take_while(|slot| !slot.is_free()).count();
        partial.cursor += taken as u32;
        partial.free_slots().find(|&slot| is_allowed(slot))
    }

    /// One more peer is asked for the block.
    pub(crate) fn request(&mut self, id: u32, slot: u32) {
        let partial = &mut self.slab[id as usize];
        let record = &mut partial.slots[slot as usize];
        debug_assert_eq!(record.state, SlotState::Missing);
        partial.free -= u32::from(record.live == 0);
        record.live += 1;
        partial.askers += 1;
        self.set_open(id);
    }

    /// One more peer is asked for the block, which stays as free as it is.
    pub(crate) fn request_late(&mut self, id: u32, slot: u32) {
        let partial = &mut self.slab[id as usize];
        partial.slots[slot as usize].late += 1;
        partial.askers += 1;
    }

    /// A peer takes too long: the block is free again unless another is asked.
    pub(crate) fn set_late(&mut self, id: u32, slot: u32) {
        self.request_late(id, slot);
        self.withdraw(id, slot, false);
    }

    /// A request is over without the block.
    pub(crate) fn withdraw(&mut self, id: u32, slot: u32, is_late: bool) {
        let partial = &mut self.slab[id as usize];
        let record = &mut partial.slots[slot as usize];
        partial.askers -= 1;
        if is_late {
            record.late -= 1;
            return;
        }
        record.live -= 1;
        if record.is_free() {
            partial.free += 1;
            partial.cursor = partial.cursor.min(slot);
            self.set_open(id);
        }
    }

    /// A request is over, as the block is there.
    pub(crate) fn receive(&mut self, id: u32, slot: u32, is_late: bool) -> Arrival {
        let partial = &mut self.slab[id as usize];
        let record = &mut partial.slots[slot as usize];
        partial.askers -= 1;
        let was_free = record.is_free();
        if is_late {
            record.late -= 1;
        } else {
            record.live -= 1;
        }
        if record.state != SlotState::Missing {
            return Arrival::Known;
        }
        record.state = SlotState::Received;
        let has_other_askers = record.live > 0 || record.late > 0;
        partial.missing -= 1;
        partial.free -= u32::from(was_free);
        let completes = partial.missing == 0;
        self.set_open(id);
        Arrival::New {
            has_other_askers,
            completes,
        }
    }

    /// Puts the partial piece into `open`, or takes it out, as it has free blocks or not.
    fn set_open(&mut self, id: u32) {
        let partial = &mut self.slab[id as usize];
        let index = partial.open_index;
        match (partial.free > 0, index != NOT_OPEN) {
            (true, false) => {
                partial.open_index = self.open.len() as u32;
                self.open.push(id);
            }
            (false, true) => {
                partial.open_index = NOT_OPEN;
                self.open.swap_remove(index as usize);
                if let Some(&moved) = self.open.get(index as usize) {
                    self.slab[moved as usize].open_index = index;
                }
            }
            _ => {}
        }
    }

    /// Panics unless the counts are those of the slots, and these those of the peers' requests:
    /// `askers` counts the requests for a block, `workers` the peers at work on a partial piece.
    pub(crate) fn check_invariants(
        &self,
        layout: &PieceLayout,
        askers: impl Fn(Block) -> Askers,
        workers: impl Fn(u32) -> u32,
    ) {
        for (id, partial) in self.iter() {
            let missing = |slot: &&Slot| slot.state == SlotState::Missing;
            let slots = &partial.slots;
            assert_eq!(slots.iter().filter(missing).count() as u32, partial.missing);
            assert_eq!(partial.free_slots_from(0).count() as u32, partial.free);
            assert_eq!(partial.free_slots().count() as u32, partial.free, "cursor");
            assert_eq!(partial.workers, workers(id));
            let mut total = 0;
            for (slot, record) in (0..).zip(slots) {
                let Some(block) = layout.block(partial.piece, slot) else {
                    assert_eq!(record.state, SlotState::Padding);
                    continue;
                };
                let found = askers(block);
                assert_eq!((record.live, record.late), (found.live, found.late));
                assert!(record.state == SlotState::Missing || found.total() == 0);
                total += found.total();
            }
            assert_eq!(total, partial.askers);
            let is_open = self.open.get(partial.open_index as usize) == Some(&id);
            assert_eq!(is_open, partial.free > 0);
        }
        assert_eq!(self.iter().count(), self.len());
        assert!(self.open.iter().all(|&id| self.get(id).free > 0));
    }
}

impl Partial {
    /// Blocks that have been received.
    pub(crate) fn received(&self) -> usize {
        let slots = self.slots.iter();
        slots
            .filter(|slot| slot.state == SlotState::Received)
            .count()
    }

    /// Whether all of it has been received, so that it awaits its verdict.
    pub(crate) fn is_received(&self) -> bool {
        self.missing == 0
    }

    fn vacant() -> Self {
        Self {
            piece: PieceIndex::new(0),
            slots: Vec::new(),
            missing: 0,
            free: 0,
            cursor: 0,
            askers: 0,
            workers: 0,
            is_exclusive: false,
            reserved_for: None,
            reserved_until: None,
            open_index: NOT_OPEN,
        }
    }

    pub(crate) fn piece(&self) -> PieceIndex {
        self.piece
    }

    /// Blocks to be asked of somebody.
    pub(crate) fn free(&self) -> u32 {
        self.free
    }

    /// Blocks that have not been received.
    pub(crate) fn missing(&self) -> u32 {
        self.missing
    }

    /// Peers that take their next block from here.
    pub(crate) fn workers(&self) -> u32 {
        self.workers
    }

    pub(crate) fn is_exclusive(&self) -> bool {
        self.is_exclusive
    }

    /// Whether only some other peer than `conn` may be asked for its blocks.
    pub(crate) fn is_reserved_from(&self, conn: ConnId) -> bool {
        self.reserved_for.is_some_and(|holder| holder != conn)
    }

    /// The only peer that may be asked for its blocks, if it is not for all.
    pub(crate) fn reserved_for(&self) -> Option<ConnId> {
        self.reserved_for
    }

    /// Whether any table holds a request for one of its blocks.
    pub(crate) fn has_askers(&self) -> bool {
        self.askers > 0
    }

    /// How many peers are asked for the block.
    pub(crate) fn askers(&self, slot: u32) -> Askers {
        let slot = self.slots[slot as usize];
        Askers {
            live: slot.live,
            late: slot.late,
        }
    }

    /// The free blocks, in order.
    pub(crate) fn free_slots(&self) -> impl Iterator<Item = u32> {
        self.free_slots_from(self.cursor)
    }

    fn free_slots_from(&self, first: u32) -> impl Iterator<Item = u32> {
        let slots = (first..).zip(&self.slots[first as usize..]);
        slots
            .filter(|(_, record)| record.is_free())
            .map(|(slot, _)| slot)
    }
}

impl Slot {
    fn is_free(self) -> bool {
        self.state == SlotState::Missing && self.live == 0
    }
}

impl Askers {
    pub(crate) fn total(self) -> u32 {
        u32::from(self.live) + u32::from(self.late)
    }
}

const NOT_OPEN: u32 = u32::MAX;
