use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use bt_types::{ConnId, Direction, PeerId, PeerSource, PeerSources, Transport};

/// One connected peer, to be shown.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The connection.
    pub conn: ConnId,
    /// The address at the other end.
    pub addr: SocketAddr,
    /// Who opened the connection.
    pub direction: Direction,
    /// What carries it.
    pub transport: Transport,
    /// What it calls itself in the handshake.
    pub peer_id: PeerId,
    /// What it calls itself in words (BEP 10, `v`). Untrusted text.
    pub client_name: Option<Arc<str>>,
    /// Who has told us of it; [`PeerSource::Incoming`](bt_types::PeerSource::Incoming) is among them
    /// if it came by itself.
    pub sources: PeerSources,
    /// We do not answer its requests.
    pub am_choking: bool,
    /// Why we do not; `None` if we do.
    pub why_choked: Option<WhyChoked>,
    /// Its slot is one of those that go to whoever has waited longest, whatever it gives.
    pub is_optimistic: bool,
    /// It has something that we want.
    pub am_interested: bool,
    /// It does not answer our requests.
    pub peer_choking: bool,
    /// We have something that it wants.
    pub peer_interested: bool,
    /// It has been asked, does not choke us, and has not answered in time.
    pub is_snubbed: bool,
    /// It has said that it will not download (BEP 21).
    pub is_upload_only: bool,
    /// Pieces that it has.
    pub pieces: u32,
    /// All pieces; 0 while the metadata is unknown.
    pub piece_count: u32,
    /// Payload bytes received from it.
    pub downloaded: u64,
    /// Payload bytes sent to it.
    pub uploaded: u64,
    /// Payload bytes received from it per second, smoothed.
    pub download_rate_bytes_per_sec: u64,
    /// Payload bytes sent to it per second, smoothed.
    pub upload_rate_bytes_per_sec: u64,
    /// Blocks asked of it and not yet received.
    pub requests_outstanding: usize,
    /// From a request to its block, smoothed; `None` before the first.
    pub round_trip: Option<Duration>,
    /// For how long it has been connected.
    pub connected_for: Duration,
    /// What its place among our connections is worth to us
    /// ([`Evaluation::worth`](bt_scheduler::Evaluation::worth)), in bytes per second.
    pub worth_bytes_per_sec: u64,
}

/// Why we do not answer a peer's requests. Of several reasons the first that would have to go.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum WhyChoked {
    /// It has said that it only uploads (BEP 21).
    UploadOnly,
    /// It wants nothing that we have.
    NotInterested,
    /// We upload to nobody.
    NoSlots,
    /// All slots are in use, and it has been given what nobody else has, and has not given it on.
    Hoarding,
    /// All slots are in use, and it has taken much more from us than it gave.
    Taking,
    /// All slots are in use, by those who give more, or whose turn it is.
    SlotsFull,
    /// There is a slot for it, which it gets when slots are next given.
    NextRound,
}

impl PeerInfo {
    /// Whether it has everything.
    #[must_use]
    pub fn is_seed(&self) -> bool {
        self.piece_count > 0 && self.pieces == self.piece_count
    }

    /// Which client it is: by its own words, or else by its id (BEP 20); `None` if neither tells.
    ///
    /// Without control characters, and at most 64 characters long; untrusted all the same.
    #[must_use]
    pub fn client(&self) -> Option<String> {
        let said = self.client_name.iter().flat_map(|name| name.chars());
        let said = said.filter(|letter| !letter.is_control()).take(MAX_NAME);
        let said: String = said.collect();
        match said.trim() {
            "" => self.peer_id.client(),
            said => Some(said.to_owned()),
        }
    }

    /// What goes on with it, a letter each, as other clients show it; [`FLAGS`] explains them.
    #[must_use]
    pub fn flags(&self) -> String {
        let down = match (self.am_interested, self.peer_choking) {
            (true, false) => Some('D'),
            (true, true) => Some('d'),
            (false, false) => Some('K'),
            (false, true) => None,
        };
        let up = match (self.peer_interested, self.am_choking) {
            (true, false) => Some('U'),
            (true, true) => Some('u'),
            (false, false) => Some('?'),
            (false, true) => None,
        };
        let found = |source| self.sources.contains(source);
        let rest = [
            (self.is_optimistic, 'O'),
            (self.is_snubbed, 'S'),
            (self.is_seed(), 'C'),
            (self.direction == Direction::Inbound, 'I'),
            (self.transport == Transport::Utp, 'P'),
            (found(PeerSource::Pex), 'X'),
            (found(PeerSource::Dht), 'H'),
            (found(PeerSource::Lsd), 'L'),
        ];
        let rest = rest.into_iter().filter(|(is_set, _)| *is_set);
        let rest = rest.map(|(_, letter)| letter);
        down.into_iter().chain(up).chain(rest).collect()
    }
}

