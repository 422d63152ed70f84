//! Programs that nobody here wrote, as interop and the benches both use them.

pub mod libtorrent_dht;
pub mod opentracker;
pub mod transmission;

use std::path::PathBuf;

use crate::harness::{Context, Outcome, ensure};

/// A .torrent that somebody made, or a magnet link.
#[derive(Clone, Debug)]
pub struct Torrent {
    /// Or the link itself: programs take both in one place.
    pub path: PathBuf,
    /// 40 hex digits; none for a v2-only torrent.
    pub info_hash: Option<String>,
    /// 64 hex digits; none for a v1 torrent.
    pub info_hash_v2: Option<String>,
}

impl Torrent {
    /// A magnet link that says which v1 torrent it is, and `hints` where to find it (`&x.pe=…`).
    pub fn by_link(&self, hints: &str) -> Outcome<Self> {
        let hash = self.info_hash.as_deref();
        let hash = hash.context("the torrent has no v1 hash")?;
        Ok(Self {
            path: format!("magnet:?xt=urn:btih:{hash}{hints}").into(),
            info_hash_v2: None,
            ..self.clone()
        })
    }

    /// The magnet link, if it is one.
    pub fn link(&self) -> Option<&str> {
        let text = self.path.to_str()?;
        text.starts_with("magnet:").then_some(text)
    }

    /// What trackers and handshakes know it by, as far as v1 goes.
    pub fn swarm_id(&self) -> Outcome<[u8; 20]> {
        let hex = self
            .info_hash
            .as_deref()
            .context("the torrent has no v1 hash")?;
        ensure!(hex.len() == 40 && hex.is_ascii(), "{hex} is no info hash");
        let mut bytes = [0; 20];
        for (n, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).context("reading a hash")?;
        }
        Ok(bytes)
    }
}
