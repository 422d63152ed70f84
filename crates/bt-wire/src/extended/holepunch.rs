use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use bt_types::push_compact;
use nom::{
    IResult, Parser,
    number::complete::{be_u8, be_u16, be_u32, be_u128},
};

use super::{ExtendedError, Extension, too_short};

/// A message of `ut_holepunch`, by which two peers that cannot be reached meet through a third
/// (BEP 55).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum HolepunchMessage {
    /// Asks the receiver to bring the sender together with `target`.
    Rendezvous {
        /// A peer of the receiver, as the receiver knows it.
        target: SocketAddr,
    },
    /// Tells the receiver to connect to `peer` by uTP, at once.
    Connect {
        /// The other one, as the sender sees it.
        peer: SocketAddr,
    },
    /// Says why a rendezvous did not come about.
    Error {
        /// As in the rendezvous.
        target: SocketAddr,
        /// The reason.
        error: HolepunchError,
    },
}

/// Why a rendezvous did not come about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum HolepunchError {
    /// 1: the target is no valid address.
    NoSuchPeer,
    /// 2: the relay is not connected to the target.
    NotConnected,
    /// 3: the target does not speak `ut_holepunch`.
    NoSupport,
    /// 4: the target is the relay itself.
    NoSelf,
    /// Another number.
    Other(u32),
}

impl HolepunchMessage {
    /// BEP 55 ends every message with an error code, libtorrent only error messages; both are
    /// read, and so is anything with more bytes behind.
    pub(super) fn decode(payload: &[u8]) -> Result<Self, ExtendedError> {
        let short = |minimum| move |_| too_short(Extension::Holepunch, payload, minimum);
        let (rest, (msg_type, addr_type)) = types(payload).map_err(short(V4_LENGTH))?;
        let (length, (rest, addr)) = match addr_type {
            V4 => (V4_LENGTH, v4(rest).map_err(short(V4_LENGTH))?),
            V6 => (V6_LENGTH, v6(rest).map_err(short(V6_LENGTH))?),
            other => return Err(ExtendedError::AddressType(other)),
        };
        match msg_type {
            RENDEZVOUS => Ok(Self::Rendezvous { target: addr }),
            CONNECT => Ok(Self::Connect { peer: addr }),
            ERROR => {
                let (_, code) = error_code(rest).map_err(short(length + 4))?;
                Ok(Self::Error {
                    target: addr,
                    error: code.into(),
                })
            }
            other => Err(ExtendedError::HolepunchType(other)),
        }
    }

    /// The full form of BEP 55: other clients refuse the short one.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let (msg_type, addr, code) = match *self {
            Self::Rendezvous { target } => (RENDEZVOUS, target, 0),
            Self::Connect { peer } => (CONNECT, peer, 0),
            Self::Error { target, error } => (ERROR, target, error.into()),
        };
        out.push(msg_type);
        out.push(if addr.is_ipv4() { V4 } else { V6 });
        push_compact(out, addr);
        out.extend_from_slice(&code.to_be_bytes());
    }
}

impl From<u32> for HolepunchError {
    fn from(code: u32) -> Self {
        match code {
            1 => Self::NoSuchPeer,
            2 => Self::NotConnected,
            3 => Self::NoSupport,
            4 => Self::NoSelf,
            other => Self::Other(other),
        }
    }
}

impl From<HolepunchError> for u32 {
    fn from(error: HolepunchError) -> Self {
        match error {
            HolepunchError::NoSuchPeer => 1,
            HolepunchError::NotConnected => 2,
            HolepunchError::NoSupport => 3,
            HolepunchError::NoSelf => 4,
            HolepunchError::Other(code) => code,
        }
    }
}

/// Of the message, and of its address.
fn types(input: &[u8]) -> IResult<&[u8], (u8, u8)> {
    (be_u8, be_u8).parse(input)
}

fn v4(input: &[u8]) -> IResult<&[u8], SocketAddr> {
    let addr = (be_u32.map(Ipv4Addr::from), be_u16);
    addr.map(SocketAddr::from).parse(input)
}

fn v6(input: &[u8]) -> IResult<&[u8], SocketAddr> {
    let addr = (be_u128.map(Ipv6Addr::from), be_u16);
    addr.map(SocketAddr::from).parse(input)
}

fn error_code(input: &[u8]) -> IResult<&[u8], u32> {
    be_u32.parse(input)
}

const RENDEZVOUS: u8 = 0;
const CONNECT: u8 = 1;
const ERROR: u8 = 2;
const V4: u8 = 0;
const V6: u8 = 1;
/// Two types, address, port; no error code.
const V4_LENGTH: usize = 2 + 4 + 2;
const V6_LENGTH: usize = 2 + 16 + 2;
