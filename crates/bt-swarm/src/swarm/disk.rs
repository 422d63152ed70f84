//! The way of a block to the disk, and the verdict back.

use std::time::Instant;

use bt_scheduler::Received;
use bt_types::{BLOCK_LENGTH, Block, ConnId, PartialPiece, Payload, PieceIndex};
use bt_wire::{Message, RawBlock};

use super::{Swarm, requests::bytes_on_wire};
use crate::{
    Action, DiskDone, Event, Outgoing, ProtocolBreach, assembly::Senders, suspects::BlockDigest,
};

impl<P: Payload> Swarm<P> {
    /// Takes a block of any content.
    pub fn handle_block(&mut self, now: Instant, conn: ConnId, raw: RawBlock, payload: P) {
        self.advance(now);
        let Some(torrent) = &mut self.torrent else {
            return self.handle_unrequested_block(now, conn, raw);
        };
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        session.last_received = now;
        session.traffic.add_downloaded(now, raw.length);
        if let Some(traffic) = &mut self.traffic {
            traffic.add_downloaded(now, raw.length);
        }
        if raw.length == 0 {
            return self.handle_empty_block(now, conn, raw);
        }
        let block = torrent
            .layout
            .check_range(raw.piece, raw.begin, raw.length)
            .ok();
        let Some(block) = block.filter(|block| block.length as usize == payload.len()) else {
            return self.unrequested(now, conn, raw);
        };
        let outstanding = torrent.picker.outstanding_total();
        let received = torrent.picker.handle_block(now, conn, block);
        let was_awaited = torrent.picker.outstanding_total() < outstanding;
        if was_awaited {
            // Counted against the limit when it was requested.
            self.counted_requests = self.counted_requests.saturating_sub(1);
        } else if received == Received::Duplicate {
            self.download.spend(now, bytes_on_wire(raw.length));
        }
        match received {
            Received::Accepted { piece_complete } => {
                // Whoever sends what we need is forgiven what we do not.
                let offences = &mut session.offences;
                offences.unrequested_blocks = offences.unrequested_blocks.saturating_sub(1);
                torrent.progress.record(now, block.length);
                torrent.assembly.insert(block, payload, session.addr);
                if piece_complete {
                    let wants_digests = torrent.suspects.has_case(block.piece);
                    if let Some(job) = torrent.assembly.complete(block.piece, wants_digests) {
                        self.write(block.piece, job);
                    }
                } else {
                    self.spill_excess();
                }
                self.send_cancels();
            }
            Received::Duplicate => self.wasted.duplicate += u64::from(block.length),
            Received::Unrequested => self.unrequested(now, conn, raw),
        }
    }

    /// A block has come that the driver did not expect, and whose bytes it has thrown away.
    pub fn handle_unrequested_block(&mut self, now: Instant, conn: ConnId, raw: RawBlock) {
        self.advance(now);
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        session.last_received = now;
        session.traffic.add_downloaded(now, raw.length);
        if let Some(traffic) = &mut self.traffic {
            traffic.add_downloaded(now, raw.length);
        }
        if raw.length == 0 {
            return self.handle_empty_block(now, conn, raw);
        }
        let forgiven = self.torrent.as_mut().is_some_and(|torrent| {
            let block = torrent.layout.check_range(raw.piece, raw.begin, raw.length);
            block.is_ok_and(|block| torrent.picker.forgive_late(conn, block))
        });
        if forgiven {
            self.download.spend(now, bytes_on_wire(raw.length));
            self.wasted.duplicate += u64::from(raw.length);
        } else {
            self.unrequested(now, conn, raw);
        }
    }

    /// BitComet's way to reject a request: a block without bytes.
    fn handle_empty_block(&mut self, now: Instant, conn: ConnId, raw: RawBlock) {
        let Some(torrent) = &mut self.torrent else {
            return self.unrequested(now, conn, raw);
        };
        let piece = torrent.layout.piece_index(raw.piece).ok();
        let block = piece.and_then(|piece| torrent.layout.block(piece, raw.begin / BLOCK_LENGTH));
        let rejected = block.filter(|block| block.begin == raw.begin);
        if !rejected.is_some_and(|block| torrent.picker.handle_reject(now, conn, block)) {
            self.unrequested(now, conn, raw);
        }
    }

