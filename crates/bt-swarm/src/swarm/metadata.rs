//! The info dictionary: fetched from peers while we have none, and given to them (BEP 9).

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bt_types::{BLOCK_LENGTH, ConnId, Direction, Payload, PeerSource};
use bt_wire::{ExtendedHandshake, ExtendedMessage, Extension, ExtensionIds, MetadataMessage};

use super::Swarm;
use crate::{
    Action, BanReason, DisconnectReason, Event, MetadataProgress, ProtocolBreach,
    metadata::{Answer, Data, Fetch, Verdict},
    peers::is_allowed_if_private,
};

/// The exchange of the dictionary, in both directions.
#[derive(Debug)]
pub(super) struct Exchange {
    /// `None` once the metadata is known, and if it is not to come from peers.
    fetch: Option<Fetch>,
    /// Who has asked for blocks that have not been sent.
    waiting: BTreeSet<ConnId>,
    /// When our line would be through with what has been served, if there is a limit.
    line_free_at: Option<Instant>,
    /// Who has been served last.
    last_served: ConnId,
    /// The dictionary is known to say so (BEP 27).
    is_private: bool,
}

impl Exchange {
    pub(super) fn new(fetch: Option<Fetch>) -> Self {
        Self {
            fetch,
            waiting: BTreeSet::new(),
            line_free_at: None,
            last_served: ConnId(0),
            is_private: false,
        }
    }

    pub(super) fn progress(&self) -> Option<MetadataProgress> {
        self.fetch.as_ref().map(Fetch::progress)
    }

    pub(super) fn forget(&mut self, conn: ConnId) {
        self.waiting.remove(&conn);
        if let Some(fetch) = &mut self.fetch {
            fetch.remove(conn);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.fetch.as_ref()?.poll_timeout()
    }

    #[cfg(any(test, debug_assertions))]
    pub(super) fn check_invariants(&self) {
        if let Some(fetch) = &self.fetch {
            fetch.check_invariants();
        }
    }
}

impl<P: Payload> Swarm<P> {
    /// How far the metadata has come; `None` once it is known, and if it does not come from peers.
    #[must_use]
    pub fn metadata_progress(&self) -> Option<MetadataProgress> {
        self.exchange.progress()
    }

    /// The numbers under which we take messages of extensions. Nothing about a private torrent is
    /// given to whoever has not got it from its tracker (BEP 27; libtorrent does the same).
    pub(super) fn offered(&self) -> ExtensionIds {
        let mut ids = ExtensionIds::default()
            .with(Extension::UploadOnly, 3)
            .with(Extension::DontHave, 7);
        if self.shares_metadata() {
            ids = ids.with(Extension::Metadata, 2);
        }
        if self.gossips() {
            ids = ids.with(Extension::Pex, 1);
        }
        ids
    }

    pub(super) fn is_private(&self) -> bool {
        self.exchange.is_private
    }

    /// Bytes of the dictionary, if peers can have it from us.
    pub(super) fn metadata_size(&self) -> Option<u32> {
        let info = self.torrent.as_ref().map(|torrent| &torrent.info);
        let shared = info.filter(|_| self.shares_metadata());
        shared.and_then(|info| info.raw().len().try_into().ok())
    }

    fn shares_metadata(&self) -> bool {
        self.config.exchange_metadata && !self.is_private()
    }

    /// What a peer has said in a handshake: whether it can be asked.
    pub(super) fn note_metadata_source(&mut self, now: Instant, conn: ConnId) {
        let (Some(fetch), Some(session)) = (&mut self.exchange.fetch, self.sessions.get(&conn))
        else {
            return;
        };
        let takes = session.extensions.get(Extension::Metadata).is_some();
        let size = session.metadata_size.filter(|_| takes);
        fetch.set_source(now, conn, session.addr, size);
    }

