//! What the disk refuses is kept and tried again, until it works.
//!
//! Meanwhile nothing is requested, and we are interested in nobody. What can be read is served.

use std::time::Instant;

use bt_types::{Block, ConnId, Payload, PieceIndex};
use bt_wire::Message;

use super::{Swarm, requests::bytes_on_wire};
use crate::{Action, DiskJob, DiskRefusal, Event, FailedJob, trouble::Trouble};

impl<P: Payload> Swarm<P> {
    /// Whether the disk has refused something that is not done yet: from the first
    /// [`Event::DiskFailed`] until [`Event::DiskRecovered`].
    #[must_use]
    pub fn has_disk_trouble(&self) -> bool {
        self.trouble.is_some()
    }

    pub(super) fn disk_refused(&mut self, now: Instant, job: DiskJob<P>, refusal: DiskRefusal) {
        let failed = FailedJob::from(&job);
        self.events.push_back(Event::DiskFailed(failed));
        let is_new = self.trouble.is_none();
        self.trouble.get_or_insert_with(|| Trouble::new(now));
        if refusal.is_loss() {
            self.something_is_missing(now, failed, refusal);
        }
        match job {
            DiskJob::Verify { piece, .. } if self.is_recheck(piece) => {
                self.recheck_refused(now, piece, refusal);
            }
            DiskJob::Verify {
                piece, ref blocks, ..
            }
            | DiskJob::Spill { piece, ref blocks } => {
                let torrent = self.torrent.as_ref();
                let is_kept = !self.is_stopped
                    && torrent.is_some_and(|torrent| {
                        torrent.assembly.is_whole(piece, blocks)
                            && !torrent.assembly.is_doubtful(piece)
                    });
                match &mut self.trouble {
                    Some(trouble) if is_kept => trouble.writes.refused(now, piece, job),
                    Some(trouble) => {
                        trouble.writes.ended(piece);
                        self.fetch_again(piece);
                    }
                    None => {}
                }
            }
            DiskJob::Read { conn, block } => self.read_refused(now, conn, block, refusal),
            DiskJob::Survey => {
                if let Some(trouble) = &mut self.trouble {
                    trouble.surveyed(now, false);
                }
            }
        }
        if is_new {
            self.update_all_interest();
        }
    }

    /// Gives the disk what is to be written: later, if it has refused to write.
    pub(super) fn write(&mut self, piece: PieceIndex, job: DiskJob<P>) {
        match &mut self.trouble {
            Some(trouble) if !trouble.writes.is_empty() => trouble.writes.add(piece, job),
            _ => self.actions.push_back(Action::Disk(job)),
        }
    }

    /// A piece has been written, or some of its blocks.
    pub(super) fn written(&mut self, piece: PieceIndex) {
        if let Some(trouble) = &mut self.trouble {
            trouble.writes.succeeded(piece);
        }
    }

    /// A piece was not written, as it is bad.
    pub(super) fn not_written(&mut self, piece: PieceIndex) {
        if let Some(trouble) = &mut self.trouble {
            trouble.writes.ended(piece);
        }
    }

    /// Takes the verdict on a piece that we have had. Returns whether it was such a one.
    pub(super) fn rechecked(&mut self, now: Instant, piece: PieceIndex, is_good: bool) -> bool {
        let trouble = self.trouble.as_mut();
        if !trouble.is_some_and(|trouble| trouble.doubtful.succeeded(piece)) {
            return false;
        }
        match is_good {
            true => self.find(now, piece),
            false => self.lose(now, piece),
        }
        true
    }

    /// Which pieces are not on disk is known, and which may not be.
    pub(super) fn surveyed(
        &mut self,
        now: Instant,
        missing: &[PieceIndex],
        doubtful: &[PieceIndex],
    ) {
        for &piece in missing {
            self.lose(now, piece);
        }
        if !doubtful.is_empty() {
            self.doubt_spilled();
        }
        let (Some(torrent), Some(trouble)) = (&self.torrent, &mut self.trouble) else {
            return;
        };
        let suspects = std::mem::take(&mut trouble.suspects);
        let layout = &torrent.layout;
        let of_suspects = suspects.into_iter().flat_map(|file| layout.pieces_of(file));
        let suspicious = of_suspects.chain(doubtful.iter().copied());
        let had = suspicious.filter(|&piece| torrent.picker.have().get(piece));
        let lost = trouble.lost.iter().copied();
        let is_there = |piece: &PieceIndex| missing.binary_search(piece).is_err();
        let mut had_any = false;
        for piece in had.chain(lost).filter(is_there) {
            trouble.doubtful.add(piece, ());
            had_any = true;
        }
        if had_any {
            trouble.doubtful.hurry(now);
        }
        trouble.surveyed(now, true);
    }