    /// Takes an answer of the disk.
    pub fn handle_disk(&mut self, now: Instant, done: DiskDone<P>) {
        self.advance(now);
        match done {
            DiskDone::Verified {
                piece,
                block_digests,
            } => {
                if !self.rechecked(now, piece, true) {
                    self.written(piece);
                    self.piece_verified(now, piece, &block_digests);
                }
            }
            DiskDone::Corrupt {
                piece,
                block_digests,
            } => {
                if !self.rechecked(now, piece, false) {
                    self.not_written(piece);
                    self.piece_corrupt(now, piece, &block_digests);
                }
            }
            DiskDone::Spilled(piece) => {
                self.written(piece);
                self.spilled(piece);
                self.spill_excess();
            }
            DiskDone::Read {
                conn,
                block,
                payload,
            } => {
                if self.with_uploads(conn, |uploads| uploads.read_done(now, block)) {
                    if let Some(session) = self.sessions.get_mut(&conn) {
                        session.last_sent = now;
                    }
                    self.actions
                        .push_back(Action::Send(conn, Outgoing::Block(block, payload)));
                } else {
                    self.upload.refund(now, bytes_on_wire(block.length));
                }
            }
            DiskDone::Surveyed { missing, doubtful } => self.surveyed(now, &missing, &doubtful),
            DiskDone::Failed(job, refusal) => self.disk_refused(now, job, refusal),
        }
    }

    fn spilled(&mut self, piece: PieceIndex) {
        let Some(torrent) = &mut self.torrent else {
            return;
        };
        let wants_digests = torrent.suspects.has_case(piece);
        if let Some(job) = torrent.assembly.spilled(piece, wants_digests) {
            self.write(piece, job);
        }
    }

    /// What incomplete pieces hold beyond their share goes to the disk early. With the quarter for
    /// serving and the quarter for idle pipelines something is left for the others.
    pub(super) fn spill_excess(&mut self) {
        let share = self.grant.memory_bytes / 8 * 3;
        while let Some(torrent) = &mut self.torrent {
            match torrent.assembly.spill_beyond(share) {
                Some((piece, job)) => self.write(piece, job),
                None => return,
            }
        }
    }

    /// Blocks of a piece are on disk, unverified, since an earlier run: those at these places of its
    /// 16 KiB grid. Only the others are fetched; nobody is blamed for these.
    ///
    /// To be called after [`handle_metadata`](Self::handle_metadata), for pieces that are not among
    /// those that we have. Does nothing for a piece that is begun already.
    ///
    /// # Panics
    /// If the torrent has no such piece.
    pub fn handle_partial_piece(&mut self, now: Instant, partial: &PartialPiece) {
        self.advance(now);
        let Some(torrent) = &mut self.torrent else {
            return;
        };
        let slots = partial.slots.iter().copied();
        let Some(is_complete) = torrent.picker.piece_resumed(partial.piece, slots) else {
            return;
        };
        torrent.assembly.resume(partial.piece);
        if is_complete {
            if let Some(job) = torrent.assembly.complete(partial.piece, false) {
                self.write(partial.piece, job);
            }
        }
    }

    /// Has all blocks in memory written to their places, unverified, so that another run finds them
    /// there. To be called before [`stop`](Self::stop) by who will remember which they are; the jobs
    /// are to be done after it. Does nothing while there is trouble with the disk.
    pub fn spill_all(&mut self, now: Instant) {
        self.advance(now);
        if self.trouble.is_some() {
            return;
        }
        if let Some(torrent) = &mut self.torrent {
            let jobs = torrent.assembly.spill_all();
            self.actions.extend(jobs.into_iter().map(Action::Disk));
        }
    }

