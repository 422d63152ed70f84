//! Between what a swarm wants of the disk and what `bt-storage` does.

use std::{
    sync::{Arc, mpsc::channel},
    thread,
    time::Duration,
};

use bt_storage::{
    Storage,
    disk::{self, DiskPool, Done, Job},
};
use bt_swarm::{DiskDone, DiskJob, FailedJob};
use bt_types::ConnId;

use crate::{
    buffers::{Buffer, BufferPool},
    mail::{DiskReport, Mail, Mailbox},
};

/// The session's disk threads.
pub(crate) struct Disk {
    /// Some until it is dropped.
    pool: Option<DiskPool<Ticket, Buffer>>,
    buffers: BufferPool,
}

/// Who asked.
struct Ticket {
    mailbox: Mailbox,
    /// For whom a block is read.
    reader: Option<ConnId>,
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
            pool: Some(DiskPool::new(threads, on_done)),
            buffers,
        }
    }

    /// Queues a job, whose end will be reported to `mailbox`.
    pub(crate) fn submit(&self, storage: &Arc<Storage>, mailbox: &Mailbox, job: DiskJob<Buffer>) {
        let mut reader = None;
        let job = match job {
            DiskJob::Verify {
                piece,
                blocks,
                wants_digests,
            } => Job::Verify {
                piece,
                blocks,
                wants_digests,
            },
            DiskJob::Spill { piece, blocks } => Job::Spill { piece, blocks },
            DiskJob::Read { conn, block } => {
                reader = Some(conn);
                let buffer = self.buffers.take(block.length as usize);
                Job::Read { block, buffer }
            }
        };
        let mailbox = mailbox.clone();
        let ticket = Ticket { mailbox, reader };
        if let Some(pool) = &self.pool {
            pool.submit(Arc::clone(storage), ticket, job);
        }
    }
}

impl Drop for Disk {
    /// Lets the disk finish what is queued, but does not wait for ever: it may hang.
    fn drop(&mut self) {
        let pool = self.pool.take();
        let (is_alive, ended) = channel::<()>();
        let finish = move || {
            drop(pool);
            drop(is_alive);
        };
        // If the system starts no thread, all this is dropped, and waited for, here.
        if thread::Builder::new().spawn(finish).is_ok() {
            // Disconnected, mostly.
            let _ = ended.recv_timeout(LONGEST_WAIT);
        }
    }
}

fn translate(reader: Option<ConnId>, done: Done<Buffer>) -> Option<DiskReport> {
    let mut failure = None;
    let done = match done {
        Done::Verified {
            piece,
            block_digests,
        } => DiskDone::Verified {
            piece,
            block_digests,
        },
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
        Done::Failed { what, error, .. } => {
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

/// For the disk when the session ends.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
