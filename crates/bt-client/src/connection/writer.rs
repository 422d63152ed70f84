use std::{future::poll_fn, io, sync::Arc};

use bt_swarm::Outgoing;
use bt_types::ConnId;
use tokio::sync::mpsc;

use super::{Batch, Incoming, outbox::Outbox};
use crate::{buffers::Buffer, net::Stream};

/// Writes what is queued, all that waits by one write, and reports the blocks that are on their way.
pub(super) async fn run(
    conn: ConnId,
    stream: Arc<dyn Stream>,
    mut queue: mpsc::Receiver<Outgoing<Buffer>>,
    batches: mpsc::Sender<Batch>,
) {
    let mut outbox = Outbox::default();
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, MAX_AT_ONCE).await > 0 {
        waiting.drain(..).for_each(|outgoing| outbox.push(outgoing));
        let mut incoming = Vec::new();
        let outcome = write_all(&*stream, &mut outbox, &mut incoming).await;
        let is_over = outcome.is_err();
        incoming.extend(outcome.err().map(|error| Incoming::Closed(error.into())));
        if !incoming.is_empty() && batches.send(Batch { conn, incoming }).await.is_err() {
            return;
        }
        if is_over {
            return;
        }
    }
}

async fn write_all(
    stream: &dyn Stream,
    outbox: &mut Outbox,
    incoming: &mut Vec<Incoming>,
) -> io::Result<()> {
    while !outbox.is_empty() {
        let written = {
            let (slices, used) = outbox.slices();
            poll_fn(|cx| stream.poll_write(cx, &slices[..used])).await?
        };
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        outbox.advance(written, |block| incoming.push(Incoming::BlockSent(block)));
    }
    Ok(())
}

/// Messages and blocks taken from the queue before they are written.
const MAX_AT_ONCE: usize = 32;
