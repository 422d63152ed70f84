use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bt_bencoding::{Document, Encoder, Lenient, Value};

use super::{BENCODE_LIMITS, ExtendedError, Extension, ExtensionIds};
use crate::Message;

/// The handshake of the extension protocol: the extended message with id 0 (BEP 10).
///
/// A peer may send several. Each says what has changed: [`ExtensionIds::update`] takes `ids`, and
/// what else is `None` keeps its value.
///
/// Read key by key: one that is missing, of the wrong type or out of range is `None`, and says
/// nothing about the others.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ExtendedHandshake {
    /// `m`: the numbers under which the sender wants to receive messages.
    pub ids: ExtensionIds,
    /// `p`: the port on which the sender listens, never 0.
    pub port: Option<u16>,
    /// `v`: the sender's name for itself, at most 64 characters. Untrusted text.
    pub client: Option<String>,
    /// `yourip`: the receiver's address as the sender sees it; one vote.
    pub your_ip: Option<IpAddr>,
    /// `ipv4`: where the sender can be reached over IPv4, by its own word. Together with `port`, it
    /// may be anybody's address.
    pub ipv4: Option<Ipv4Addr>,
    /// `ipv6`: the same over IPv6.
    pub ipv6: Option<Ipv6Addr>,
    /// `reqq`: how many requests the sender keeps; at least 1, at most 2000.
    pub reqq: Option<u32>,
    /// `metadata_size`: bytes of the info dictionary, never 0 (BEP 9). Untrusted: the receiver
    /// decides how much is plausible.
    pub metadata_size: Option<u32>,
    /// `upload_only`: the sender will not download any more (BEP 21).
    pub upload_only: Option<bool>,
    /// `e`: the sender prefers encrypted connections; passed on by BEP 11.
    pub prefers_encryption: Option<bool>,
}

impl ExtendedHandshake {
    /// Reads the payload of an extended message with id 0. Bytes behind the dictionary are
    /// ignored.
    ///
    /// # Errors
    /// If it does not begin with a bencoded dictionary. libtorrent ignores such a handshake.
    pub fn decode(payload: &[u8]) -> Result<Self, ExtendedError> {
        let (document, _) = Document::<Lenient>::parse_prefix(payload, BENCODE_LIMITS)?;
        let dict = document.root();
        if dict.as_dict().is_none() {
            return Err(ExtendedError::NotADictionary);
        }
        let positive = |key: &str| dict.get(key)?.as_u64().filter(|value| *value > 0);
        let flag = |key: &str| dict.get(key)?.as_int().map(|value| value != 0);
        Ok(Self {
            ids: dict.get("m").map(extension_ids).unwrap_or_default(),
            port: positive("p").and_then(|port| port.try_into().ok()),
            client: dict.get("v").and_then(client),
            your_ip: dict.get("yourip").and_then(ip),
            ipv4: dict.get("ipv4").and_then(octets).map(Ipv4Addr::from),
            ipv6: dict.get("ipv6").and_then(octets).map(Ipv6Addr::from),
            reqq: positive("reqq").map(|reqq| reqq.min(MAX_REQQ) as u32),
            metadata_size: positive("metadata_size").and_then(|size| size.try_into().ok()),
            upload_only: flag("upload_only"),
            prefers_encryption: flag("e"),
        })
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        Encoder::new(out).dict(|dict| {
            dict.dict("m", |m| {
                for (extension, id) in self.ids.entries() {
                    m.int(extension.name(), id);
                }
            });
            if let Some(value) = self.prefers_encryption {
                dict.int("e", value);
            }
            if let Some(ip) = self.ipv4 {
                dict.bytes("ipv4", ip.octets());
            }
            if let Some(ip) = self.ipv6 {
                dict.bytes("ipv6", ip.octets());
            }
            if let Some(size) = self.metadata_size {
                dict.int("metadata_size", size);
            }
            if let Some(port) = self.port {
                dict.int("p", port);
            }
            if let Some(reqq) = self.reqq {
                dict.int("reqq", reqq);
            }
            if let Some(value) = self.upload_only {
                dict.int("upload_only", value);
            }
            if let Some(client) = &self.client {
                dict.bytes("v", client);
            }
            match self.your_ip {
                Some(IpAddr::V4(ip)) => _ = dict.bytes("yourip", ip.octets()),
                Some(IpAddr::V6(ip)) => _ = dict.bytes("yourip", ip.octets()),
                None => {}
            }
        });
    }

    /// The message to send.
    #[must_use]
    pub fn to_message(&self) -> Message {
        let mut payload = Vec::new();
        self.encode(&mut payload);
        Message::Extended {
            id: 0,
            payload: payload.into(),
        }
    }
}

fn extension_ids(m: Value<'_, '_>) -> ExtensionIds {
    let mut ids = ExtensionIds::default();
    for (name, id) in m.as_dict().into_iter().flatten() {
        let id = id.as_int().and_then(|id| u8::try_from(id).ok());
        if let (Some(extension), Some(id)) = (Extension::from_name(name), id) {
            ids.set(extension, id);
        }
    }
    ids
}

/// Some clients send bytes that are not UTF-8; a name with marks in it is better than none.
fn client(v: Value<'_, '_>) -> Option<String> {
    let bytes = v.as_bytes()?;
    // No character that is kept can reach beyond this, so that none is cut in two.
    let bytes = &bytes[..bytes.len().min(4 * MAX_CLIENT_CHARS)];
    let text = String::from_utf8_lossy(bytes);
    let kept: String = text.chars().take(MAX_CLIENT_CHARS).collect();
    (!kept.is_empty()).then_some(kept)
}

/// An IPv4 address in the clothes of IPv6 counts as IPv4, as it does for libtorrent.
fn ip(value: Value<'_, '_>) -> Option<IpAddr> {
    if let Some(v4) = octets(value) {
        return Some(Ipv4Addr::from(v4).into());
    }
    let v6 = octets(value)?;
    Some(IpAddr::from(Ipv6Addr::from(v6)).to_canonical())
}

fn octets<const N: usize>(value: Value<'_, '_>) -> Option<[u8; N]> {
    value.as_bytes()?.try_into().ok()
}

/// libtorrent's own limit for what it keeps: more in flight helps nobody, and we have to remember
/// each of them.
const MAX_REQQ: u64 = 2000;
/// Longer than any real name; for display only.
const MAX_CLIENT_CHARS: usize = 64;
