//! Connections to peers: how they come about, and how they end.

use std::time::Instant;

use bt_swarm::{Dial, DialId, NewConnection};
use bt_types::{ConnId, Encryption, Transport};
use bt_wire::Limits;
use tracing::debug;

use super::drive::Drive;
use crate::{
    connection::{Closed, Connection},
    handshake::{self, Established, HandshakeFailure},
    mail::Mail,
    tasks::AbortOnDrop,
};

impl Drive {
    pub(super) fn dial(&mut self, now: Instant, dial: Dial) {
        let (Transport::Tcp, Encryption::Plaintext) = (dial.transport, dial.encryption) else {
            return self.parts.swarm.handle_dial_failed(now, dial.id);
        };
        let ours = self.parts.swarm.handshake();
        let source = self.parts.shared.bind;
        let mailbox = self.parts.mailbox.clone();
        let task = AbortOnDrop::spawn(async move {
            let result = handshake::initiate(dial.peer, source, ours).await;
            // A torrent that has gone needs no answer.
            let _ = mailbox.send(Mail::Dialled(dial.id, result));
        });
        self.dials.insert(dial.id, (dial.peer, task));
    }

    pub(super) fn handle_dialled(
        &mut self,
        now: Instant,
        dial: DialId,
        result: Result<Established, HandshakeFailure>,
    ) {
        let Some((peer, _)) = self.dials.remove(&dial) else {
            return; // given up, while this was on its way
        };
        match result {
            Ok(established) => self.open(now, established, Some(dial)),
            Err(reason) => {
                debug!(%peer, %reason, "dial failed");
                self.parts.swarm.handle_dial_failed(now, dial);
            }
        }
    }

    pub(super) fn open(&mut self, now: Instant, established: Established, dial: Option<DialId>) {
        let Established {
            stream,
            peer,
            direction,
            theirs,
            ..
        } = established;
        let connection = NewConnection {
            peer,
            direction,
            transport: Transport::Tcp,
            peer_id: theirs.peer_id,
            reserved: theirs.reserved,
            dial,
        };
        match self.parts.swarm.handle_connected(now, connection) {
            Ok(conn) => {
                let ours = self.parts.swarm.handshake().reserved;
                let is_fast = ours.and(theirs.reserved).supports_fast();
                let pool = self.parts.shared.buffers.clone();
                let batches = self.batches.clone();
                let limits = self.limits();
                let connection = Connection::open(conn, stream, is_fast, limits, pool, batches);
                self.connections.insert(conn, connection);
            }
            Err(refusal) => debug!(%peer, %refusal, "connection not wanted"),
        }
    }

    /// How long a peer's messages may be.
    fn limits(&self) -> Limits {
        let mut limits = Limits {
            extended: MAX_EXTENDED_LENGTH,
            ..Limits::default()
        };
        if let Some(data) = self.stage.data() {
            limits.bitfield = data.info.layout().piece_count().div_ceil(8);
        }
        limits
    }

    pub(super) fn handle_closed(&mut self, now: Instant, conn: ConnId, closed: Closed) {
        self.connections.remove(&conn);
        let reason = closed.reason();
        if reason.is_none() {
            // What the peer is to blame for is told by the swarm.
            debug!(%conn, reason = %closed, "connection over");
        }
        self.parts.swarm.handle_disconnected(now, conn, reason);
    }
}

/// Handshakes of a few hundred bytes, a block of metadata with its header, or a few hundred peers.
const MAX_EXTENDED_LENGTH: u32 = 64 << 10;
