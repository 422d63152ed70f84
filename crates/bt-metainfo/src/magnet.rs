mod files;
mod parse;

use std::{
    fmt::{self, Write},
    ops::RangeInclusive,
    str::FromStr,
};

use bt_types::{ParseHashError, TorrentIds};

use crate::Metainfo;

/// What a magnet link says (BEP 9, "magnet URI format"; BEP 53): which torrent, and hints where to
/// find it. `parse` reads one, `Display` writes it.
///
/// What was read is within bounds, and what was written reads as the same. Everything in it is
/// untrusted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MagnetLink {
    /// `xt`: v1 as 40 hex digits or 32 of base32, v2 as a multihash; a hybrid has both.
    pub ids: TorrentIds,
    /// `dn`, until the info dictionary says better: by this crate's rule for names, so it may be
    /// that of a file or folder.
    pub name: Option<String>,
    /// `tr`, also in the form `tr.1`: usable URLs of trackers, each once, 100 at most. Each is a
    /// tier of its own, as in libtorrent.
    pub trackers: Vec<String>,
    /// `ws`: usable URLs of web seeds, each once, 50 at most.
    pub web_seeds: Vec<String>,
    /// `x.pe`: hosts and ports of peers, [`MAX_PEERS`] at most. An IPv6 address has no brackets
    /// here, and a host may be a name.
    pub peers: Vec<(String, u16)>,
    /// `so` (BEP 53): which files to fetch, by their index in the info dictionary's order with pad
    /// files counted; sorted, apart from one another, and [`MAX_RANGES`] at most. None means that
    /// the link does not choose. The torrent may have fewer files.
    pub files: Vec<RangeInclusive<u32>>,
}

/// Why a text is no magnet link that leads to a torrent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MagnetError {
    /// It does not begin with `magnet:?`.
    #[error("a magnet link begins with magnet:?")]
    NoMagnet,
    /// It is longer than [`MAX_LINK_LENGTH`].
    #[error("magnet link of {0} bytes, at most {MAX_LINK_LENGTH} allowed")]
    TooLong(usize),
    /// There is no `xt` of a torrent.
    #[error("the magnet link names no torrent (no xt=urn:btih:… or xt=urn:btmh:…)")]
    NoHash,
    /// The v1 hash is neither 40 hex digits nor 32 of base32.
    #[error(
        "invalid v1 hash in the magnet link, of {length} characters: 40 of hex or 32 of base32 expected"
    )]
    InvalidV1 {
        /// Bytes found.
        length: usize,
    },
    /// The v2 hash is no SHA-256 multihash.
    #[error("invalid v2 hash in the magnet link: {0}")]
    InvalidV2(#[source] ParseHashError),
    /// The v2 hash is a multihash of another kind than SHA-256.
    #[error("invalid v2 hash in the magnet link: 1220 and 64 hex digits expected")]
    OtherMultihash,
    /// It names two torrents of one kind.
    #[error("the magnet link names two different torrents")]
    TwoTorrents,
}

impl MagnetLink {
    /// A link that says no more than which torrent.
    #[must_use]
    pub fn new(ids: TorrentIds) -> Self {
        Self {
            ids,
            name: None,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            peers: Vec::new(),
            files: Vec::new(),
        }
    }
}

impl FromStr for MagnetLink {
    type Err = MagnetError;

    /// Keys may have either case, and be numbered (`xt.1`, `tr.2`). What is unknown or unusable is
    /// passed over, but for a hash that is none.
    fn from_str(link: &str) -> Result<Self, MagnetError> {
        parse::parse(link)
    }
}

/// In one line of ASCII: `magnet:?xt=urn:btih:…`.
impl fmt::Display for MagnetLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut glue = "magnet:?";
        let mut parameter = |key: &str, value: &dyn fmt::Display, escapes| {
            write!(f, "{}{key}=", std::mem::replace(&mut glue, "&"))?;
            if escapes {
                write!(Escaping(f), "{value}")
            } else {
                write!(f, "{value}")
            }
        };
        if let Some(v1) = self.ids.v1() {
            parameter("xt", &format_args!("urn:btih:{v1}"), false)?;
        }
        if let Some(v2) = self.ids.v2() {
            parameter(
                "xt",
                &format_args!("urn:btmh:{SHA_256_MULTIHASH}{v2}"),
                false,
            )?;
        }
        if let Some(name) = &self.name {
            parameter("dn", name, true)?;
        }
        for url in &self.trackers {
            parameter("tr", url, true)?;
        }
        for url in &self.web_seeds {
            parameter("ws", url, true)?;
        }
        for (host, port) in &self.peers {
            if host.contains(':') {
                // Brackets and colons are customary here unescaped.
                parameter("x.pe", &format_args!("[{host}]:{port}"), false)?;
            } else {
                parameter("x.pe", &format_args!("{}:{port}", Escaped(host)), false)?;
            }
        }
        if !self.files.is_empty() {
            parameter("so", &files::Shown(&self.files), false)?;
        }
        Ok(())
    }
}

impl Metainfo {
    /// A magnet link that leads to this torrent: its ids, its name, its trackers and web seeds.
    #[must_use]
    pub fn magnet(&self) -> MagnetLink {
        MagnetLink {
            name: Some(self.info().name().to_owned()),
            trackers: self.tiers().iter().flatten().cloned().collect(),
            web_seeds: self.web_seeds().to_vec(),
            ..MagnetLink::new(self.info().ids())
        }
    }

    /// [`magnet`](Self::magnet) as text.
    ///
    /// ```
    /// use bt_metainfo::{InfoBuilder, Metainfo, MetainfoBuilder};
    ///
    /// let info = InfoBuilder::new("two words", 16_384).single_file(1).pieces([[0; 20]]);
    /// let torrent = MetainfoBuilder::new(info.encode()).tier(["udp://t.example:80"]);
    /// let metainfo = Metainfo::from_bytes(&torrent.encode())?;
    /// assert_eq!(
    ///     metainfo.magnet_link(),
    ///     "magnet:?xt=urn:btih:3500e2c09d43f2d6e989eb9c7ba901d07d27abcb\
    ///      &dn=two%20words&tr=udp%3A%2F%2Ft.example%3A80"
    /// );
    /// # Ok::<(), bt_metainfo::MetainfoError>(())
    /// ```
    #[must_use]
    pub fn magnet_link(&self) -> String {
        self.magnet().to_string()
    }
}

/// Escapes what is written to it.
struct Escaping<'f, 'b>(&'f mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // RFC 3986, section 2.3: what never needs to be escaped.
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.0.write_char(char::from(byte))?;
            } else {
                write!(self.0, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaping(f).write_str(self.0)
    }
}

/// Longer than any that people pass around: 100 trackers take 8 KiB.
pub const MAX_LINK_LENGTH: usize = 64 * 1024;
/// More in one link are an attack on somebody.
pub const MAX_PEERS: usize = 100;
/// Bounds what a link makes us keep; a choice of more ranges is cut after the first ones.
pub const MAX_RANGES: usize = 1000;
/// That 32 bytes of SHA-256 follow (BEP 9 and 52 write v2 ids as multihashes).
const SHA_256_MULTIHASH: &str = "1220";

#[cfg(test)]
mod tests;
