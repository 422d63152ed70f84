use std::time::Duration;

use bt_types::{AnnounceResponse, CompactAddrs, printable_text, push_compact};
use nom::{
    Parser,
    combinator::{iterator, map},
    number::complete::{be_u32, be_u64},
};

use super::{
    ANNOUNCE, CONNECT, ConnectionId, DecodeError, ERROR, Family, MAX_ERROR_TEXT, MAX_PEERS,
    MAX_SCRAPE, SCRAPE, TransactionId, fixed,
};

/// What a tracker sends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Response {
    /// The connection id that further requests need.
    Connect(ConnectionId),
    /// Peers. Of the response's fields the wire carries interval, seeders, leechers and peers;
    /// the fields are signed, and a number below zero, which some trackers send for "unknown", is
    /// read as absent (an interval as 0); absent is sent as -1. At most [`MAX_PEERS`] peers are read.
    Announce(AnnounceResponse),
    /// An announce response of no more than its header: some trackers refuse so.
    EmptyAnnounce,
    /// One entry a swarm, in the order of the request; [`MAX_SCRAPE`] at most. Fewer than asked
    /// means that the last ones are unknown.
    Scrape(Vec<ScrapeEntry>),
    /// Why the tracker refuses, in its own words, made fit to be shown: at most
    /// [`MAX_ERROR_TEXT`](super::MAX_ERROR_TEXT) bytes, control characters escaped.
    Error(String),
}

/// What a tracker knows of one swarm.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct ScrapeEntry {
    /// Peers that have everything.
    pub seeders: u32,
    /// How often the torrent was downloaded completely.
    pub completed: u32,
    /// Peers that lack something.
    pub leechers: u32,
}

impl Response {
    /// Reads a datagram that a tracker sent to an address of the given family.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(datagram: &[u8], family: Family) -> Result<(TransactionId, Self), DecodeError> {
        let (body, (action, transaction_id)) =
            fixed(datagram, HEADER, (be_u32, map(be_u32, TransactionId)))?;
        let too_short = |needed| DecodeError::TooShort {
            length: datagram.len(),
            needed,
        };
        let response = match action {
            CONNECT => {
                let (_, id) = fixed(body, CONNECT_LENGTH, map(be_u64, ConnectionId))
                    .map_err(|_| too_short(CONNECT_LENGTH))?;
                Self::Connect(id)
            }
            ANNOUNCE if body.is_empty() => Self::EmptyAnnounce,
            ANNOUNCE => {
                let (peers, (interval, leechers, seeders)) =
                    fixed(body, ANNOUNCE_LENGTH, (be_u32, be_u32, be_u32))
                        .map_err(|_| too_short(ANNOUNCE_LENGTH))?;
                let peers = match family {
                    Family::V4 => CompactAddrs::lossy_v4(peers),
                    Family::V6 => CompactAddrs::lossy_v6(peers),
                };
                Self::Announce(AnnounceResponse {
                    interval: Duration::from_secs(known(interval).unwrap_or(0).into()),
                    seeders: known(seeders),
                    leechers: known(leechers),
                    peers: peers.take(MAX_PEERS).collect(),
                    ..AnnounceResponse::default()
                })
            }
            SCRAPE => {
                let mut entries = iterator(body, scrape_entry);
                Self::Scrape(entries.by_ref().take(MAX_SCRAPE).collect())
            }
            ERROR => Self::Error(printable_text(body, MAX_ERROR_TEXT)),
            unknown => return Err(DecodeError::UnknownAction(unknown)),
        };
        Ok((transaction_id, response))
    }

    /// Appends the datagram to `out`. Peers of the other family are left out.
    pub fn encode(&self, transaction_id: TransactionId, family: Family, out: &mut Vec<u8>) {
        let mut put = |numbers: &[u32]| {
            out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        };
        match self {
            Self::Connect(id) => {
                put(&[CONNECT, transaction_id.0]);
                out.extend_from_slice(&id.0.to_be_bytes());
            }
            Self::Announce(response) => {
                let interval = u32::try_from(response.interval.as_secs()).unwrap_or(GREATEST);
                let count = |n: Option<u32>| n.map_or(UNKNOWN, |n| n.min(GREATEST));
                let (leechers, seeders) = (count(response.leechers), count(response.seeders));
                put(&[ANNOUNCE, transaction_id.0]);
                put(&[interval.min(GREATEST), leechers, seeders]);
                let peers = response.peers.iter();
                for &peer in peers.filter(|peer| Family::of(**peer) == family) {
                    let canonical = (peer.ip().to_canonical(), peer.port()).into();
                    push_compact(out, canonical);
                }
            }
            Self::EmptyAnnounce => put(&[ANNOUNCE, transaction_id.0]),
            Self::Scrape(entries) => {
                put(&[SCRAPE, transaction_id.0]);
                for entry in entries {
                    put(&[entry.seeders, entry.completed, entry.leechers]);
                }
            }
            Self::Error(text) => {
                put(&[ERROR, transaction_id.0]);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// BEP 15, "Scrape": seeders, completed, leechers; another order than in the announce response.
fn scrape_entry(input: &[u8]) -> nom::IResult<&[u8], ScrapeEntry, ()> {
    map(
        (be_u32, be_u32, be_u32),
        |(seeders, completed, leechers)| ScrapeEntry {
            seeders,
            completed,
            leechers,
        },
    )
    .parse(input)
}

/// The fields are signed in BEP 15; nothing counts below zero.
fn known(number: u32) -> Option<u32> {
    (number <= GREATEST).then_some(number)
}

/// Action and transaction id.
const HEADER: usize = 8;
const CONNECT_LENGTH: usize = 16;
/// Without peers.
const ANNOUNCE_LENGTH: usize = 20;
/// The greatest number of the signed 32 bits that BEP 15 gives each field.
const GREATEST: u32 = i32::MAX as u32;
/// -1.
const UNKNOWN: u32 = u32::MAX;
