use bt_types::{AnnounceEvent, AnnounceRequest, PeerId, SwarmId};
use nom::{
    combinator::map,
    number::complete::{be_i32, be_u16, be_u32, be_u64},
};

use super::{
    ANNOUNCE, CONNECT, ConnectionId, DecodeError, MAX_SCRAPE, PROTOCOL_ID, SCRAPE, TransactionId,
    array, fixed, options,
};

/// What a client sends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// Asks for a connection id.
    Connect,
    /// Tells about us and asks for peers.
    Announce {
        /// From a connect response.
        connection_id: ConnectionId,
        /// What we tell. The address field of the datagram is always 0, "the sender's"; what
        /// others put there is ignored, since it would let anybody announce anybody.
        request: AnnounceRequest,
        /// Path and query of the tracker's URL (BEP 41); empty if there are none. On sending, at
        /// most [`MAX_URL_DATA`](super::MAX_URL_DATA) bytes.
        url_data: Vec<u8>,
    },
    /// Asks how many peers swarms have.
    Scrape {
        /// From a connect response.
        connection_id: ConnectionId,
        /// Which swarms: 1 to [`MAX_SCRAPE`].
        swarm_ids: Vec<SwarmId>,
    },
}

impl Request {
    /// Reads a datagram that a client sent.
    ///
    /// # Errors
    /// If it is none. See [`transaction_id_of`](Self::transaction_id_of) for answering anyway.
    pub fn decode(datagram: &[u8]) -> Result<(TransactionId, Self), DecodeError> {
        let header = (be_u64, be_u32, map(be_u32, TransactionId));
        let (body, (first, action, transaction_id)) = fixed(datagram, HEADER, header)?;
        let connection_id = ConnectionId(first);
        let request = match action {
            CONNECT if first == PROTOCOL_ID => Self::Connect,
            CONNECT => return Err(DecodeError::UnknownProtocol(first)),
            ANNOUNCE => {
                let (request, options) = decode_announce(datagram, body)?;
                Self::Announce {
                    connection_id,
                    request,
                    url_data: options::decode(options)?,
                }
            }
            SCRAPE => Self::Scrape {
                connection_id,
                swarm_ids: decode_scrape(datagram, body)?,
            },
            unknown => return Err(DecodeError::UnknownAction(unknown)),
        };
        Ok((transaction_id, request))
    }

    /// The transaction id of a datagram that may be otherwise malformed; `None` if it is too
    /// short to have one.
    #[must_use]
    pub fn transaction_id_of(datagram: &[u8]) -> Option<TransactionId> {
        let bytes = datagram.get(12..)?.first_chunk()?;
        Some(TransactionId(u32::from_be_bytes(*bytes)))
    }

    /// Appends the datagram to `out`.
    pub fn encode(&self, transaction_id: TransactionId, out: &mut Vec<u8>) {
        match self {
            Self::Connect => encode_connect(transaction_id, out),
            Self::Announce {
                connection_id,
                request,
                url_data,
            } => encode_announce(*connection_id, transaction_id, request, url_data, out),
            Self::Scrape {
                connection_id,
                swarm_ids,
            } => encode_scrape(*connection_id, transaction_id, swarm_ids, out),
        }
    }
}

pub(crate) fn encode_connect(transaction_id: TransactionId, out: &mut Vec<u8>) {
    header(PROTOCOL_ID, CONNECT, transaction_id, out);
}

pub(crate) fn encode_announce(
    connection_id: ConnectionId,
    transaction_id: TransactionId,
    request: &AnnounceRequest,
    url_data: &[u8],
    out: &mut Vec<u8>,
) {
    debug_assert!(url_data.len() <= super::MAX_URL_DATA);
    let num_want = request
        .num_want
        .map_or(ANY_NUMBER, |n| i32::try_from(n).unwrap_or(i32::MAX));
    out.reserve(ANNOUNCE_LENGTH + url_data.len() + 16);
    header(connection_id.0, ANNOUNCE, transaction_id, out);
    out.extend_from_slice(&request.swarm_id.0);
    out.extend_from_slice(&request.peer_id.0);
    out.extend_from_slice(&request.downloaded.to_be_bytes());
    out.extend_from_slice(&request.left.to_be_bytes());
    out.extend_from_slice(&request.uploaded.to_be_bytes());
    out.extend_from_slice(&event_to_wire(request.event).to_be_bytes());
    out.extend_from_slice(&SENDERS_ADDRESS.to_be_bytes());
    out.extend_from_slice(&request.key.to_be_bytes());
    out.extend_from_slice(&num_want.to_be_bytes());
    out.extend_from_slice(&request.port.to_be_bytes());
    options::encode(url_data, out);
}