    fn piece_verified(
        &mut self,
        now: Instant,
        piece: PieceIndex,
        block_digests: &[(u32, BlockDigest)],
    ) {
        let Some(torrent) = &mut self.torrent else {
            return;
        };
        let senders = torrent.assembly.remove(piece);
        torrent.picker.piece_verified(piece);
        torrent.wanted.bytes_verified += self.selection.bytes_in(&torrent.layout, piece);
        let is_complete = torrent.picker.is_complete();
        self.events.push_back(Event::PieceVerified(piece));
        self.judge_parts(now, senders.peers(), true);
        self.ban_liars(now, piece, block_digests);
        for conn in self.conns() {
            if self.is_news(conn, piece, &senders) {
                self.send(conn, Message::Have(piece.get()));
                self.allow_fast_of_new_piece(conn, piece);
            }
            self.update_interest(conn);
        }
        if is_complete {
            self.completed(now);
        }
    }

    /// Whether a peer is told that we have got `piece`. Who has it itself wants nothing less by our
    /// having it, too, and half of all `have`s are for such peers; others send them all the same
    /// (libtorrent by default, and Transmission).
    ///
    /// But who has everything decides by what we have: whether we still need help, and whether it
    /// parts from us in the end. And who gave us a part of the piece may be a seed in disguise,
    /// which shows us the next piece when it hears of this one (BEP 16).
    fn is_news(&self, conn: ConnId, piece: PieceIndex, senders: &Senders) -> bool {
        let (Some(torrent), Some(session)) = (&self.torrent, self.sessions.get(&conn)) else {
            return false;
        };
        let theirs = torrent.picker.peer_pieces(conn);
        !theirs.get(piece) || theirs.is_full() || senders.peers().contains(&session.addr)
    }

    /// Everything that is wanted is there.
    pub(super) fn completed(&mut self, now: Instant) {
        self.events.push_back(Event::Completed);
        for conn in self.conns() {
            self.part_if_both_upload_only(now, conn);
        }
        self.tell_upload_only();
        self.schedule_dialling();
    }

    /// A piece that was good is no longer on disk, as far as the driver has found out: it is
    /// fetched again, and peers are told that we do not have it (BEP 54).
    ///
    /// Does nothing if the piece is not one that we have.
    pub fn handle_piece_lost(&mut self, now: Instant, piece: PieceIndex) {
        self.advance(now);
        let was_upload_only = self.is_upload_only();
        let Some(torrent) = &mut self.torrent else {
            return;
        };
        let have = torrent.picker.have();
        if piece.get() >= have.len() || !have.get(piece) {
            return;
        }
        torrent.picker.piece_failed(piece);
        torrent.wanted.bytes_verified -= self.selection.bytes_in(&torrent.layout, piece);
        self.events.push_back(Event::PieceLost(piece));
        self.tell_dont_have(piece);
        self.end_disguise();
        if was_upload_only != self.is_upload_only() {
            self.tell_upload_only();
        }
        for conn in self.conns() {
            let is_lost = |block: Block| block.piece == piece;
            let dropped = self.with_uploads(conn, |uploads| uploads.drop_where(is_lost));
            for block in dropped {
                self.reject(conn, block.into());
            }
            self.update_interest(conn);
        }
        self.schedule_dialling();
    }

    fn unrequested(&mut self, now: Instant, conn: ConnId, raw: RawBlock) {
        self.download.count(now, bytes_on_wire(raw.length));
        self.wasted.unrequested += u64::from(raw.length.min(BLOCK_LENGTH));
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        session.offences.unrequested_blocks += 1;
        let count = session.offences.unrequested_blocks;
        if count > MAX_UNREQUESTED_BLOCKS {
            self.breach(now, conn, ProtocolBreach::UnrequestedBlocks(count));
        }
    }
}

/// Blocks cross our cancels on the way, so some are nobody's fault: as many as a full pipeline.
const MAX_UNREQUESTED_BLOCKS: u32 = 500;