    pub(super) fn handle_metadata_message(
        &mut self,
        now: Instant,
        conn: ConnId,
        message: MetadataMessage,
    ) {
        match message {
            MetadataMessage::Request { piece } => self.metadata_requested(now, conn, piece),
            MetadataMessage::Data {
                piece,
                total_size,
                payload,
            } => {
                let data = self
                    .exchange
                    .fetch
                    .as_mut()
                    .map(|fetch| fetch.handle_data(now, conn, piece, total_size, payload));
                match data {
                    Some(Data::Taken) => self.judge_metadata(now),
                    Some(Data::Misfit) => {
                        self.breach(now, conn, ProtocolBreach::MetadataBlock(piece));
                    }
                    Some(Data::Unrequested) => self.count_unknown(now, conn),
                    // It may have been under way when the right one came.
                    Some(Data::Unneeded) | None => self.count_unknown(now, conn),
                }
            }
            MetadataMessage::Reject { piece } => {
                let fetch = self.exchange.fetch.as_mut();
                if !fetch.is_some_and(|fetch| fetch.handle_reject(now, conn, piece)) {
                    self.count_unknown(now, conn);
                }
            }
            // "should be ignored" (BEP 9), and costs no more than its bytes.
            _ => {}
        }
    }

    /// Asks whoever can be asked for what is lacking.
    pub(super) fn request_metadata(&mut self, now: Instant) {
        while let Some((conn, piece)) = self.next_metadata_request(now) {
            self.send_metadata(conn, MetadataMessage::Request { piece });
        }
    }

    /// Gives peers what they have asked for, a block each in turn.
    pub(super) fn serve_metadata(&mut self, now: Instant) {
        while let Some((conn, piece)) = self.next_metadata_serving(now) {
            let Some(torrent) = &self.torrent else {
                return;
            };
            let raw = torrent.info.raw();
            let mut blocks = raw.chunks(BLOCK_LENGTH as usize);
            let Some(payload) = blocks.nth(piece as usize) else {
                continue;
            };
            let length = payload.len() as u64;
            let data = MetadataMessage::Data {
                piece,
                total_size: raw.len() as u32,
                payload: payload.into(),
            };
            self.exchange.last_served = conn;
            if let Some(rate) = self.grant.rates.upload {
                let begins = self.exchange.line_free_at.map_or(now, |at| at.max(now));
                let takes = Duration::from_secs_f64(length as f64 / rate.get() as f64);
                self.exchange.line_free_at = Some(begins + takes);
            }
            self.send_metadata(conn, data);
        }
    }

    /// When a block may go that a peer has asked for.
    pub(super) fn next_metadata_serving_at(&self) -> Option<Instant> {
        let now = self.now?;
        let waiting = self.exchange.waiting.iter();
        let next = waiting.filter_map(|conn| self.sessions.get(conn)?.metadata.next_at(now));
        let free_at = self.exchange.line_free_at.unwrap_or(now);
        next.min().map(|at| at.max(free_at))
    }

    /// The torrent turns out to be private (BEP 27), which may be known before it is known what of it
    /// is on disk: its peers are its trackers' alone from now on, and are told of nobody.
    ///
    /// [`handle_metadata`](Self::handle_metadata) does the same, if nobody has before.
    pub fn make_private(&mut self, now: Instant) {
        self.advance(now);
        if self.exchange.is_private {
            return;
        }
        self.exchange.is_private = true;
        self.part_from_strangers(now);
        let taken_back = ExtensionIds::default()
            .with(Extension::Metadata, 0)
            .with(Extension::Pex, 0);
        self.tell_extensions(taken_back);
    }

    /// The metadata is in use: nobody is asked any more, and whoever can have it from us is told.
    pub(super) fn end_metadata_fetch(&mut self, now: Instant, is_private: bool) {
        self.exchange.fetch = None;
        if is_private {
            self.make_private(now);
        } else {
            self.tell_extensions(self.offered());
        }
    }

    fn tell_extensions(&mut self, ids: ExtensionIds) {
        let news = ExtendedHandshake {
            ids,
            metadata_size: self.metadata_size(),
            ..ExtendedHandshake::default()
        };
        for conn in self.conns() {
            if self.sessions[&conn].supports_extended {
                self.send(conn, news.to_message());
            }
        }
    }