    /// Tries again what is due, within the memory granted, and sees whether the trouble is over.
    pub(super) fn try_disk_again(&mut self, now: Instant) {
        self.give_up_excess();
        let Some(trouble) = &mut self.trouble else {
            return;
        };
        while let Some((_, job)) = trouble.writes.next(now) {
            self.actions.push_back(Action::Disk(job));
        }
        while let Some((piece, ())) = trouble.doubtful.next(now) {
            self.actions.push_back(Action::Disk(DiskJob::Verify {
                piece,
                blocks: Vec::new(),
                wants_digests: false,
            }));
        }
        if trouble.refuses_reads && trouble.doubtful.is_empty() {
            trouble.refuses_reads = false;
            self.needs_rechoke = true;
        }
        if trouble.takes_survey(now) {
            self.actions.push_back(Action::Disk(DiskJob::Survey));
        } else if trouble.is_over() {
            self.trouble = None;
            self.events.push_back(Event::DiskRecovered);
            if let Some(torrent) = &mut self.torrent {
                torrent.picker.wake();
            }
            self.update_all_interest();
            self.schedule_dialling();
        }
    }

    /// Nobody is unchoked, and nothing is read for anybody.
    pub(super) fn refuses_reads(&self) -> bool {
        let trouble = self.trouble.as_ref();
        trouble.is_some_and(|trouble| trouble.refuses_reads)
    }

    /// What waits to be written will not be: for the end.
    pub(super) fn give_up_writes(&mut self) {
        let trouble = self.trouble.as_mut();
        let waiting = trouble.map(|trouble| trouble.writes.take_where(|_| true));
        for piece in waiting.into_iter().flatten() {
            self.fetch_again(piece);
        }
    }

    /// Others need the memory of what waits to be written: it is fetched again.
    fn give_up_excess(&mut self) {
        while self.memory_bytes() > self.grant.memory_bytes {
            let trouble = self.trouble.as_mut();
            let Some(piece) = trouble.and_then(|trouble| trouble.writes.give_up_one()) else {
                return;
            };
            self.fetch_again(piece);
        }
    }

    fn is_recheck(&self, piece: PieceIndex) -> bool {
        let trouble = self.trouble.as_ref();
        trouble.is_some_and(|trouble| trouble.doubtful.is_out(piece))
    }

    fn recheck_refused(&mut self, now: Instant, piece: PieceIndex, refusal: DiskRefusal) {
        let Some(trouble) = &mut self.trouble else {
            return;
        };
        if refusal.is_loss() {
            trouble.doubtful.succeeded(piece);
            self.lose(now, piece);
        } else {
            trouble.doubtful.refused(now, piece, ());
            self.stop_reading();
        }
    }

    fn read_refused(&mut self, now: Instant, conn: ConnId, block: Block, refusal: DiskRefusal) {
        self.upload.refund(now, bytes_on_wire(block.length));
        if self.with_uploads(conn, |uploads| uploads.read_failed(block)) {
            self.reject(conn, block.into());
        }
        let torrent = self.torrent.as_ref();
        let is_had = torrent.is_some_and(|torrent| torrent.picker.have().get(block.piece));
        if let (Some(trouble), true) = (&mut self.trouble, is_had && !refusal.is_loss()) {
            trouble.doubtful.add(block.piece, ());
            self.stop_reading();
        }
    }

    /// Peers are told by a choke that they get nothing now; each request is answered.
    fn stop_reading(&mut self) {
        let Some(trouble) = &mut self.trouble else {
            return;
        };
        if std::mem::replace(&mut trouble.refuses_reads, true) {
            return;
        }
        for conn in self.conns() {
            if !self.sessions[&conn].am_choking() {
                self.choke(conn);
            }
            for block in self.with_uploads(conn, |uploads| uploads.drop_where(|_| true)) {
                self.reject(conn, block.into());
            }
        }
    }

