//! What is on disk, remembered from one run to the next, so that a start need not hash it again.
//!
//! A torrent's [`Record`] says which pieces were verified and written, and how each file looked
//! then: its length and its times ([`Stamp`]). A start looks at the files and believes what still
//! fits. Beside the record lies a journal, to which the threads of a
//! [`DiskPool`](crate::disk::DiskPool) append before and after they write, so that a killed
//! process leaves only those pieces in doubt that were just being written.
//!
//! ```text
//! let place = Place::lock(folder, &storage)?;        // or somebody else has the same data
//! let start = place.start(&storage, boot);           // what to believe, what to hash
//! let checked = check_pieces(&storage, &start.doubtful, ..)?;
//! let keeper = Keeper::begin(place, &storage, start, have, boot)?;
//! storage.set_keeper(keeper);                        // from here on what is written is noted
//! storage.set_verified(&have)?;
//! storage.set_selection(&selection)?;                // or prepare(): not before
//! loop { now and then: keeper.sync(&storage)? }      // never waited for
//! keeper.finish(&storage, totals)?;                  // a clean stop
//! ```
//!
//! # What survives what
//!
//! - **A clean stop**: everything, the blocks of partial pieces included.
//! - **A killed process**: what was written, since the system has it. In doubt are pieces that were
//!   being written (noted as begun, not as done): they are hashed. A file to which something was
//!   being written looks newer than what is noted of it; that is believed to be our own doing if
//!   it is no newer than the journal, give or take half a minute.
//! - **A power failure**, known by another [`BootId`]: what [`Keeper::sync`] had brought to the
//!   medium. What was written only is hashed, partial pieces are forgotten.
//! - **A sync that fails**: what is in that file, and was not synced before, counts as written until the
//!   machine has been off, whatever later syncs say, and in later runs, too. Then it is hashed, as the
//!   medium has it, and its partial pieces are forgotten.
//! - **Others who touch the files**: any other length or time has the pieces of that file hashed,
//!   and no others. So it is with the part file that holds what shared pieces have of files that are
//!   left out: if it is not as it was, the pieces that have a place in it are hashed.
//! - **Another selection** in the next run: what is there counts, wherever it lies. The check reads it
//!   from where the last run had it; only then it moves to where it belongs now, and that is noted.
//!
//! # Why so
//!
//! - A stamp holds no inode and no device. Both change by themselves on file systems without real
//!   ones (FAT, FUSE, network disks) and from boot to boot, and tell nothing that the time of the
//!   last change (`ctime`) does not: putting another file in place sets it.
//! - Entries are appended with plain writes. They survive the process, and cost a microsecond or
//!   two; a machine that fails may lose them, which is what `synced` is for.
//! - Files are brought to the medium with `fsync`, not `fdatasync`: the latter leaves the time of
//!   the last write behind, by which files are known again.
//! - Linux tells a failure to write once, to whoever syncs next, and takes the bytes for written from
//!   then on: the next sync succeeds without them. Where the journal can take no more, so that a
//!   failure could not be noted, nothing is synced but at the end, when a record follows. What remains:
//!   a process that is killed just when a sync fails, or that can write no record then.
//! - What could not be synced is not written once more. It would have to be read from the memory of a
//!   system that may have let go of it, and a disk that fails would get more to do, most of it when a
//!   run ends and is waited for; what there is to gain is a hash after a power failure. For the same
//!   reason the file counts, not each piece: with it the system may have lost what it knows of it.
//! - A folder that cannot be synced counts for the files in it, unless its file system never syncs
//!   folders. If the record cannot be, it is not put in the place of the one before; of a journal that
//!   cannot be, less is found.
//! - A record that is damaged, of another torrent, of another version or whose numbers cannot be is
//!   no record: everything is hashed. It is never repaired, and what it says is never mixed with
//!   guesses.

mod boot;
mod journal;
mod judge;
mod keeper;
mod ledger;
mod place;
mod record;
mod stamp;

pub use boot::BootId;
pub(crate) use journal::FileStamp;
#[doc(hidden)]
pub use journal::{Entry, Reader, encode_entry, header};
pub use judge::{Belief, Start};
pub use keeper::Keeper;
pub use place::{Place, PlaceError};
pub use record::{Beside, Record, RecordError};
pub use stamp::{FileTime, Stamp};

#[cfg(test)]
mod tests;
