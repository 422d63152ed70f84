mod peers;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use bt_bencoding::{DecodeError, Document, Kind, Lenient, Limits, Value};
use bt_types::{AnnounceResponse, SwarmId, printable_text};

use self::peers::read_peers;

/// A tracker's answer, be it the one hoped for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer<T> {
    /// What was asked for.
    Granted(T),
    /// The tracker refuses.
    Refused(Refusal),
}

/// Why a tracker refuses, and what it says about trying again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// In its own words, made fit to be shown: at most [`MAX_TEXT`] bytes, control characters
    /// escaped.
    pub reason: String,
    /// BEP 31, "retry in".
    pub retry: RetryIn,
}

/// What a tracker says about trying again (BEP 31).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RetryIn {
    /// Nothing, or nothing that makes sense.
    #[default]
    Unspecified,
    /// After this; whole minutes on the wire.
    After(Duration),
    /// Never.
    Never,
}

/// What a tracker knows of one swarm. Trackers leave out what they do not count.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct ScrapeEntry {
    /// Peers that have everything ("complete").
    pub seeders: Option<u32>,
    /// How often the torrent was downloaded completely ("downloaded").
    pub completed: Option<u32>,
    /// Peers that lack something ("incomplete").
    pub leechers: Option<u32>,
    /// Those of the leechers that want what they lack ("downloaders", BEP 21).
    pub downloaders: Option<u32>,
}

/// What a scrape found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scrape {
    /// One for each swarm that was asked about, in that order; `None` for those that the tracker
    /// does not know.
    pub swarms: Vec<Option<ScrapeEntry>>,
    /// "flags", "min_request_interval": do not scrape again before this has passed.
    pub min_interval: Option<Duration>,
}

/// Why a body is no answer of a tracker. Always the tracker's fault.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// It is not bencoded at all: mostly a page for people.
    #[error("not a tracker's answer, it is not bencoded: {0}")]
    Bencoding(DecodeError),
    /// It is bencoded, but no dictionary.
    #[error("not a tracker's answer, it is no dictionary")]
    NotADictionary,
    /// A dictionary that answers nothing.
    #[error("the tracker's answer lacks \"{0}\"")]
    Missing(&'static str),
    /// A field that is no such thing.
    #[error("\"{0}\" in the tracker's answer is of the wrong kind")]
    WrongKind(&'static str),
}

/// Reads the answer to an announce: the body of a response of any status, since some trackers
/// refuse with 400 and the like.
///
/// Lenient wherever a field can be done without: what is negative or of another kind counts as
/// absent, partial addresses, port 0 and host names are passed over, and bytes behind the
/// dictionary are not looked at. At most [`MAX_PEERS`] peers are read.
///
/// # Errors
/// If it is no bencoded dictionary, if it names neither peers nor an interval nor a reason to
/// refuse, or if its peers are neither a string nor a list.
pub fn parse_announce(body: &[u8]) -> Result<Answer<AnnounceResponse>, ResponseError> {
    let document = parse(body)?;
    let root = document.root();
    if let Some(refusal) = refusal(root) {
        return Ok(Answer::Refused(refusal));
    }
    let (peers, interval) = (read_peers(root)?, seconds(root, "interval"));
    if peers.is_none() && interval.is_none() {
        return Err(ResponseError::Missing("peers"));
    }
    let tracker_id = root.get("tracker id").and_then(Value::as_bytes);
    Ok(Answer::Granted(AnnounceResponse {
        interval: interval.unwrap_or_default(),
        min_interval: seconds(root, "min interval"),
        seeders: count(root, "complete"),
        leechers: count(root, "incomplete"),
        peers: peers.unwrap_or_default(),
        external_ip: root.get("external ip").and_then(external_ip),
        tracker_id: tracker_id
            .filter(|id| id.len() <= MAX_TRACKER_ID)
            .map(<[u8]>::to_vec),
        warning: root
            .get("warning message")
            .and_then(Value::as_bytes)
            .map(|text| printable_text(text, MAX_TEXT)),
    }))
}

/// Reads the answer to a scrape of the given swarms. Others that it names are passed over.
///
/// # Errors
/// If it is no bencoded dictionary, or has neither files nor a reason to refuse.
pub fn parse_scrape(body: &[u8], swarm_ids: &[SwarmId]) -> Result<Answer<Scrape>, ResponseError> {
    let document = parse(body)?;
    let root = document.root();
    if let Some(refusal) = refusal(root) {
        return Ok(Answer::Refused(refusal));
    }
    let files = root.get("files").ok_or(ResponseError::Missing("files"))?;
    let files = files.as_dict().ok_or(ResponseError::WrongKind("files"))?;
    let mut swarms = vec![None; swarm_ids.len()];
    for (key, value) in files {
        if value.kind() != Kind::Dict {
            continue;
        }
        // A swarm may be asked about twice.
        for (found, _) in swarms
            .iter_mut()
            .zip(swarm_ids)
            .filter(|(_, id)| id.0 == key)
        {
            *found = Some(ScrapeEntry {
                seeders: count(value, "complete"),
                completed: count(value, "downloaded"),
                leechers: count(value, "incomplete"),
                downloaders: count(value, "downloaders"),
            });
        }
    }
    let flags = root.get("flags");
    Ok(Answer::Granted(Scrape {
        swarms,
        min_interval: flags.and_then(|flags| seconds(flags, "min_request_interval")),
    }))
}

fn parse(body: &[u8]) -> Result<Document<'_, Lenient>, ResponseError> {
    let (document, _) =
        Document::<Lenient>::parse_prefix(body, LIMITS).map_err(ResponseError::Bencoding)?;
    match document.root().kind() {
        Kind::Dict => Ok(document),
        _ => Err(ResponseError::NotADictionary),
    }
}

