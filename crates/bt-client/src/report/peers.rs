use bt_swarm::PeerInfo;
use bt_types::{Direction, PeerSource};
use serde::Serialize;

/// A connected peer, in [`Report::Peers`](super::Report::Peers).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Peer {
    /// The address at the other end, and the port.
    pub address: String,
    /// Which client it is, by its own words or its id; null if neither tells. Untrusted text, short
    /// and without control characters.
    pub client: Option<String>,
    /// The id that it has in the handshake, with `\xNN` for what is no printable ASCII.
    pub peer_id: String,
    /// `tcp`.
    pub transport: &'static str,
    /// Who opened the connection: `out` if we did, `in` if the peer did.
    pub direction: &'static str,
    /// What goes on, a letter each ([`bt_swarm::FLAGS`]).
    pub flags: String,
    /// Who told of it: `user`, `tracker`, `incoming`, `pex`, `dht`, `lsd`, `resume`.
    pub sources: Vec<&'static str>,
    /// Payload bytes received from it per second, smoothed.
    pub down_bytes_per_sec: u64,
    /// Payload bytes sent to it per second, smoothed.
    pub up_bytes_per_sec: u64,
    /// Payload bytes received on this connection.
    pub downloaded: u64,
    /// Payload bytes sent on this connection.
    pub uploaded: u64,
    /// Pieces that it has.
    pub pieces_done: u32,
    /// All pieces.
    pub piece_count: u32,
    /// It has something that we want.
    pub am_interested: bool,
    /// It does not answer our requests.
    pub peer_choking: bool,
    /// It wants something that we have.
    pub peer_interested: bool,
    /// We do not answer its requests.
    pub am_choking: bool,
    /// Why we do not: `upload_only`, `not_interested`, `no_slots`, `hoarding`, `taking`,
    /// `slots_full`, `next_round`; null if we do.
    pub why_choked: Option<&'static str>,
    /// Its slot goes to whoever has waited longest.
    pub is_optimistic: bool,
    /// It does not choke us, and has not answered in time.
    pub is_snubbed: bool,
    /// It has everything.
    pub is_seed: bool,
    /// It has said that it only uploads.
    pub is_upload_only: bool,
    /// Blocks that it has been asked for and has not sent.
    pub requests: usize,
    /// Milliseconds from a request to its block, smoothed; null before the first.
    pub round_trip_ms: Option<u64>,
    /// How long it has been connected.
    pub connected_secs: u64,
    /// What its place among our connections is worth by the evaluation of peers, in bytes per second.
    pub score_bytes_per_sec: u64,
}

impl Peer {
    pub(super) fn of(peer: &PeerInfo) -> Self {
        Self {
            address: peer.addr.to_string(),
            client: peer.client(),
            peer_id: peer.peer_id.to_string(),
            transport: peer.transport.name(),
            direction: match peer.direction {
                Direction::Outbound => "out",
                Direction::Inbound => "in",
            },
            flags: peer.flags(),
            sources: peer.sources.iter().map(PeerSource::name).collect(),
            down_bytes_per_sec: peer.download_rate_bytes_per_sec,
            up_bytes_per_sec: peer.upload_rate_bytes_per_sec,
            downloaded: peer.downloaded,
            uploaded: peer.uploaded,
            pieces_done: peer.pieces,
            piece_count: peer.piece_count,
            am_interested: peer.am_interested,
            peer_choking: peer.peer_choking,
            peer_interested: peer.peer_interested,
            am_choking: peer.am_choking,
            why_choked: peer.why_choked.map(bt_swarm::WhyChoked::name),
            is_optimistic: peer.is_optimistic,
            is_snubbed: peer.is_snubbed,
            is_seed: peer.is_seed(),
            is_upload_only: peer.is_upload_only,
            requests: peer.requests_outstanding,
            round_trip_ms: peer
                .round_trip
                .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            connected_secs: peer.connected_for.as_secs(),
            score_bytes_per_sec: peer.worth_bytes_per_sec,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Instant};

    use bt_metainfo::InfoBuilder;
    use bt_swarm::{Config, NewConnection, Swarm};
    use bt_types::{Bitfield, PeerId, Transport};
    use bt_wire::{ExtendedHandshake, Reserved};

    use super::*;

    /// Of a stranger that has connected, and tells of itself what it likes.
    #[test]
    fn the_line_is_stable() {
        let info = InfoBuilder::new("five", 16_384).single_file(5);
        let info = Arc::new(info.pieces([[0; 20]]).build().unwrap());
        let now = Instant::now();
        let config = Config::new(PeerId(*b"-XX0001-abcdefghijkl"), 6881);
        let mut swarm = Swarm::<Vec<u8>>::new(info.ids(), config, [7; 32]);
        swarm.handle_metadata(now, info, Bitfield::new(1));
        let connection = NewConnection {
            peer: "[2001:db8::7]:50000".parse().unwrap(),
            direction: Direction::Inbound,
            transport: Transport::Tcp,
            peer_id: PeerId(*b"-TR4060-\x1b[2Jefghijkl"),
            reserved: Reserved::NONE.with_fast().with_extended(),
            dial: None,
        };
        let conn = swarm.handle_connected(now, connection).unwrap();
        let hello = ExtendedHandshake {
            client: Some("Trans\x1b[2Jmission\n".to_owned()),
            ..ExtendedHandshake::default()
        };
        swarm.handle_message(now, conn, hello.to_message());
        let peers: Vec<_> = swarm.peers(now).map(|peer| Peer::of(&peer)).collect();
        let expected = concat!(
            r#"[{"address":"[2001:db8::7]:50000","client":"Trans[2Jmission","#,
            r#""peer_id":"-TR4060-\\x1b[2Jefghijkl","transport":"tcp","direction":"in","#,
            r#""flags":"I","sources":["incoming"],"down_bytes_per_sec":0,"up_bytes_per_sec":0,"#,
            r#""downloaded":0,"uploaded":0,"pieces_done":0,"piece_count":1,"#,
            r#""am_interested":false,"peer_choking":true,"peer_interested":false,"#,
            r#""am_choking":true,"why_choked":"not_interested","is_optimistic":false,"#,
            r#""is_snubbed":false,"is_seed":false,"is_upload_only":false,"requests":0,"#,
            r#""round_trip_ms":null,"connected_secs":0,"score_bytes_per_sec":0}]"#
        );
        assert_eq!(serde_json::to_string(&peers).unwrap(), expected);
    }
}