pub(crate) fn encode_scrape(
    connection_id: ConnectionId,
    transaction_id: TransactionId,
    swarm_ids: &[SwarmId],
    out: &mut Vec<u8>,
) {
    debug_assert!((1..=MAX_SCRAPE).contains(&swarm_ids.len()));
    header(connection_id.0, SCRAPE, transaction_id, out);
    out.extend(swarm_ids.iter().flat_map(|id| id.0));
}

fn header(first: u64, action: u32, transaction_id: TransactionId, out: &mut Vec<u8>) {
    out.extend_from_slice(&first.to_be_bytes());
    out.extend_from_slice(&action.to_be_bytes());
    out.extend_from_slice(&transaction_id.0.to_be_bytes());
}

/// Returns the options' bytes beside the request.
fn decode_announce<'a>(
    datagram: &[u8],
    body: &'a [u8],
) -> Result<(AnnounceRequest, &'a [u8]), DecodeError> {
    let too_short = DecodeError::TooShort {
        length: datagram.len(),
        needed: ANNOUNCE_LENGTH,
    };
    let ids = (map(array, SwarmId), map(array, PeerId));
    let progress = (be_u64, be_u64, be_u64);
    let rest = (be_u32, be_u32, be_u32, be_i32, be_u16);
    let (options, (ids, progress, rest)) =
        fixed(body, ANNOUNCE_LENGTH, (ids, progress, rest)).map_err(|_| too_short)?;
    let ((swarm_id, peer_id), (downloaded, left, uploaded)) = (ids, progress);
    let (event, _address, key, num_want, port) = rest;
    let request = AnnounceRequest {
        swarm_id,
        peer_id,
        uploaded,
        downloaded,
        left,
        event: event_from_wire(event)?,
        key,
        num_want: u32::try_from(num_want).ok(),
        port,
    };
    Ok((request, options))
}

fn decode_scrape(datagram: &[u8], body: &[u8]) -> Result<Vec<SwarmId>, DecodeError> {
    let ids = body.chunks_exact(SWARM_ID_LENGTH);
    match ids.len() {
        0 => Err(DecodeError::TooShort {
            length: datagram.len(),
            needed: HEADER + SWARM_ID_LENGTH,
        }),
        1..=MAX_SCRAPE => Ok(ids
            .filter_map(|id| id.try_into().ok())
            .map(SwarmId)
            .collect()),
        found => Err(DecodeError::TooManySwarms { found }),
    }
}

/// The numbers differ from the order in BEP 3.
fn event_to_wire(event: AnnounceEvent) -> u32 {
    match event {
        AnnounceEvent::None => 0,
        AnnounceEvent::Completed => 1,
        AnnounceEvent::Started => 2,
        AnnounceEvent::Stopped => 3,
    }
}

fn event_from_wire(event: u32) -> Result<AnnounceEvent, DecodeError> {
    match event {
        // 4 is "paused" (BEP 21): not in BEP 15, but sent by libtorrent. To us: still there.
        0 | 4 => Ok(AnnounceEvent::None),
        1 => Ok(AnnounceEvent::Completed),
        2 => Ok(AnnounceEvent::Started),
        3 => Ok(AnnounceEvent::Stopped),
        unknown => Err(DecodeError::UnknownEvent(unknown)),
    }
}

/// Connection id (or protocol id), action, transaction id.
const HEADER: usize = 16;
/// BEP 15, "IPv4 announce request", without options.
const ANNOUNCE_LENGTH: usize = 98;
const SWARM_ID_LENGTH: usize = 20;
/// BEP 15: num_want, "-1 default".
const ANY_NUMBER: i32 = -1;
/// BEP 15: IP address, "0 default".
const SENDERS_ADDRESS: u32 = 0;