impl WhyChoked {
    /// In a word, for machines: `slots_full`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UploadOnly => "upload_only",
            Self::NotInterested => "not_interested",
            Self::NoSlots => "no_slots",
            Self::Hoarding => "hoarding",
            Self::Taking => "taking",
            Self::SlotsFull => "slots_full",
            Self::NextRound => "next_round",
        }
    }
}

/// For people, in a few words.
impl fmt::Display for WhyChoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UploadOnly => "it only uploads",
            Self::NotInterested => "wants nothing",
            Self::NoSlots => "we upload to nobody",
            Self::Hoarding => "gives nothing on",
            Self::Taking => "only takes",
            Self::SlotsFull => "slots are full",
            Self::NextRound => "gets the next slot",
        })
    }
}

/// How flags are told of, in the order in which they are shown.
pub const FLAGS: &[(char, &str)] = &[
    ('D', "we download from it: it has what we want, and lets us"),
    ('d', "it has what we want, and chokes us"),
    ('K', "it lets us, and has nothing that we want"),
    ('U', "we upload to it: it wants something, and we let it"),
    ('u', "it wants something, and we choke it"),
    ('?', "we let it, and it wants nothing"),
    ('O', "its slot is an optimistic one"),
    ('S', "snubbed: it does not answer our requests in time"),
    ('C', "it has everything"),
    ('I', "it connected to us"),
    ('P', "\u{b5}TP"),
    ('X', "known from another peer (PEX)"),
    ('H', "known from the DHT"),
    ('L', "known from the local network"),
];

/// As much as BEP 10's `v` is read of (`bt-wire`).
const MAX_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// One with which nothing goes on.
    fn idle_peer() -> PeerInfo {
        PeerInfo {
            conn: ConnId(1),
            addr: SocketAddr::from(([192, 0, 2, 7], 6881)),
            direction: Direction::Outbound,
            transport: Transport::Tcp,
            peer_id: PeerId(*b"-qB4520-abcdefghijkl"),
            client_name: None,
            sources: PeerSource::Tracker.into(),
            am_choking: true,
            why_choked: Some(WhyChoked::NotInterested),
            is_optimistic: false,
            am_interested: false,
            peer_choking: true,
            peer_interested: false,
            is_snubbed: false,
            is_upload_only: false,
            pieces: 1,
            piece_count: 4,
            downloaded: 0,
            uploaded: 0,
            download_rate_bytes_per_sec: 0,
            upload_rate_bytes_per_sec: 0,
            requests_outstanding: 0,
            round_trip: None,
            connected_for: Duration::ZERO,
            worth_bytes_per_sec: 0,
        }
    }

    #[test]
    fn what_a_peer_says_of_itself_goes_before_its_id() {
        let mut peer = idle_peer();
        assert_eq!(peer.client().as_deref(), Some("qBittorrent 4.5.2"));
        peer.client_name = Some("qBittorrent/5.0 beta".into());
        assert_eq!(peer.client().as_deref(), Some("qBittorrent/5.0 beta"));
        peer.client_name = Some("".into());
        assert_eq!(peer.client().as_deref(), Some("qBittorrent 4.5.2"));
        peer.peer_id = PeerId([0; 20]);
        assert_eq!(peer.client(), None);
        peer.client_name = Some("\x1b[2Jclear\u{7}\r\n".into());
        assert_eq!(peer.client().as_deref(), Some("[2Jclear"));
        peer.client_name = Some("x".repeat(1000).into());
        assert_eq!(peer.client().map(|name| name.len()), Some(MAX_NAME));
    }

    #[test]
    fn flags_tell_who_gives_whom() {
        let idle = idle_peer();
        let check = |change: fn(&mut PeerInfo), flags: &str| {
            let mut peer = idle.clone();
            change(&mut peer);
            assert_eq!(peer.flags(), flags);
        };
        check(|_| {}, "");
        check(|peer| peer.am_interested = true, "d");
        check(|peer| peer.peer_choking = false, "K");
        check(|peer| peer.peer_interested = true, "u");
        check(|peer| peer.am_choking = false, "?");
        let trades = |peer: &mut PeerInfo| {
            (peer.am_interested, peer.peer_choking) = (true, false);
            (peer.peer_interested, peer.am_choking) = (true, false);
            (peer.is_optimistic, peer.is_snubbed, peer.pieces) = (true, true, 4);
        };
        check(trades, "DUOSC");
        let stranger = |peer: &mut PeerInfo| {
            (peer.direction, peer.transport) = (Direction::Inbound, Transport::Utp);
            for source in PeerSource::ALL {
                peer.sources.insert(source);
            }
        };
        check(stranger, "IPXHL");
    }

    #[test]
    fn each_flag_is_explained_once() {
        let mut letters: Vec<_> = FLAGS.iter().map(|(letter, _)| letter).collect();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), FLAGS.len());
        assert_eq!("DdKUu?OSCIPXHL".chars().count(), FLAGS.len());
    }
}
