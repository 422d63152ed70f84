//! What a tracker reads and writes: for tests, and for trackers on top of it. It keeps no swarms.

use std::net::{IpAddr, SocketAddr};

use bt_bencoding::Encoder;
use bt_types::{AnnounceEvent, AnnounceRequest, AnnounceResponse, PeerId, SwarmId, push_compact};

use crate::{MAX_SCRAPE, RetryIn, ScrapeEntry, request::decode};

/// What a client asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// The last segment of the path begins with "announce".
    Announce(Announce),
    /// It begins with "scrape": about these swarms, [`MAX_SCRAPE`] at most; none means all.
    Scrape(Vec<SwarmId>),
}

/// An announce as it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Announce {
    /// What every announce says. A key that is no hex number of 32 bits is read as 0.
    pub request: AnnounceRequest,
    /// Whether the client takes compact peers (BEP 23); it does unless it says no.
    pub compact: bool,
    /// What we gave it to be sent back.
    pub tracker_id: Option<Vec<u8>>,
    /// The addresses that it claims to have: not to be believed from strangers.
    pub claimed: Vec<IpAddr>,
}

/// Why a request is none. The text is fit for a `failure reason`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRequest {
    /// Neither announce nor scrape.
    #[error("no such page")]
    Path,
    /// A parameter is not there that must be.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A parameter is no such thing.
    #[error("{0} is invalid")]
    Invalid(&'static str),
    /// Too many at once.
    #[error("more than {MAX_SCRAPE} swarms in one scrape")]
    TooMany,
}

impl Request {
    /// Reads the target of a request line: path and query. Of a repeated parameter the first
    /// counts.
    ///
    /// # Errors
    /// If it is none of this protocol, or lacks what it needs.
    pub fn parse(target: &str) -> Result<Self, BadRequest> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let last = path.rsplit('/').next().unwrap_or_default();
        let query = Query(query);
        if last.starts_with("scrape") {
            let ids: Result<Vec<_>, _> = query
                .all("info_hash")
                .take(MAX_SCRAPE + 1)
                .map(|value| twenty(value, "info_hash").map(SwarmId))
                .collect();
            return match ids? {
                ids if ids.len() > MAX_SCRAPE => Err(BadRequest::TooMany),
                ids => Ok(Self::Scrape(ids)),
            };
        }
        if last.starts_with("announce") {
            return query.announce().map(Self::Announce);
        }
        Err(BadRequest::Path)
    }
}

