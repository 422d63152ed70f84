//! Between what a swarm wants of the disk and what `bt-storage` does.

use std::sync::Arc;

use bt_storage::{
    Storage, StorageError,
    disk::{self, DiskPool, Done, Job},
};
use bt_swarm::{DiskDone, DiskJob, FailedJob};
use bt_types::ConnId;

use crate::{
    buffers::{Buffer, BufferPool},
    torrent::{Mail, Mailbox},
};

/// The session's disk threads.
pub(crate) struct Disk {
    pool: DiskPool<Ticket, Buffer>,
    buffers: BufferPool,
}

/// Who asked.
struct Ticket {
    mailbox: Mailbox,
    /// For whom a block is read.
    reader: Option<ConnId>,
}

/// How a job ended, in the swarm's words; and in ours, if the disk refused.
#[derive(Debug)]
pub(crate) struct DiskReport {
    pub(crate) done: DiskDone<Buffer>,
    pub(crate) error: Option<StorageError>,
}

impl Disk {
    pub(crate) fn new(threads: usize, buffers: BufferPool) -> Self {
        let on_done = |ticket: Ticket, done| {
            if let Some(report) = translate(ticket.reader, done) {
                // A torrent that has gone needs no answer.
                let _ = ticket.mailbox.send(Mail::Disk(report));
            }
        };
        Self {
            pool: DiskPool::new(threads, on_done),
            buffers,
        }
    }

    /// Queues a job, whose end will be reported to `mailbox`.
    pub(crate) fn submit(&self, storage: &Arc<Storage>, mailbox: &Mailbox, job: DiskJob<Buffer>) {
        let mut reader = None;
        let job = match job {
            DiskJob::Verify { piece, blocks } => Job::Verify { piece, blocks },
            DiskJob::Spill { piece, blocks } => Job::Spill { piece, blocks },
            DiskJob::Read { conn, block } => {
                reader = Some(conn);
                let buffer = self.buffers.take(block.length as usize);
                Job::Read { block, buffer }
            }
        };
        let mailbox = mailbox.clone();
        let ticket = Ticket { mailbox, reader };
        self.pool.submit(Arc::clone(storage), ticket, job);
    }
}

fn translate(reader: Option<ConnId>, done: Done<Buffer>) -> Option<DiskReport> {
    let mut failure = None;
    let done = match done {
        Done::Verified { piece } => DiskDone::Verified(piece),
        Done::Corrupt {
            piece,
            block_digests,
        } => DiskDone::Corrupt {
            piece,
            block_digests,
        },
        Done::Spilled { piece } => DiskDone::Spilled(piece),
        Done::Read { block, buffer } => DiskDone::Read {
            conn: reader?,
            block,
            payload: buffer,
        },
        Done::Failed { what, error } => {
            failure = Some(error);
            DiskDone::Failed(match what {
                disk::FailedJob::Verify { piece } => FailedJob::Verify(piece),
                disk::FailedJob::Spill { piece } => FailedJob::Spill(piece),
                disk::FailedJob::Read { block } => FailedJob::Read(reader?, block),
                _ => return None,
            })
        }
        _ => return None,
    };
    Some(DiskReport {
        done,
        error: failure,
    })
}
