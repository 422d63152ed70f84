//! What peers ask of us.

use std::time::Instant;

use bt_scheduler::ChokeCandidate;
use bt_types::{BLOCK_LENGTH, Block, ConnId, Payload};
use bt_wire::{Message, RawBlock};

use super::{Swarm, requests::bytes_on_wire};
use crate::{
    Action, DiskJob, ProtocolBreach,
    timers::Timer,
    upload::{Cancelled, MAX_QUEUED_REQUESTS, Uploads},
};

impl<P: Payload> Swarm<P> {
    /// The last byte of a block has been handed to the network.
    pub fn handle_block_sent(&mut self, now: Instant, conn: ConnId, block: Block) {
        self.advance(now);
        let Some(session) = self.sessions.get(&conn) else {
            return;
        };
        let rate = session.traffic.up.bytes_per_sec(now);
        let is_complete = self.is_complete();
        let sent = self.with_uploads(conn, |uploads| uploads.sent(now, block, rate));
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        if sent {
            session.traffic.add_uploaded(now, block.length);
            if !is_complete {
                session.traffic.lent += u64::from(block.length);
            }
            session.last_sent = now;
            if let Some(traffic) = &mut self.traffic {
                traffic.add_uploaded(now, block.length);
            }
            self.count_shown(conn, block);
            self.count_spread(conn, block);
            self.count_serving(now, conn, block);
        }
    }

    /// What [`Action::TakeBack`] asked for has been done: nothing of the block has left.
    pub fn handle_block_taken_back(&mut self, now: Instant, conn: ConnId, block: Block) {
        self.advance(now);
        if self.with_uploads(conn, |uploads| uploads.taken_back(block)) {
            self.upload.refund(now, bytes_on_wire(block.length));
            self.reject(conn, block.into());
        }
    }

    /// Whoever takes one piece over and over does it for our harm.
    fn count_serving(&mut self, now: Instant, conn: ConnId, block: Block) {
        let (Some(torrent), Some(session)) = (&self.torrent, self.sessions.get_mut(&conn)) else {
            return;
        };
        let piece = block.piece;
        let sent = session.servings.add(block);
        let times = sent / u64::from(torrent.layout.piece_length(piece));
        if times >= MAX_SERVINGS {
            self.breach(now, conn, ProtocolBreach::SamePiece { piece, times });
        }
    }

    pub(super) fn handle_request(&mut self, now: Instant, conn: ConnId, raw: RawBlock) {
        let Some(block) = self.servable(conn, raw) else {
            return self.handle_invalid_request(now, conn, raw);
        };
        let Some(session) = self.sessions.get(&conn) else {
            return;
        };
        if session.am_choking() && !self.spend_allowed(conn, block) {
            return self.handle_choked_request(now, conn, raw);
        }
        // More than fit are not held against anyone: rtorrent asks for as much as it gets in some
        // seconds, whatever it is told (libtorrent turns them down, too).
        if self.with_uploads(conn, |uploads| uploads.push(block)) {
            self.asked_for(conn, block.piece);
        } else {
            self.reject(conn, raw);
        }
    }

    /// A request that crossed our choke on the way is nobody's fault; a flood of them is.
    fn handle_choked_request(&mut self, now: Instant, conn: ConnId, raw: RawBlock) {
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        session.offences.choked_requests += 1;
        if session.offences.choked_requests > MAX_CHOKED_REQUESTS {
            self.handle_invalid_request(now, conn, raw);
        } else {
            self.reject(conn, raw);
        }
    }

    /// What a peer asks for, if we have it and have let it know.
    fn servable(&self, conn: ConnId, raw: RawBlock) -> Option<Block> {
        let torrent = self.torrent.as_ref()?;
        let checked = torrent.layout.check_range(raw.piece, raw.begin, raw.length);
        let block = checked.ok()?;
        // Nobody asks for more than 16 KiB, and everybody drops who does (BEP 3).
        let is_sane = block.length <= BLOCK_LENGTH;
        let is_had = torrent.picker.have().get(block.piece) && self.shows(conn, block.piece);
        (is_sane && is_had).then_some(block)
    }

    fn handle_invalid_request(&mut self, now: Instant, conn: ConnId, raw: RawBlock) {
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        session.offences.invalid_requests += 1;
        let count = session.offences.invalid_requests;
        if count > MAX_INVALID_REQUESTS {
            self.breach(now, conn, ProtocolBreach::InvalidRequests(count));
        } else {
            self.reject(conn, raw);
        }
    }

    pub(super) fn handle_cancel(&mut self, conn: ConnId, raw: RawBlock) {
        let Some(torrent) = &self.torrent else { return };
        let Ok(block) = torrent.layout.check_range(raw.piece, raw.begin, raw.length) else {
            return;
        };
        match self.with_uploads(conn, |uploads| uploads.cancel(block)) {
            Cancelled::Dropped => self.reject(conn, raw),
            Cancelled::Recalled => self.actions.push_back(Action::TakeBack(conn, block)),
            Cancelled::Unknown => {}
        }
    }

