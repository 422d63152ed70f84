//! One connection to a peer: a task that reads, a task that writes, and what the torrent's task
//! holds of them.

mod expected;
mod inbox;
mod outbox;
mod reader;
mod writer;

use std::{io, sync::Arc};

use bt_swarm::Outgoing;
use bt_types::{Block, ConnId};
use bt_wire::{DecodeError, Message, RawBlock};
use tokio::sync::mpsc;

use self::{expected::Expected, inbox::Inbox};
use crate::{
    buffers::{Buffer, BufferPool},
    net::Stream,
    tasks::AbortOnDrop,
};

/// The torrent's end of a connection. Dropping it closes the connection.
pub(crate) struct Connection {
    outgoing: mpsc::Sender<Outgoing<Buffer>>,
    expected: Expected,
    _reader: AbortOnDrop,
    _writer: AbortOnDrop,
}

/// What came of one connection since its task last reported: one wake-up for all of it.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) conn: ConnId,
    pub(crate) incoming: Vec<Incoming>,
}

#[derive(Debug)]
pub(crate) enum Incoming {
    Message(Message),
    Block(RawBlock, Buffer),
    /// Its bytes are gone.
    UnrequestedBlock(RawBlock),
    /// The last byte of a block has been handed to the network.
    BlockSent(Block),
    /// The connection is over; nothing follows.
    Closed(Closed),
}

/// Why a connection ended without our wish.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Closed {
    #[error("closed by the peer")]
    ByPeer,
    #[error("connection failed: {0}")]
    Failed(#[from] io::Error),
    #[error("protocol broken: {0}")]
    Protocol(#[from] DecodeError),
    #[error("does not read what we send")]
    TooSlow,
}

impl Connection {
    /// Starts the tasks of a connection on which handshakes have been exchanged.
    pub(crate) fn open(
        conn: ConnId,
        stream: Arc<dyn Stream>,
        is_fast: bool,
        pool: BufferPool,
        batches: mpsc::Sender<Batch>,
    ) -> Self {
        let expected = Expected::default();
        let inbox = Inbox::new(pool, expected.clone(), is_fast);
        let (outgoing, queue) = mpsc::channel(MAX_QUEUED);
        let reader = reader::run(conn, Arc::clone(&stream), inbox, batches.clone());
        let writer = writer::run(conn, stream, queue, batches);
        Self {
            outgoing,
            expected,
            _reader: AbortOnDrop::spawn(reader),
            _writer: AbortOnDrop::spawn(writer),
        }
    }

    /// Queues something to be sent, without waiting.
    ///
    /// # Errors
    /// If the peer reads so slowly that too much is queued already. Close the connection then.
    pub(crate) fn send(&self, outgoing: Outgoing<Buffer>) -> Result<(), Closed> {
        if let Outgoing::Message(message) = &outgoing {
            self.expected.note_sent(message);
        }
        match self.outgoing.try_send(outgoing) {
            Err(mpsc::error::TrySendError::Full(_)) => Err(Closed::TooSlow),
            // The writer has ended, and the batch that tells why is on its way.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }
}

/// Messages and blocks that wait for one peer. Far more than a peer that reads at all lets pile
/// up: a `have` for each piece of a fast download, and the blocks of its requests.
const MAX_QUEUED: usize = 4096;

#[cfg(test)]
mod tests;
