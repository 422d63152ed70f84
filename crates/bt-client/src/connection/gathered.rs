use bt_wire::Message;

use super::Incoming;

/// What one batch will hold. Bounded, since up to a few hundred batches may wait for one torrent.
#[derive(Default)]
pub(super) struct Gathered {
    incoming: Vec<Incoming>,
    blocks: usize,
    message_bytes: usize,
}

impl Gathered {
    /// Adds a message that took so many bytes of the stream.
    pub(super) fn push_message(&mut self, message: Message, bytes: usize) {
        self.message_bytes += bytes.max(size_of::<Incoming>());
        self.incoming.push(Incoming::Message(message));
    }

    /// Adds a block, asked for or not.
    pub(super) fn push_block(&mut self, block: Incoming) {
        self.blocks += 1;
        self.incoming.push(block);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.incoming.is_empty()
    }

    /// The torrent is to be told, though more could be read.
    pub(super) fn is_full(&self) -> bool {
        self.blocks >= MAX_BLOCKS || self.message_bytes >= MAX_MESSAGE_BYTES
    }

    pub(super) fn into_incoming(self) -> Vec<Incoming> {
        self.incoming
    }
}

/// Half a megabyte. Their memory was reserved when they were requested.
const MAX_BLOCKS: usize = 32;
/// Nobody reserves the memory of messages. Some hundred `have`s; and one more message, however
/// long, since it is looked at after it has been added.
const MAX_MESSAGE_BYTES: usize = 32 << 10;
