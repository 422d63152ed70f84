use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
};

use bt_bencoding::{Document, Lenient, Limits, TokenMemory, Value};
use bt_types::SwarmId;

use super::{
    Body, Contacts, ErrorBody, MAX_DATAGRAM, MAX_SAMPLE_INTERVAL, MAX_TRANSACTION_ID, Message,
    Method, Query, Response, Samples, Signed, Want, code,
};
use crate::{Family, NodeId};

/// Why a datagram is no message that we can use. The sender is to blame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError<'a> {
    /// More bytes than any message has.
    #[error("datagram of {0} bytes, at most {MAX_DATAGRAM} taken")]
    TooLong(usize),
    /// Not bencode, or too much of it.
    #[error("malformed bencode: {0}")]
    Bencode(#[from] bt_bencoding::DecodeError),
    /// No transaction id, or one of more than [`MAX_TRANSACTION_ID`] bytes.
    #[error("no usable transaction id")]
    TransactionId,
    /// Neither query nor response nor error, or one without its content.
    #[error("not a query, a response or an error")]
    Kind,
    /// A response without the id of who answers.
    #[error("response without a node id")]
    NoNodeId,
    /// A query that is to be refused, if at all, with these.
    #[error("query refused: {reason} ({code})")]
    Query {
        /// To be given back.
        transaction_id: &'a [u8],
        /// One of [`code`].
        code: i64,
        /// In words.
        reason: &'static str,
    },
}

/// Reads a datagram.
///
/// # Errors
/// If it is no message.
pub fn decode(datagram: &[u8]) -> Result<Message<'_>, DecodeError<'_>> {
    decode_in(datagram, &mut TokenMemory::default())
}

/// Reads a datagram in the memory of the one before.
///
/// # Errors
/// If it is no message.
pub fn decode_in<'a>(
    datagram: &'a [u8],
    memory: &mut TokenMemory,
) -> Result<Message<'a>, DecodeError<'a>> {
    if datagram.len() > MAX_DATAGRAM {
        return Err(DecodeError::TooLong(datagram.len()));
    }
    let document = Document::<Lenient>::parse_in(datagram, LIMITS, std::mem::take(memory))?;
    let message = message(document.root());
    *memory = document.into_memory();
    message
}

fn message<'a>(root: Value<'_, 'a>) -> Result<Message<'a>, DecodeError<'a>> {
    let mut fields = [None; TOP.len()];
    collect(Some(root), &TOP, &mut fields);
    let [
        args,
        error,
        ip,
        name,
        response,
        read_only,
        transaction_id,
        version,
        kind,
    ] = fields;
    let transaction_id = transaction_id
        .and_then(Value::as_bytes)
        .filter(|id| id.len() <= MAX_TRANSACTION_ID)
        .ok_or(DecodeError::TransactionId)?;
    let external = ip.and_then(Value::as_bytes).and_then(endpoint);
    let body = match kind.and_then(Value::as_bytes) {
        Some(b"q") => {
            let name = name.and_then(Value::as_bytes);
            let name = name.ok_or(DecodeError::Kind)?;
            let is_read_only = read_only.and_then(Value::as_int) == Some(1);
            let query = query(name, args, is_read_only);
            Body::Query(query.map_err(|(code, reason)| DecodeError::Query {
                transaction_id,
                code,
                reason,
            })?)
        }
        Some(b"r") => Body::Response(Response {
            external,
            ..self::response(response.ok_or(DecodeError::Kind)?)?
        }),
        Some(b"e") => Body::Error(ErrorBody {
            external,
            ..self::error(error)
        }),
        _ => return Err(DecodeError::Kind),
    };
    Ok(Message {
        transaction_id,
        body,
        version: version.and_then(Value::as_bytes),
    })
}