    /// Has the disk read what peers may be sent next, one block each in turn, as long as the rate
    /// granted allows, and all that is on its way to peers takes no more than a quarter of the
    /// memory: serving must never be able to stop a download.
    pub(super) fn read_for_peers(&mut self, now: Instant) {
        self.upload.stop_waiting(now);
        if self.refuses_reads() {
            return;
        }
        let limit = (self.grant.memory_bytes / 4).max(BLOCK_LENGTH as usize);
        while self.served_bytes < limit {
            let Some(conn) = self.waiting.whose() else {
                return self.read_for_choked(now);
            };
            if !self.upload.admits(now) {
                return;
            }
            let Some(block) = self.with_uploads(conn, Uploads::next_read) else {
                self.waiting.remove(conn);
                continue;
            };
            self.read(now, conn, block);
            self.waiting.moved(bytes_on_wire(block.length));
        }
    }

    pub(super) fn read(&mut self, now: Instant, conn: ConnId, block: Block) {
        self.upload.spend(now, bytes_on_wire(block.length));
        self.actions
            .push_back(Action::Disk(DiskJob::Read { conn, block }));
    }

    /// Changes what is on its way to a peer, and keeps the books.
    pub(super) fn with_uploads<R: Default>(
        &mut self,
        conn: ConnId,
        change: impl FnOnce(&mut Uploads) -> R,
    ) -> R {
        let Some(session) = self.sessions.get_mut(&conn) else {
            return R::default();
        };
        self.served_bytes -= session.uploads.memory_bytes();
        let result = change(&mut session.uploads);
        self.served_bytes += session.uploads.memory_bytes();
        if session.uploads.wants_read() {
            match session.am_choking() {
                true => _ = self.waiting_choked.insert(conn),
                false => self.waiting.insert(conn),
            }
        } else if !session.supports_fast && session.uploads.take_overflow() {
            // It cannot be told which requests found no room, and would wait for them. A choke takes
            // back whatever is outstanding (BEP 3), so that it asks anew.
            self.send(conn, Message::Choke);
            self.send(conn, Message::Unchoke);
        }
        result
    }

    /// BEP 6: every request gets an answer. Without it, silence is the answer.
    pub(super) fn reject(&mut self, conn: ConnId, raw: RawBlock) {
        if self
            .sessions
            .get(&conn)
            .is_some_and(|session| session.supports_fast)
        {
            self.send(conn, Message::Reject(raw));
        }
    }

    /// Decides who may ask, and tells those for whom that has changed.
    pub(super) fn rechoke(&mut self, now: Instant) {
        if self.refuses_reads() {
            return; // All are choked, until it can read again.
        }
        let candidates: Vec<_> = self
            .sessions
            .iter()
            .map(|(&conn, session)| {
                let evidence = self.evidence_of_late(now, conn, session);
                ChokeCandidate {
                    conn,
                    is_interested: session.peer_interested,
                    unchoked_at: session.unchoked_at,
                    is_asking: session.is_asking(now),
                    conduct: self.conduct(conn, &evidence),
                    received: session.traffic.downloaded,
                    evidence,
                }
            })
            .collect();
        let rate = self
            .traffic
            .as_ref()
            .map_or(0, |traffic| traffic.up.bytes_per_sec(now));
        let rechoke = self.choker.rechoke(now, rate, &candidates);
        for conn in rechoke.choke {
            self.choke(conn);
        }
        for conn in rechoke.unchoke {
            self.unchoke(now, conn);
        }
        if let Some(next) = self.choker.poll_timeout() {
            self.timers.set(Timer::Choke, next);
        }
    }

    fn unchoke(&mut self, now: Instant, conn: ConnId) {
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.unchoked_at = Some(now);
            session.offences.choked_requests = 0;
            if self.waiting_choked.remove(&conn) {
                self.waiting.insert(conn);
            }
            // First, so that its first requests are for these.
            self.suggest(conn);
            self.send(conn, Message::Unchoke);
        }
    }

    pub(super) fn choke(&mut self, conn: ConnId) {
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        session.unchoked_at = None;
        self.waiting.remove(conn);
        if let Some(torrent) = &mut self.torrent {
            torrent.spread.choked(conn);
        }
        let dropped = self.drop_unless_allowed(conn);
        // BEP 6: first the choke, then a reject for each request that it drops: all but those for
        // pieces that it may have although it is choked.
        self.send(conn, Message::Choke);
        for block in dropped {
            self.reject(conn, block.into());
        }
    }
}

/// libtorrent's bound: more is not a race, but a broken or hostile client.
const MAX_INVALID_REQUESTS: u32 = 300;
/// How often a peer may take a piece without saying that it has it. Some fail their hash, because
/// others have sent bad blocks of them.
const MAX_SERVINGS: u64 = 10;
/// Two full pipelines' worth before we unchoke it again: more do not cross a choke on the way.
const MAX_CHOKED_REQUESTS: u32 = 2 * MAX_QUEUED_REQUESTS;