    /// The torrent turns out to be private: whoever was not named by a tracker has no place in it
    /// (BEP 27). Who came by itself stays, as nobody can tell how it has found us.
    fn part_from_strangers(&mut self, now: Instant) {
        let is_stranger = |sources: bt_types::PeerSources| {
            sources != bt_types::PeerSources::NONE && !sources.iter().any(is_allowed_if_private)
        };
        let peers = &self.peers;
        let aborted = self
            .dialler
            .take_those(|peer| is_stranger(peers.sources(peer)));
        let aborted = aborted.into_iter().map(Action::AbortDial);
        self.actions.extend(aborted);
        for conn in self.conns() {
            let session = &self.sessions[&conn];
            let mut sources = self
                .peers
                .sources(session.listen_addr.unwrap_or(session.addr));
            if session.direction == Direction::Inbound {
                sources.insert(PeerSource::Incoming);
            }
            if is_stranger(sources) {
                self.disconnect(now, conn, DisconnectReason::Private);
            }
        }
        self.peers.set_private();
    }

    fn metadata_requested(&mut self, now: Instant, conn: ConnId, piece: u32) {
        let size = self.metadata_size().unwrap_or(0);
        let Some(session) = self.sessions.get_mut(&conn) else {
            return;
        };
        match session.metadata.ask(size, piece) {
            Answer::Queued => _ = self.exchange.waiting.insert(conn),
            Answer::Refused => self.send_metadata(conn, MetadataMessage::Reject { piece }),
            Answer::Flood(count) => {
                self.breach(now, conn, ProtocolBreach::MetadataRequests(count));
            }
        }
    }

    fn judge_metadata(&mut self, now: Instant) {
        let fetch = self.exchange.fetch.as_mut();
        let Some(verdict) = fetch.and_then(Fetch::judge) else {
            return;
        };
        match verdict {
            Verdict::Right { bytes, liars } => {
                self.actions.push_back(Action::Metadata(bytes.into()));
                for liar in liars {
                    self.ban(now, liar, BanReason::Metadata);
                }
            }
            Verdict::Lie(liar) => {
                let contributors = vec![liar];
                self.events
                    .push_back(Event::MetadataFailed { contributors });
                self.ban(now, liar, BanReason::Metadata);
            }
            Verdict::Mixed(contributors) => {
                self.events
                    .push_back(Event::MetadataFailed { contributors });
            }
            Verdict::Contradiction => self.events.push_back(Event::IdsContradict),
        }
    }

    fn next_metadata_request(&mut self, now: Instant) -> Option<(ConnId, u32)> {
        self.exchange.fetch.as_mut()?.poll_request(now)
    }

    fn next_metadata_serving(&mut self, now: Instant) -> Option<(ConnId, u32)> {
        if self.exchange.line_free_at.is_some_and(|at| at > now) {
            return None;
        }
        let last = self.exchange.last_served;
        let waiting = self.exchange.waiting.iter().copied();
        let due = waiting.filter(|conn| {
            let session = self.sessions.get(conn);
            let next = session.and_then(|session| session.metadata.next_at(now));
            next.is_some_and(|at| at <= now)
        });
        let next = due.min_by_key(|&conn| (conn <= last, conn))?;
        let requests = &mut self.sessions.get_mut(&next)?.metadata;
        let piece = requests.take(now)?;
        if !requests.is_waiting() {
            self.exchange.waiting.remove(&next);
        }
        Some((next, piece))
    }

    fn send_metadata(&mut self, conn: ConnId, message: MetadataMessage) {
        let session = self.sessions.get(&conn);
        // Who asks, and has not said under which number it listens, is not answered.
        if let Some(id) = session.and_then(|it| it.extensions.get(Extension::Metadata)) {
            self.send(conn, ExtendedMessage::Metadata(message).to_message(id));
        }
    }
}
