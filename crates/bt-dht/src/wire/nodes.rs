use std::net::{IpAddr, SocketAddr};

use bt_types::push_compact;

use crate::{Family, NodeId};

/// A node that somebody knows of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Contact {
    /// Its id.
    pub id: NodeId,
    /// Where it is to be found.
    pub addr: SocketAddr,
}

/// Compact nodes: 26 bytes each for IPv4 (BEP 5), 38 for IPv6 (BEP 32); a partial one at the end
/// is ignored, as libtorrent does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Contacts<'a> {
    bytes: &'a [u8],
    family: Family,
}

impl<'a> Contacts<'a> {
    /// Reads nodes of a family.
    #[must_use]
    pub const fn new(bytes: &'a [u8], family: Family) -> Self {
        Self { bytes, family }
    }

    /// The bytes of the message.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The nodes, in the order of the message.
    pub fn iter(self) -> impl Iterator<Item = Contact> + use<'a> {
        let entries = self.bytes.chunks_exact(stride(self.family));
        entries.filter_map(contact)
    }
}

/// Appends the compact form of a node: 26 bytes for IPv4, 38 for IPv6.
pub fn push_contact(out: &mut Vec<u8>, contact: &Contact) {
    out.extend_from_slice(&contact.id.0);
    push_compact(out, contact.addr);
}

fn contact(entry: &[u8]) -> Option<Contact> {
    let (id, rest) = entry.split_first_chunk()?;
    let (ip, port) = rest.split_last_chunk()?;
    let ip = match <[u8; 4]>::try_from(ip) {
        Ok(v4) => IpAddr::from(v4),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
    };
    Some(Contact {
        id: NodeId(*id),
        addr: SocketAddr::new(ip, u16::from_be_bytes(*port)),
    })
}

/// Bytes of a node: its id, its address and its port.
pub(super) const fn stride(family: Family) -> usize {
    match family {
        Family::V4 => 20 + 4 + 2,
        Family::V6 => 20 + 16 + 2,
    }
}
