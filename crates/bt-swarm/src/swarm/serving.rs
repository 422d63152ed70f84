//! What peers ask of us.

use std::time::Instant;

use bt_scheduler::ChokeCandidate;
use bt_types::{BLOCK_LENGTH, Block, ConnId, Payload};
use bt_wire::{Message, RawBlock};

use super::Swarm;
use crate::{Action, DiskJob, ProtocolBreach, timers::Timer, upload::Queued};

impl<P: Payload> Swarm<P> {
    /// The last byte of a block has been handed to the network.
    pub fn handle_block_sent(&mut self, now: Instant, conn: ConnId, block: Block) {
        self.advance(now);
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        if session.uploads.sent(block) {
            session.traffic.add_uploaded(now, block.length);
            session.last_sent = now;
            if let Some(traffic) = &mut self.traffic {
                traffic.add_uploaded(now, block.length);
            }
            self.read_ahead(conn);
        }
    }

    pub(super) fn handle_request(&mut self, now: Instant, conn: ConnId, raw: RawBlock) {
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        let block = self.torrent.as_ref().and_then(|torrent| {
            let block = torrent
                .layout
                .check_range(raw.piece, raw.begin, raw.length)
                .ok()?;
            // Nobody asks for more than 16 KiB, and everybody drops who does (BEP 3).
            let is_sane = block.length <= BLOCK_LENGTH;
            (is_sane && torrent.picker.have().get(block.piece)).then_some(block)
        });
        let queued = match block {
            Some(block) if !session.am_choking() => session.uploads.push(block),
            // A request that crossed our choke on the way is nobody's fault.
            Some(_) => return self.reject(conn, raw),
            None => Queued::Full,
        };
        match queued {
            Queued::Yes => self.read_ahead(conn),
            Queued::Already => {}
            Queued::Full => {
                session.offences.invalid_requests += 1;
                let count = session.offences.invalid_requests;
                if count > MAX_INVALID_REQUESTS {
                    self.breach(now, conn, ProtocolBreach::InvalidRequests(count));
                } else {
                    self.reject(conn, raw);
                }
            }
        }
    }

    pub(super) fn handle_cancel(&mut self, conn: ConnId, raw: RawBlock) {
        let Some(torrent) = &self.torrent else { return };
        let Ok(block) = torrent.layout.check_range(raw.piece, raw.begin, raw.length) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        if session.uploads.cancel(block) {
            self.reject(conn, raw);
        }
    }

    /// Has the disk read what the peer may be sent next.
    pub(super) fn read_ahead(&mut self, conn: ConnId) {
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        while let Some(block) = session.uploads.next_read() {
            self.actions
                .push_back(Action::Disk(DiskJob::Read { conn, block }));
        }
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
        let candidates: Vec<_> = self
            .sessions
            .iter()
            .map(|(&conn, session)| ChokeCandidate {
                conn,
                is_interested: session.peer_interested,
                unchoked_at: session.unchoked_at,
                download_rate: session.traffic.down.bytes_per_sec(now),
                upload_rate: session.traffic.up.bytes_per_sec(now),
            })
            .collect();
        let rechoke = self.choker.rechoke(now, &candidates);
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
            self.send(conn, Message::Unchoke);
        }
    }

    fn choke(&mut self, conn: ConnId) {
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        session.unchoked_at = None;
        let dropped = session.uploads.drop_all();
        // BEP 6: first the choke, then a reject for each request that it drops.
        self.send(conn, Message::Choke);
        for block in dropped {
            self.reject(conn, block.into());
        }
    }
}

/// libtorrent's bound: more is not a race, but a broken or hostile client.
const MAX_INVALID_REQUESTS: u32 = 300;
