//! Between what a swarm wants of the disk and what `bt-storage` does.

use std::{
    sync::{Arc, mpsc::channel},
    thread,
    time::Duration,
};

use bt_storage::{
    Operation, Storage, StorageError,
    disk::{DiskPool, Done, FailedJob, Job},
};
use bt_swarm::{DiskDone, DiskJob, DiskRefusal};
use bt_types::ConnId;

use crate::{
    buffers::{Buffer, BufferPool},
    mail::{DiskReport, Mail, Mailbox},
};

/// The session's disk threads.
pub(crate) struct Disk {
    /// Some until it is dropped.
    pool: Option<DiskPool<Ticket, Buffer>>,
    threads: usize,
    buffers: BufferPool,
}

/// Who asked.
struct Ticket {
    mailbox: Mailbox,
    storage: Arc<Storage>,
    /// For whom a block is read.
    reader: Option<ConnId>,
    /// Whether a piece was to be verified with digests.
    wants_digests: bool,
}

impl Disk {
    pub(crate) fn new(threads: usize, buffers: BufferPool) -> Self {
        let on_done = |ticket: Ticket, done| {
            if let Some(report) = ticket.translate(done) {
                // A torrent that has gone needs no answer.
                let _ = ticket.mailbox.send(Mail::Disk(report));
            }
        };
        Self {
            pool: Some(DiskPool::new(threads, on_done)),
            threads,
            buffers,
        }
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Queues a job, whose end will be reported to `mailbox`.
    pub(crate) fn submit(&self, storage: &Arc<Storage>, mailbox: &Mailbox, job: DiskJob<Buffer>) {
        let mut ticket = Ticket {
            mailbox: mailbox.clone(),
            storage: Arc::clone(storage),
            reader: None,
            wants_digests: false,
        };
        let job = match job {
            DiskJob::Verify {
                piece,
                blocks,
                wants_digests,
            } => {
                ticket.wants_digests = wants_digests;
                Job::Verify {
                    piece,
                    blocks,
                    wants_digests,
                }
            }
            DiskJob::Spill { piece, blocks } => Job::Spill { piece, blocks },
            DiskJob::Read { conn, block } => {
                ticket.reader = Some(conn);
                let buffer = self.buffers.take(block.length as usize);
                Job::Read { block, buffer }
            }
            DiskJob::Survey => Job::Survey,
        };
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

impl Ticket {
    fn translate(&self, done: Done<Buffer>) -> Option<DiskReport> {
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
                conn: self.reader?,
                block,
                payload: buffer,
            },
            Done::Surveyed { missing, doubtful } => DiskDone::Surveyed { missing, doubtful },
            Done::Failed {
                what,
                blocks,
                error,
            } => {
                let job = self.job(what, blocks)?;
                return Some(DiskReport {
                    done: DiskDone::Failed(job, refusal(&self.storage, &error)),
                    error: Some(error),
                });
            }
            _ => return None,
        };
        Some(DiskReport { done, error: None })
    }

    /// What failed, as the swarm had it.
    fn job(&self, what: FailedJob, blocks: Vec<(u32, Buffer)>) -> Option<DiskJob<Buffer>> {
        Some(match what {
            FailedJob::Verify { piece } => DiskJob::Verify {
                piece,
                blocks,
                wants_digests: self.wants_digests,
            },
            FailedJob::Spill { piece } => DiskJob::Spill { piece, blocks },
            FailedJob::Read { block } => DiskJob::Read {
                conn: self.reader?,
                block,
            },
            FailedJob::Survey => DiskJob::Survey,
            _ => return None,
        })
    }
}

/// What the swarm is to make of it.
pub(crate) fn refusal(storage: &Storage, error: &StorageError) -> DiskRefusal {
    match error.operation {
        _ if storage.is_loss(error) => match error.path == storage.part_file() {
            true => DiskRefusal::MissingBeside,
            false => DiskRefusal::Missing,
        },
        Operation::Read => DiskRefusal::Read,
        _ => DiskRefusal::Write,
    }
}

/// For the disk when the session ends.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
