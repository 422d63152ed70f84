use std::net::Ipv6Addr;

use bt_types::{InfoHash, InfoHashV2, TorrentIds};

use super::{MAX_LINK_LENGTH, MAX_PEERS, MagnetError, MagnetLink, SHA_256_MULTIHASH, files};
use crate::{
    name::sanitise,
    urls::{Urls, is_host},
};

pub(super) fn parse(link: &str) -> Result<MagnetLink, MagnetError> {
    let link = link.trim();
    if link.len() > MAX_LINK_LENGTH {
        return Err(MagnetError::TooLong(link.len()));
    }
    let parameters = match link.get(..SCHEME.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => &link[SCHEME.len()..],
        _ => return Err(MagnetError::NoMagnet),
    };
    let (mut v1, mut v2) = (None, None);
    let (mut trackers, mut web_seeds) = (Urls::of_trackers(), Urls::of_web_seeds());
    let mut found = MagnetLink::new(TorrentIds::v1_only(InfoHash([0; 20])));
    // Links that were copied from a page may have its escapes.
    for parameter in parameters.replace("&amp;", "&").split('&') {
        let Some((key, value)) = parameter.split_once('=') else {
            continue;
        };
        match Key::of(key) {
            Some(Key::Topic) => read_topic(&unescape(value), &mut v1, &mut v2)?,
            // Many write links as if they were forms, in which a space is a plus.
            Some(Key::Name) if found.name.is_none() => {
                let name = unescape(&value.replace('+', " "));
                found.name = (!name.is_empty()).then(|| safe_name(&name));
            }
            Some(Key::Tracker) => found.trackers.extend(trackers.take(text(value).as_deref())),
            Some(Key::WebSeed) => found
                .web_seeds
                .extend(web_seeds.take(text(value).as_deref())),
            Some(Key::Peer) if found.peers.len() < MAX_PEERS => {
                let peer = text(value).and_then(|value| read_peer(&value));
                found
                    .peers
                    .extend(peer.filter(|peer| !found.peers.contains(peer)));
            }
            Some(Key::Files) => {
                files::parse(&text(value).unwrap_or_default(), &mut found.files);
            }
            _ => {}
        }
    }
    found.ids = match (v1, v2) {
        (Some(v1), Some(v2)) => TorrentIds::hybrid(v1, v2),
        (Some(v1), None) => TorrentIds::v1_only(v1),
        (None, Some(v2)) => TorrentIds::v2_only(v2),
        (None, None) => return Err(MagnetError::NoHash),
    };
    Ok(found)
}

enum Key {
    Topic,
    Name,
    Tracker,
    WebSeed,
    Peer,
    Files,
}

impl Key {
    fn of(key: &str) -> Option<Self> {
        let key = key.to_ascii_lowercase();
        // `xt.1`, `tr.2`: how repeated keys are numbered.
        let name = match key.rsplit_once('.') {
            Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &key,
        };
        match name {
            "xt" => Some(Self::Topic),
            "dn" => Some(Self::Name),
            "tr" => Some(Self::Tracker),
            "ws" => Some(Self::WebSeed),
            "x.pe" => Some(Self::Peer),
            "so" => Some(Self::Files),
            _ => None,
        }
    }
}

/// Other topics than torrents, as of other networks, are passed over.
fn read_topic(
    topic: &[u8],
    v1: &mut Option<InfoHash>,
    v2: &mut Option<InfoHashV2>,
) -> Result<(), MagnetError> {
    let topic = String::from_utf8_lossy(topic);
    let Some((urn, hash)) = topic.rsplit_once(':') else {
        return Ok(());
    };
    match urn.to_ascii_lowercase().as_str() {
        "urn:btih" => note(v1, read_v1(hash)?),
        "urn:btmh" => note(v2, read_v2(hash)?),
        _ => Ok(()),
    }
}

fn note<T: PartialEq>(slot: &mut Option<T>, hash: T) -> Result<(), MagnetError> {
    match slot.replace(hash) {
        Some(before) if slot.as_ref() != Some(&before) => Err(MagnetError::TwoTorrents),
        _ => Ok(()),
    }
}

fn read_v1(hash: &str) -> Result<InfoHash, MagnetError> {
    let read = match hash.len() {
        32 => from_base32(hash).map(InfoHash),
        _ => hash.parse().ok(),
    };
    let length = hash.len();
    read.ok_or(MagnetError::InvalidV1 { length })
}

fn read_v2(hash: &str) -> Result<InfoHashV2, MagnetError> {
    let hash = hash.strip_prefix(SHA_256_MULTIHASH);
    let hash = hash.ok_or(MagnetError::OtherMultihash)?;
    hash.parse().map_err(MagnetError::InvalidV2)
}

/// RFC 4648, section 6, in either case: 5 bits a letter.
fn from_base32(text: &str) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    for (letters, bytes) in text.as_bytes().chunks(8).zip(bytes.chunks_mut(5)) {
        let mut bits = 0_u64;
        for letter in letters {
            let value = match letter.to_ascii_uppercase() {
                letter @ b'A'..=b'Z' => letter - b'A',
                letter @ b'2'..=b'7' => letter - b'2' + 26,
                _ => return None,
            };
            bits = bits << 5 | u64::from(value);
        }
        bytes.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(bytes)
}

/// `host:port`, an IPv6 address in brackets.
fn read_peer(peer: &str) -> Option<(String, u16)> {
    let (host, port) = peer.rsplit_once(':')?;
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| is_number && *port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(rest) => {
            let address: Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
            address.to_string()
        }
        None if host.contains([':', '/', '[', ']', '@']) => return None,
        None => host.to_owned(),
    };
    is_host(&host).then_some((host, port))
}

fn safe_name(name: &[u8]) -> String {
    let mut safe = String::new();
    sanitise(name, &mut safe);
    safe
}

fn text(value: &str) -> Option<String> {
    String::from_utf8(unescape(value)).ok()
}

/// Resolves `%XX`; what is no such escape stays as it is.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digit = |at: usize| char::from(*behind.get(at)?).to_digit(16);
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high << 4 | low) as u8);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    bytes
}

const SCHEME: &str = "magnet:?";