type Refusal = (i64, &'static str);

fn query<'a>(
    name: &[u8],
    args: Option<Value<'_, 'a>>,
    is_read_only: bool,
) -> Result<Query<'a>, Refusal> {
    let mut fields = [None; ARGS.len()];
    collect(args, &ARGS, &mut fields);
    let [
        cas,
        id,
        implied_port,
        info_hash,
        key,
        no_seed,
        port,
        salt,
        scrape,
        seed,
        seq,
        signature,
        target,
        token,
        value,
        want,
    ] = fields;
    let id = node_id(id).ok_or(bad("no node id"))?;
    let is_set = |flag: Option<Value<'_, 'a>>| flag.and_then(Value::as_int).unwrap_or(0) != 0;
    let bytes = |field: Option<Value<'_, 'a>>| field.and_then(Value::as_bytes);
    let swarm = || {
        let id = node_id(info_hash).ok_or(bad("no info hash of 20 bytes"));
        id.map(|NodeId(id)| SwarmId(id))
    };
    let point = || node_id(target).ok_or(bad("no target of 20 bytes"));
    let given_token = || bytes(token).ok_or(bad("no token"));
    let method = match name {
        b"ping" => Method::Ping,
        b"find_node" => Method::FindNode { target: point()? },
        b"get_peers" => Method::GetPeers {
            info_hash: swarm()?,
            no_seeds: is_set(no_seed),
            scrape: is_set(scrape),
        },
        b"announce_peer" => {
            let implied_port = is_set(implied_port);
            let port = port
                .and_then(Value::as_u64)
                .and_then(|port| u16::try_from(port).ok())
                .or(implied_port.then_some(0))
                .filter(|port| *port != 0 || implied_port)
                .ok_or(bad("no port"))?;
            Method::AnnouncePeer {
                info_hash: swarm()?,
                port,
                implied_port,
                is_seed: is_set(seed),
                token: given_token()?,
            }
        }
        b"get" => Method::Get {
            target: point()?,
            newer_than: seq.and_then(Value::as_int),
        },
        b"put" => {
            let signed = match (bytes(key), bytes(signature), seq.and_then(Value::as_int)) {
                (None, None, _) => None,
                (Some(key), Some(signature), Some(seq @ 0..)) => Some(Signed {
                    key: key.try_into().map_err(|_| bad("key not of 32 bytes"))?,
                    salt: bytes(salt).unwrap_or_default(),
                    seq,
                    signature: signature
                        .try_into()
                        .map_err(|_| bad("signature not of 64 bytes"))?,
                    cas: cas.and_then(Value::as_int),
                }),
                _ => return Err(bad("key, signature and seq belong together")),
            };
            Method::Put {
                token: given_token()?,
                value: value.ok_or(bad("no value"))?.raw(),
                signed,
            }
        }
        b"sample_infohashes" => Method::SampleInfohashes { target: point()? },
        _ => {
            let target = node_id(target).or(node_id(info_hash));
            let target = target.ok_or((code::METHOD_UNKNOWN, "unknown method"))?;
            Method::Unknown { target }
        }
    };
    Ok(Query {
        id,
        is_read_only,
        want: self::want(want),
        method,
    })
}

fn response<'a>(body: Value<'_, 'a>) -> Result<Response<'a>, DecodeError<'a>> {
    let mut fields = [None; RESULTS.len()];
    collect(Some(body), &RESULTS, &mut fields);
    let [
        downloaders,
        seeds,
        id,
        interval,
        key,
        nodes,
        nodes6,
        num,
        samples,
        seq,
        signature,
        token,
        value,
        values,
    ] = fields;
    let id = node_id(id).ok_or(DecodeError::NoNodeId)?;
    let bytes = |field: Option<Value<'_, 'a>>| field.and_then(Value::as_bytes);
    let contacts = |field, family| bytes(field).map(|bytes| Contacts::new(bytes, family));
    Ok(Response {
        id,
        external: None,
        nodes: contacts(nodes, Family::V4),
        nodes6: contacts(nodes6, Family::V6),
        token: bytes(token),
        peers: Cow::Owned(peers(values)),
        seeds: bytes(seeds).and_then(|filter| filter.try_into().ok()),
        downloaders: bytes(downloaders).and_then(|filter| filter.try_into().ok()),
        value: value.map(Value::raw),
        key: bytes(key).and_then(|key| key.try_into().ok()),
        signature: bytes(signature).and_then(|signature| signature.try_into().ok()),
        seq: seq.and_then(Value::as_int),
        samples: bytes(samples).map(|info_hashes| Samples {
            info_hashes,
            interval_secs: interval
                .and_then(Value::as_u64)
                .unwrap_or(0)
                .min(MAX_SAMPLE_INTERVAL.into()) as u16,
            total: num.and_then(Value::as_u64).unwrap_or(0),
        }),
    })
}

