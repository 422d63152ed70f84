use std::{future::poll_fn, io, sync::Arc, task::Poll};

use bt_types::ConnId;
use tokio::sync::{mpsc, oneshot};

use super::{Batch, Incoming, outbox::Outbox, queue::Queue, reporting::Reporting};
use crate::net::Stream;

/// Writes what is queued, all that waits by one write, and reports the blocks that are on their
/// way. If that fails, the reader is told why, and ends the connection when it has read the rest.
pub(super) async fn run(
    conn: ConnId,
    stream: Arc<dyn Stream>,
    queue: Queue,
    batches: mpsc::Sender<Batch>,
    (failed, reporting): (oneshot::Sender<io::Error>, Reporting),
) {
    let mut outbox = Outbox::default();
    let error = loop {
        if outbox.is_empty() {
            queue.take(&mut outbox).await;
        }
        let mut sent = Vec::new();
        let outcome = write(&*stream, &queue, &mut outbox, &mut sent, &reporting).await;
        let incoming = sent;
        let is_heard = incoming.is_empty() || batches.send(Batch { conn, incoming }).await.is_ok();
        reporting.end();
        if !is_heard {
            return;
        }
        if let Err(error) = outcome {
            break error;
        }
    };
    queue.close();
    // The reader may have come to the end before.
    let _ = failed.send(error);
}

/// Writes until nothing is left, or until it would have to wait and there is something to report:
/// whoever asked for a block that is on its way is not to wait for the next.
async fn write(
    stream: &dyn Stream,
    queue: &Queue,
    outbox: &mut Outbox,
    sent: &mut Vec<Incoming>,
    reporting: &Reporting,
) -> io::Result<()> {
    while !outbox.is_empty() {
        let write = poll_fn(|cx| {
            // Looked at anew at each poll: a peer takes back what it has waited for too long.
            queue.leave_out(outbox, |block| sent.push(Incoming::BlockTakenBack(block)));
            if outbox.is_empty() {
                return Poll::Ready(None);
            }
            let (slices, used) = outbox.slices();
            reporting.begin();
            match stream.poll_write(cx, &slices[..used]) {
                Poll::Pending if !sent.is_empty() => Poll::Ready(None),
                Poll::Pending => {
                    reporting.end();
                    Poll::Pending
                }
                written => written.map(Some),
            }
        });
        let Some(written) = write.await else {
            return Ok(());
        };
        let written = written?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        outbox.advance(written, |block| sent.push(Incoming::BlockSent(block)));
    }
    Ok(())
}
