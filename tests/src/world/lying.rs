//! The metadata in a world: who learns it, and who lies about it.

use std::{sync::Arc, time::Duration};

use bt_metainfo::Info;
use bt_types::Bitfield;
use bt_wire::{
    ExtendedHandshake, ExtendedMessage, Extension, ExtensionIds, Message, MetadataMessage,
};

use super::World;
use crate::{MetadataLie, node::Node};

impl World {
    /// A node has the metadata from its peers, and reads it.
    pub(super) fn learn(&mut self, now: Duration, index: usize, bytes: &[u8]) {
        let node = &mut self.nodes[index];
        let info = Info::from_bytes(bytes).expect("holds because its hash is right");
        let have = Bitfield::new(info.layout().piece_count());
        node.learnt_at = Some(now);
        node.swarm
            .handle_metadata(self.epoch + now, Arc::new(info), have);
    }
}

impl Node {
    /// What becomes of a message of its swarm, which is honest, when the node lies about the
    /// metadata.
    pub(super) fn twist(&self, message: Message) -> Message {
        let (Some(lie), Message::Extended { id, payload }) = (self.spec.metadata_lie, &message)
        else {
            return message;
        };
        let twisted = match *id {
            0 if lie == MetadataLie::Size => twist_handshake(payload),
            THEIR_ID => twist_metadata(lie, payload),
            _ => None,
        };
        twisted.unwrap_or(message)
    }
}

fn twist_handshake(payload: &[u8]) -> Option<Message> {
    let mut handshake = ExtendedHandshake::decode(payload).ok()?;
    handshake.metadata_size = handshake.metadata_size.map(|size| size + EXCESS);
    Some(handshake.to_message())
}

fn twist_metadata(lie: MetadataLie, payload: &[u8]) -> Option<Message> {
    let message = ExtendedMessage::decode(Extension::Metadata, payload).ok()?;
    let ExtendedMessage::Metadata(MetadataMessage::Data {
        piece,
        total_size,
        mut payload,
    }) = message
    else {
        return None;
    };
    let twisted = match lie {
        MetadataLie::Silence => return Some(Message::KeepAlive),
        MetadataLie::Refusal => MetadataMessage::Reject { piece },
        MetadataLie::Bytes => {
            payload[0] ^= 1;
            MetadataMessage::Data {
                piece,
                total_size,
                payload,
            }
        }
        MetadataLie::Size => {
            let is_last = payload.len() < bt_types::BLOCK_LENGTH as usize;
            let mut payload = payload.into_vec();
            let excess = if is_last { EXCESS as usize } else { 0 };
            payload.resize(payload.len() + excess, 0);
            MetadataMessage::Data {
                piece,
                total_size: total_size + EXCESS,
                payload: payload.into(),
            }
        }
    };
    let ids = ExtensionIds::default().with(Extension::Metadata, THEIR_ID);
    let id = ids.get(Extension::Metadata)?;
    Some(ExtendedMessage::Metadata(twisted).to_message(id))
}

/// The number under which every node of a world takes these messages.
const THEIR_ID: u8 = 2;
/// So many bytes more than there are; few enough for one more block not to begin.
const EXCESS: u32 = 7;
