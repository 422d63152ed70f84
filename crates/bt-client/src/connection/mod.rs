//! One connection to a peer: a task that reads, a task that writes, and what the torrent's task
//! holds of them.

mod expected;
pub mod fuzzing;
mod gathered;
mod inbox;
mod outbox;
mod queue;
mod reader;
mod reporting;
mod writer;

use std::{io, sync::Arc};

use bt_swarm::{DisconnectReason, Outgoing};
use bt_types::{Block, ConnId};
use bt_wire::{DecodeError, Limits, Message, RawBlock};
use tokio::sync::{mpsc, oneshot};

use self::{expected::Expected, inbox::Inbox, queue::Queue, reporting::Reporting};
use crate::{
    buffers::{Buffer, BufferPool},
    net::Stream,
    tasks::AbortOnDrop,
};

/// The torrent's end of a connection. Dropping it closes the connection.
pub(crate) struct Connection {
    outgoing: Queue,
    expected: Expected,
    is_fast: bool,
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
    /// A block that was to be sent has been taken back in time.
    BlockTakenBack(Block),
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

impl Closed {
    /// What the peer is to blame for, if it is.
    pub(crate) fn reason(&self) -> Option<DisconnectReason> {
        match self {
            Self::ByPeer | Self::Failed(_) => None,
            Self::Protocol(error) => Some(DisconnectReason::Malformed(*error)),
            Self::TooSlow => Some(DisconnectReason::NotReading),
        }
    }
}

impl Connection {
    /// Starts the tasks of a connection on which handshakes have been exchanged.
    pub(crate) fn open(
        conn: ConnId,
        stream: Arc<dyn Stream>,
        is_fast: bool,
        limits: Limits,
        pool: BufferPool,
        batches: mpsc::Sender<Batch>,
    ) -> Self {
        let expected = Expected::default();
        let inbox = Inbox::new(limits, pool, expected.clone());
        let outgoing = Queue::default();
        let (failed, failure) = oneshot::channel();
        let reporting = Reporting::default();
        let ending = (failure, reporting.clone());
        let reader = reader::run(conn, Arc::clone(&stream), inbox, batches.clone(), ending);
        let queue = outgoing.clone();
        let writer = writer::run(conn, stream, queue, batches, (failed, reporting));
        Self {
            outgoing,
            expected,
            is_fast,
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
        self.outgoing.push(outgoing).map_err(|_| Closed::TooSlow)
    }

    /// Takes back a block that was to be sent; returns whether that is done. If not, and it turns
    /// out to be possible, [`Incoming::BlockTakenBack`] says so.
    pub(crate) fn take_back(&self, block: Block) -> bool {
        self.outgoing.take_back(block)
    }

    /// Follows what the torrent has learned from the peer.
    pub(crate) fn note_handled(&self, message: &Message) {
        if *message == Message::Choke && !self.is_fast {
            self.expected.forget_all();
        }
    }
}

#[cfg(test)]
mod tests;