/// The parameters, still escaped.
#[derive(Clone, Copy)]
struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    fn all(self, key: &'static str) -> impl Iterator<Item = &'a str> {
        let parameters = self.0.split('&').filter_map(|it| it.split_once('='));
        parameters.filter_map(move |(found, value)| (found == key).then_some(value))
    }

    fn first(self, key: &'static str) -> Option<&'a str> {
        self.all(key).next()
    }

    fn needed(self, key: &'static str) -> Result<&'a str, BadRequest> {
        self.first(key).ok_or(BadRequest::Missing(key))
    }

    fn number<T: std::str::FromStr>(self, key: &'static str) -> Result<Option<T>, BadRequest> {
        let number = self.first(key).map(str::parse);
        number.transpose().map_err(|_| BadRequest::Invalid(key))
    }

    fn announce(self) -> Result<Announce, BadRequest> {
        let key = self.first("key").unwrap_or_default();
        let claimed = ["ip", "ipv4", "ipv6"].into_iter();
        Ok(Announce {
            request: AnnounceRequest {
                swarm_id: SwarmId(twenty(self.needed("info_hash")?, "info_hash")?),
                peer_id: PeerId(twenty(self.needed("peer_id")?, "peer_id")?),
                uploaded: self.number("uploaded")?.unwrap_or_default(),
                downloaded: self.number("downloaded")?.unwrap_or_default(),
                left: self.number("left")?.ok_or(BadRequest::Missing("left"))?,
                event: match self.first("event") {
                    None | Some("" | "paused") => AnnounceEvent::None,
                    Some("started") => AnnounceEvent::Started,
                    Some("completed") => AnnounceEvent::Completed,
                    Some("stopped") => AnnounceEvent::Stopped,
                    Some(_) => return Err(BadRequest::Invalid("event")),
                },
                key: u32::from_str_radix(key, 16).unwrap_or_default(),
                num_want: self
                    .number::<i64>("numwant")?
                    .and_then(|n| n.try_into().ok()),
                port: self.number("port")?.ok_or(BadRequest::Missing("port"))?,
            },
            compact: self.first("compact") != Some("0"),
            tracker_id: self.first("trackerid").map(|id| decode(id.as_bytes())),
            claimed: claimed
                .filter_map(|key| {
                    let value = decode(self.first(key)?.as_bytes());
                    std::str::from_utf8(&value).ok()?.parse().ok()
                })
                .collect(),
        })
    }
}

/// The body that answers an announce. Peers are written compactly (BEP 23, 7), or as a list of
/// dictionaries without peer ids.
#[must_use]
pub fn encode_announce(response: &AnnounceResponse, compact: bool) -> Vec<u8> {
    let mut body = Vec::new();
    Encoder::new(&mut body).dict(|dict| {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        dict.int("interval", number(response.interval.as_secs()));
        if let Some(interval) = response.min_interval {
            dict.int("min interval", number(interval.as_secs()));
        }
        if let Some(seeders) = response.seeders {
            dict.int("complete", seeders);
        }
        if let Some(leechers) = response.leechers {
            dict.int("incomplete", leechers);
        }
        if let Some(id) = &response.tracker_id {
            dict.bytes("tracker id", id);
        }
        if let Some(warning) = &response.warning {
            dict.bytes("warning message", warning);
        }
        match response.external_ip {
            Some(IpAddr::V4(ip)) => {
                dict.bytes("external ip", ip.octets());
            }
            Some(IpAddr::V6(ip)) => {
                dict.bytes("external ip", ip.octets());
            }
            None => {}
        }
        if compact {
            let of = |is_v6| {
                let mut bytes = Vec::new();
                let peers = response.peers.iter();
                for peer in peers.filter(|peer| peer.is_ipv6() == is_v6) {
                    push_compact(&mut bytes, *peer);
                }
                bytes
            };
            dict.bytes("peers", of(false));
            let v6 = of(true);
            if !v6.is_empty() {
                dict.bytes("peers6", v6);
            }
        } else {
            dict.list("peers", |list| {
                for peer in &response.peers {
                    list.dict(|dict| list_peer(dict, *peer));
                }
            });
        }
    });
    body
}

fn list_peer(dict: &mut bt_bencoding::DictEncoder<'_>, peer: SocketAddr) {
    dict.bytes("ip", peer.ip().to_string())
        .int("port", peer.port());
}

/// The body that refuses, and says when to try again (BEP 31; minutes, rounded up).
#[must_use]
pub fn encode_refusal(reason: &str, retry: RetryIn) -> Vec<u8> {
    let mut body = Vec::new();
    Encoder::new(&mut body).dict(|dict| {
        dict.bytes("failure reason", reason);
        match retry {
            RetryIn::Unspecified => {}
            RetryIn::After(wait) => {
                let minutes = i64::try_from(wait.as_secs().div_ceil(60)).unwrap_or(i64::MAX);
                dict.int("retry in", minutes.max(1));
            }
            RetryIn::Never => {
                dict.bytes("retry in", "never");
            }
        }
    });
    body
}

/// The body that answers a scrape (BEP 48); of a swarm that is there twice, the first entry counts.
#[must_use]
pub fn encode_scrape(swarms: &[(SwarmId, ScrapeEntry)]) -> Vec<u8> {
    let mut sorted: Vec<_> = swarms.iter().collect();
    sorted.sort_by_key(|(id, _)| *id);
    sorted.dedup_by_key(|(id, _)| *id);
    let mut body = Vec::new();
    Encoder::new(&mut body).dict(|dict| {
        dict.dict("files", |files| {
            for (id, entry) in sorted {
                files.dict(id.0, |dict| {
                    for (key, count) in [
                        ("complete", entry.seeders),
                        ("downloaded", entry.completed),
                        ("incomplete", entry.leechers),
                        ("downloaders", entry.downloaders),
                    ] {
                        if let Some(count) = count {
                            dict.int(key, count);
                        }
                    }
                });
            }
        });
    });
    body
}

fn twenty(value: &str, key: &'static str) -> Result<[u8; 20], BadRequest> {
    let bytes = decode(value.as_bytes());
    bytes.try_into().map_err(|_| BadRequest::Invalid(key))
}

#[cfg(test)]
mod tests;