/// Errors are lists by BEP 5; a string is found too.
fn error<'a>(body: Option<Value<'_, 'a>>) -> ErrorBody<'a> {
    let mut list = body.and_then(Value::as_list);
    let mut item = || list.as_mut().and_then(Iterator::next);
    let code = item().and_then(Value::as_int).unwrap_or(code::GENERIC);
    let message = item().or(body).and_then(Value::as_bytes);
    ErrorBody {
        code,
        message: message.unwrap_or_default(),
        external: None,
    }
}

/// The list of BEP 5: strings of 6 bytes for IPv4, of 18 for IPv6, in any mixture.
fn peers(values: Option<Value<'_, '_>>) -> Vec<SocketAddr> {
    let strings = values.and_then(Value::as_list).into_iter().flatten();
    let addrs = strings.filter_map(Value::as_bytes).filter_map(endpoint);
    addrs.take(MAX_PEERS).collect()
}

/// `want` is a list of strings; a single string is found too.
fn want(value: Option<Value<'_, '_>>) -> Want {
    let mut want = Want::default();
    let list = value.and_then(Value::as_list).into_iter().flatten();
    for family in list.chain(value).filter_map(Value::as_bytes) {
        want.v4 |= family == b"n4";
        want.v6 |= family == b"n6";
    }
    want
}

fn node_id(value: Option<Value<'_, '_>>) -> Option<NodeId> {
    NodeId::from_slice(value?.as_bytes()?)
}

/// An address and a port: 6 or 18 bytes.
fn endpoint(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk()?;
    let ip = match *ip {
        [a, b, c, d] => IpAddr::from([a, b, c, d]),
        _ => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

/// Looks through the entries of a dictionary once; of a repeated key the first counts.
fn collect<'t, 'a>(
    dict: Option<Value<'t, 'a>>,
    keys: &[&[u8]],
    fields: &mut [Option<Value<'t, 'a>>],
) {
    let entries = dict.and_then(Value::as_dict).into_iter().flatten();
    for (key, value) in entries {
        if let Some(index) = keys.iter().position(|known| *known == key) {
            fields[index].get_or_insert(value);
        }
    }
}

const fn bad(reason: &'static str) -> Refusal {
    (code::PROTOCOL, reason)
}

/// A message is three deep, and an item may be some more.
const LIMITS: Limits = Limits::new(64, 2048);
/// Of one response; more than fit into a datagram of the usual size.
const MAX_PEERS: usize = 256;

const TOP: [&[u8]; 9] = [b"a", b"e", b"ip", b"q", b"r", b"ro", b"t", b"v", b"y"];
const ARGS: [&[u8]; 16] = [
    b"cas",
    b"id",
    b"implied_port",
    b"info_hash",
    b"k",
    b"noseed",
    b"port",
    b"salt",
    b"scrape",
    b"seed",
    b"seq",
    b"sig",
    b"target",
    b"token",
    b"v",
    b"want",
];
const RESULTS: [&[u8]; 14] = [
    b"BFpe",
    b"BFsd",
    b"id",
    b"interval",
    b"k",
    b"nodes",
    b"nodes6",
    b"num",
    b"samples",
    b"seq",
    b"sig",
    b"token",
    b"v",
    b"values",
];
