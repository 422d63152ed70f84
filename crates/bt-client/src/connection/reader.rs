use std::{
    future::{Future as _, poll_fn},
    io,
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use bt_types::ConnId;
use tokio::sync::{mpsc, oneshot};

use super::{Batch, Closed, Incoming, gathered::Gathered, inbox::Inbox, reporting::Reporting};
use crate::net::Stream;

/// Reads as long as there is something to read, then reports all of it at once. Ends the
/// connection when it is over, or nothing is left to read after writing has failed: the peer may
/// have told much before it went.
pub(super) async fn run(
    conn: ConnId,
    stream: Arc<dyn Stream>,
    mut inbox: Inbox,
    batches: mpsc::Sender<Batch>,
    (mut write_failure, writing): (oneshot::Receiver<io::Error>, Reporting),
) {
    loop {
        let mut gathered = Gathered::default();
        let outcome = fill(&*stream, &mut inbox, &mut gathered, &mut write_failure).await;
        let is_over = outcome.is_err();
        let mut incoming = gathered.into_incoming();
        if is_over {
            writing.ended().await;
        }
        incoming.extend(outcome.err().map(Incoming::Closed));
        if batches.send(Batch { conn, incoming }).await.is_err() || is_over {
            return;
        }
    }
}

/// Waits for something to come, then takes in all that is there, up to a bound.
async fn fill(
    stream: &dyn Stream,
    inbox: &mut Inbox,
    gathered: &mut Gathered,
    write_failure: &mut oneshot::Receiver<io::Error>,
) -> Result<(), Closed> {
    // What the last batch had no room for.
    inbox.sort(gathered)?;
    while !gathered.is_full() {
        let is_waiting_allowed = gathered.is_empty();
        let read: Option<io::Result<usize>> = poll_fn(|cx| {
            // Asked anew at each poll: more blocks may be expected since the last.
            match stream.poll_read(cx, &mut inbox.slices()) {
                Poll::Pending if !is_waiting_allowed => Poll::Ready(None),
                Poll::Pending => Pin::new(&mut *write_failure)
                    .poll(cx)
                    .map(|failure| Some(Err(failure.unwrap_or(io::ErrorKind::BrokenPipe.into())))),
                read => read.map(Some),
            }
        })
        .await;
        match read {
            Some(Ok(0)) => return Err(Closed::ByPeer),
            Some(Ok(len)) => inbox.received(len, gathered)?,
            Some(Err(error)) => return Err(error.into()),
            None => break,
        }
    }
    Ok(())
}