    /// A file has gone, or an end of it: what is there is looked at, and what was written early is
    /// fetched again, as it tells nobody whether it is there and right.
    fn something_is_missing(&mut self, now: Instant, failed: FailedJob, refusal: DiskRefusal) {
        let (Some(torrent), Some(trouble)) = (&mut self.torrent, &mut self.trouble) else {
            return;
        };
        let layout = &torrent.layout;
        let (piece, begin, length) = match failed {
            FailedJob::Verify(piece) | FailedJob::Spill(piece) => {
                (piece, 0, layout.piece_length(piece))
            }
            FailedJob::Read(_, block) => (block.piece, block.begin, block.length),
            FailedJob::Survey => return,
        };
        // A piece that is read anew is of a file that is looked at already.
        if !trouble.doubtful.is_out(piece) {
            if refusal == DiskRefusal::Missing {
                let slices = layout.slices(piece, begin, length);
                let files = slices.filter(|slice| !slice.is_pad).map(|slice| slice.file);
                trouble.suspects.extend(files);
            }
            trouble.files_changed(now);
        }
        self.doubt_spilled();
    }

    /// What was written of pieces that are not complete may be gone, and is nobody's fault.
    fn doubt_spilled(&mut self) {
        let (Some(torrent), Some(trouble)) = (&mut self.torrent, &mut self.trouble) else {
            return;
        };
        let spilled = torrent.assembly.doubt_spilled();
        let waiting = trouble
            .writes
            .take_where(|piece| spilled.binary_search(&piece).is_ok());
        let gathering = spilled
            .into_iter()
            .filter(|&piece| torrent.assembly.is_gathering(piece));
        let over: Vec<_> = gathering.chain(waiting).collect();
        for piece in over {
            self.fetch_again(piece);
        }
    }

    /// What came of a piece is gone, and nobody's fault.
    pub(super) fn fetch_again(&mut self, piece: PieceIndex) {
        let Some(torrent) = &mut self.torrent else {
            return;
        };
        let senders = torrent.assembly.remove(piece);
        let slot = |begin| torrent.layout.block(piece, begin / bt_types::BLOCK_LENGTH);
        let blocks = senders.blocks().filter_map(|(begin, _)| slot(begin));
        self.wasted.not_kept += blocks.map(|block| u64::from(block.length)).sum::<u64>();
        torrent.picker.piece_failed(piece);
    }

    fn lose(&mut self, now: Instant, piece: PieceIndex) {
        let torrent = self.torrent.as_ref();
        if !torrent.is_some_and(|torrent| torrent.picker.have().get(piece)) {
            return;
        }
        if let Some(trouble) = self.trouble.as_mut().filter(|_| self.config.only_serves) {
            trouble.lost.insert(piece);
        }
        self.handle_piece_lost(now, piece);
    }

    /// A piece that we have had is there.
    fn find(&mut self, now: Instant, piece: PieceIndex) {
        let (Some(torrent), Some(trouble)) = (&mut self.torrent, &mut self.trouble) else {
            return;
        };
        if trouble.lost.remove(&piece) && trouble.lost.is_empty() {
            trouble.files_changed(now);
        }
        if torrent.picker.have().get(piece) {
            return;
        }
        let was_complete = torrent.picker.is_complete();
        torrent.picker.piece_verified(piece);
        torrent.wanted.bytes_verified += self.selection.bytes_in(&torrent.layout, piece);
        let is_complete = torrent.picker.is_complete();
        self.events.push_back(Event::PieceFound(piece));
        for conn in self.conns() {
            let torrent = self.torrent.as_ref();
            if torrent.is_some_and(|torrent| !torrent.picker.peer_pieces(conn).get(piece)) {
                self.send(conn, Message::Have(piece.get()));
            }
        }
        if is_complete && !was_complete && !self.config.only_serves {
            self.completed(now);
        }
    }

    fn update_all_interest(&mut self) {
        for conn in self.conns() {
            self.update_interest(conn);
        }
    }
}
