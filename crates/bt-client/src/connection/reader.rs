use std::{future::poll_fn, io, sync::Arc, task::Poll};

use bt_types::ConnId;
use tokio::sync::mpsc;

use super::{Batch, Closed, Incoming, inbox::Inbox};
use crate::net::Stream;

/// Reads as long as there is something to read, then reports all of it at once.
pub(super) async fn run(
    conn: ConnId,
    stream: Arc<dyn Stream>,
    mut inbox: Inbox,
    batches: mpsc::Sender<Batch>,
) {
    loop {
        let mut incoming = Vec::new();
        let outcome = fill(&*stream, &mut inbox, &mut incoming).await;
        let is_over = outcome.is_err();
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
    incoming: &mut Vec<Incoming>,
) -> Result<(), Closed> {
    while incoming.len() < FULL_BATCH {
        let is_waiting_allowed = incoming.is_empty();
        let read: Option<io::Result<usize>> = poll_fn(|cx| {
            // Asked anew at each poll: more blocks may be expected since the last.
            match stream.poll_read(cx, &mut inbox.slices()) {
                Poll::Pending if !is_waiting_allowed => Poll::Ready(None),
                read => read.map(Some),
            }
        })
        .await;
        match read {
            Some(Ok(0)) => return Err(Closed::ByPeer),
            Some(Ok(len)) => inbox.received(len, incoming)?,
            Some(Err(error)) => return Err(error.into()),
            None => break,
        }
    }
    Ok(())
}

/// Messages after which the torrent is told, though more could be read: half a megabyte of blocks.
const FULL_BATCH: usize = 32;