fn refusal(root: Value<'_, '_>) -> Option<Refusal> {
    let reason = root.get("failure reason")?;
    let reason = reason.as_bytes().unwrap_or_default();
    let reason = match printable_text(reason, MAX_TEXT) {
        nothing if nothing.trim().is_empty() => "no reason given".to_owned(),
        reason => reason,
    };
    let retry = root.get("retry in").map_or(RetryIn::Unspecified, retry_in);
    Some(Refusal { reason, retry })
}

/// BEP 31 speaks of an integer, and its example sends a string.
fn retry_in(value: Value<'_, '_>) -> RetryIn {
    let is_never = value
        .as_bytes()
        .is_some_and(|text| text.eq_ignore_ascii_case(b"never"));
    match number(value) {
        _ if is_never => RetryIn::Never,
        Some(minutes @ 1..) => RetryIn::After(Duration::from_secs(minutes.saturating_mul(60))),
        _ => RetryIn::Unspecified,
    }
}

fn external_ip(value: Value<'_, '_>) -> Option<IpAddr> {
    let bytes = value.as_bytes()?;
    let ip = match bytes.len() {
        4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into(),
        16 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into(),
        // BEP 24 has only bytes; some trackers send text.
        _ => value.as_str()?.parse::<IpAddr>().ok()?,
    };
    Some(ip.to_canonical())
}

fn count(dict: Value<'_, '_>, key: &str) -> Option<u32> {
    let number = number(dict.get(key)?)?;
    Some(u32::try_from(number).unwrap_or(u32::MAX))
}

fn seconds(dict: Value<'_, '_>, key: &str) -> Option<Duration> {
    count(dict, key).map(|seconds| Duration::from_secs(seconds.into()))
}

/// An integer that is not negative, or its digits as a string, as trackers in PHP send it.
fn number(value: Value<'_, '_>) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Bytes kept of a tracker's words.
pub const MAX_TEXT: usize = 1024;
/// Peers taken from one answer. Trackers send 200 or fewer.
pub const MAX_PEERS: usize = 1000;
/// An id beyond this is not kept: it goes into every later URL.
const MAX_TRACKER_ID: usize = 256;
/// Room for 50,000 listed peers, 6 MB; what a driver lets in should be less.
const LIMITS: Limits = Limits::new(8, 500_000);

#[cfg(test)]
mod tests;
