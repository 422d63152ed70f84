use std::sync::Arc;

use bt_bencoding::{Document, Lenient, Limits, Value};

use crate::{
    Info, MetainfoError,
    MetainfoErrorKind::{Bencode, WrongType},
    node::{Node, Place},
    urls::{Urls, is_host},
};

/// A whole `.torrent` file.
///
/// Only the info dictionary and v2's piece layers can make it invalid; what else is malformed is
/// treated as missing. Texts are untrusted: they may hold control characters.
#[derive(Clone, Debug)]
pub struct Metainfo {
    info: Arc<Info>,
    tiers: Vec<Vec<String>>,
    web_seeds: Vec<String>,
    nodes: Vec<(String, u16)>,
    comment: Option<String>,
    created_by: Option<String>,
    encoding: Option<String>,
    creation_date: Option<i64>,
}

impl Metainfo {
    /// Reads the content of a `.torrent`. Bytes behind it are ignored; some are found in the wild.
    ///
    /// # Errors
    /// If it is no bencoded dictionary, or its `info` or `piece layers` are not valid.
    pub fn from_bytes(torrent: &[u8]) -> Result<Self, MetainfoError> {
        let parsed = Document::<Lenient>::parse_prefix(torrent, Limits::default());
        let place = Place::Root("torrent");
        let (document, _) = parsed.map_err(|error| MetainfoError::new(place, Bencode(error)))?;
        let root = Node::new(document.root(), place);
        if root.value.as_dict().is_none() {
            return root.fail(WrongType("a dictionary"));
        }
        let mut info = Info::read(root.require("info")?)?;
        if let Some(layers) = root.get("piece layers") {
            info.add_layers(layers)?;
        }
        Ok(Self {
            info: Arc::new(info),
            tiers: read_tiers(&root),
            web_seeds: read_web_seeds(&root),
            nodes: read_nodes(&root),
            comment: text(&root, "comment.utf-8").or_else(|| text(&root, "comment")),
            created_by: text(&root, "created by"),
            encoding: text(&root, "encoding"),
            creation_date: root
                .get("creation date")
                .and_then(|date| date.value.as_int()),
        })
    }

    /// What is downloaded.
    #[must_use]
    pub fn info(&self) -> &Arc<Info> {
        &self.info
    }

    /// The trackers: tiers in the order in which they are to be tried, each without order (BEP 12).
    /// From `announce`, if `announce-list` has no usable one.
    ///
    /// URLs begin with `http`, `https`, `udp`, `ws` or `wss`, and occur once; at most 100 are kept.
    #[must_use]
    pub fn tiers(&self) -> &[Vec<String>] {
        &self.tiers
    }

    /// URLs from which the content can be fetched (BEP 19): http or https, at most 50.
    #[must_use]
    pub fn web_seeds(&self) -> &[String] {
        &self.web_seeds
    }

    /// DHT nodes near this torrent (BEP 5, "torrent file extensions"): host name or address, not in
    /// brackets, and port; at most 100.
    #[must_use]
    pub fn nodes(&self) -> &[(String, u16)] {
        &self.nodes
    }

    /// What the creator has to say.
    #[must_use]
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// The program that made the torrent.
    #[must_use]
    pub fn created_by(&self) -> Option<&str> {
        self.created_by.as_deref()
    }

    /// The text encoding that the creator says names are in; they are read as UTF-8 all the same.
    #[must_use]
    pub fn encoding(&self) -> Option<&str> {
        self.encoding.as_deref()
    }

    /// In seconds since 1970, as the creator says.
    #[must_use]
    pub fn creation_date(&self) -> Option<i64> {
        self.creation_date
    }
}

fn read_tiers(root: &Node<'_, '_, '_>) -> Vec<Vec<String>> {
    let mut urls = Urls::of_trackers();
    let tiers = root.value.get("announce-list").and_then(Value::as_list);
    let tiers = tiers
        .into_iter()
        .flatten()
        .map(|tier| match tier.as_list() {
            Some(tier) => urls.take(tier.filter_map(Value::as_str)),
            // Some write a flat list.
            None => urls.take(tier.as_str()),
        });
    let tiers: Vec<_> = tiers.filter(|tier| !tier.is_empty()).collect();
    if !tiers.is_empty() {
        return tiers;
    }
    let announce = root.value.get("announce").and_then(Value::as_str);
    let tier = urls.take(announce);
    if tier.is_empty() {
        Vec::new()
    } else {
        vec![tier]
    }
}

fn read_web_seeds(root: &Node<'_, '_, '_>) -> Vec<String> {
    let mut urls = Urls::of_web_seeds();
    let Some(list) = root.value.get("url-list") else {
        return Vec::new();
    };
    match list.as_list() {
        Some(list) => urls.take(list.filter_map(Value::as_str)),
        None => urls.take(list.as_str()),
    }
}

fn read_nodes(root: &Node<'_, '_, '_>) -> Vec<(String, u16)> {
    let nodes = root.value.get("nodes").and_then(Value::as_list);
    let nodes = nodes.into_iter().flatten().filter_map(read_node);
    nodes.take(MAX_NODES).collect()
}

/// A list of host and port.
fn read_node(node: Value<'_, '_>) -> Option<(String, u16)> {
    let mut parts = node.as_list()?;
    let host = parts.next()?.as_str()?;
    let port = u16::try_from(parts.next()?.as_int()?).ok()?;
    (is_host(host) && port != 0).then(|| (host.to_owned(), port))
}

/// A text of which only bytes that are no UTF-8 are replaced.
pub(crate) fn text(node: &Node<'_, '_, '_>, key: &'static str) -> Option<String> {
    let bytes = node.value.get(key)?.as_bytes()?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// More help nobody to join: one that answers is enough.
const MAX_NODES: usize = 100;

#[cfg(test)]
mod tests;
