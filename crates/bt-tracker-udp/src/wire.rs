//! The datagrams of BEP 15 in both directions, and the options of BEP 41.
//!
//! A request or response is a value; it becomes bytes by `encode` and is read back by `decode`.
//! All integers are big-endian. Datagrams may be longer than needed: the surplus is ignored.

mod options;
mod request;
mod response;

use std::net::SocketAddr;

use nom::{IResult, Parser};

pub(crate) use request::{encode_announce, encode_connect, encode_scrape};
pub use {
    request::Request,
    response::{Response, ScrapeEntry},
};

/// What a tracker hands out in answer to a connect request, and wants to see in all others: proof
/// that we receive at the address from which we send.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ConnectionId(pub u64);

/// Drawn by the client, echoed by the tracker: tells which request a response answers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TransactionId(pub u32);

/// Which kind of addresses an announce response holds: that of the addresses between which the
/// datagrams travel. Nothing in the response says it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Family {
    /// 6 bytes a peer.
    V4,
    /// 18 bytes a peer.
    V6,
}

/// Why bytes are no datagram of this protocol. Always the sender's fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It ends before its last mandatory field does.
    #[error("datagram of {length} bytes, at least {needed} needed")]
    TooShort {
        /// Bytes found.
        length: usize,
        /// Bytes that a datagram of this kind has at least.
        needed: usize,
    },
    /// No such action in this direction.
    #[error("unknown action {0}")]
    UnknownAction(u32),
    /// A connect request of another protocol.
    #[error("protocol id {0:#018x}, {PROTOCOL_ID:#018x} expected")]
    UnknownProtocol(u64),
    /// An announce for no reason that we know.
    #[error("unknown event {0}")]
    UnknownEvent(u32),
    /// A scrape of too many swarms.
    #[error("scrape of {found} swarms, at most {MAX_SCRAPE} allowed")]
    TooManySwarms {
        /// Swarms asked about.
        found: usize,
    },
    /// The URL data options together are too long.
    #[error("url data of more than {MAX_URL_DATA} bytes")]
    UrlDataTooLong,
}

impl Family {
    /// The family of `addr`; an IPv4 address in IPv6 clothes counts as IPv4, since that is how it
    /// travels.
    #[must_use]
    pub fn of(addr: SocketAddr) -> Self {
        if addr.ip().to_canonical().is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }
}

/// BEP 15, "Connect": the magic constant of a connect request.
const PROTOCOL_ID: u64 = 0x0417_2710_1980;
const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;

/// BEP 15, "Scrape": up to about 74 swarms fit into one request.
pub const MAX_SCRAPE: usize = 74;
/// Path and query of a tracker's URL. Longer ones do not occur; this bounds what a stranger can
/// make a server keep of one datagram.
pub const MAX_URL_DATA: usize = 2048;
/// Peers taken from one announce response. Trackers send 200 or fewer; a datagram could hold
/// 10,914.
pub const MAX_PEERS: usize = 1000;
/// Bytes kept of a tracker's error text.
pub const MAX_ERROR_TEXT: usize = 1024;

/// Runs `parser`, all of whose fields are mandatory and end after `needed` bytes.
fn fixed<'a, T>(
    datagram: &'a [u8],
    needed: usize,
    mut parser: impl Parser<&'a [u8], Output = T, Error = ()>,
) -> Result<(&'a [u8], T), DecodeError> {
    parser.parse(datagram).map_err(|_| DecodeError::TooShort {
        length: datagram.len(),
        needed,
    })
}

/// nom's `take`, with the length in the type.
fn array<const N: usize>(input: &[u8]) -> IResult<&[u8], [u8; N], ()> {
    match input.split_first_chunk() {
        Some((array, rest)) => Ok((rest, *array)),
        None => Err(nom::Err::Error(())),
    }
}

#[cfg(test)]
mod tests;
