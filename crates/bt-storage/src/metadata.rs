//! The info dictionary of a torrent that was added without one, kept for the next run.
//!
//! It lies in the folder of the resume records, under the torrent's id alone: where the data is
//! makes no difference to it. What is read back is what the id stands for, or nothing.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process,
};

use bt_hash::{sha1, sha256};
use bt_types::TorrentIds;

use crate::{Operation, StorageError, sys};

/// Keeps the bytes of an info dictionary in `folder`, which is made if it is missing. At any moment
/// the whole of it is there, or what was there before.
///
/// # Errors
/// If the folder cannot be made or written to.
pub fn keep(folder: &Path, ids: TorrentIds, info_dict: &[u8]) -> Result<(), StorageError> {
    let path = path(folder, ids);
    // Another process may be keeping the same.
    let new = path.with_extension(format!("info.{}.new", process::id()));
    let write = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut file = File::create(&new)?;
        file.write_all(info_dict)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        sys::sync_named_folder(folder)
    };
    write().map_err(|source| {
        // Whatever is left of it is of no use.
        let _ = fs::remove_file(&new);
        StorageError::new(Operation::Write, &path, source)
    })
}

/// The bytes of the info dictionary that was kept in `folder` for a torrent, if they are there and
/// are what its ids stand for; at most `max_bytes`.
#[must_use]
pub fn load(folder: &Path, ids: TorrentIds, max_bytes: u32) -> Option<Vec<u8>> {
    let path = path(folder, ids);
    // Opening something else may wait for ever.
    if !fs::metadata(&path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    let file = File::open(&path).ok()?;
    file.take(u64::from(max_bytes) + 1)
        .read_to_end(&mut bytes)
        .ok()?;
    (bytes.len() as u64 <= u64::from(max_bytes) && are_of(ids, &bytes)).then_some(bytes)
}

/// Whether both ids stand for these bytes, if there are both.
fn are_of(ids: TorrentIds, bytes: &[u8]) -> bool {
    ids.v1().is_none_or(|id| sha1(bytes) == id.0) && ids.v2().is_none_or(|id| sha256(bytes) == id.0)
}

fn path(folder: &Path, ids: TorrentIds) -> PathBuf {
    folder.join(format!("{}.info", ids.primary_swarm_id()))
}

#[cfg(test)]
mod tests {
    use bt_types::{InfoHash, InfoHashV2};

    use super::*;

    const BYTES: &[u8] = b"d4:name1:xe";
    const MAX: u32 = 100;

    fn ids() -> TorrentIds {
        TorrentIds::v1_only(InfoHash(sha1(BYTES)))
    }

    #[test]
    fn what_is_kept_is_there_for_the_next_run() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("deep/er");
        assert_eq!(load(&folder, ids(), MAX), None);
        keep(&folder, ids(), BYTES).unwrap();
        keep(&folder, ids(), BYTES).unwrap();
        assert_eq!(load(&folder, ids(), MAX).as_deref(), Some(BYTES));
        assert_eq!(load(&folder, ids(), BYTES.len() as u32 - 1), None);
        let files: Vec<_> = fs::read_dir(&folder).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
    }

    #[test]
    fn what_is_not_what_the_ids_stand_for_is_passed_over() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path();
        for foreign in [&b"d4:name1:ye"[..], b"", &[0; 1000]] {
            fs::write(path(folder, ids()), foreign).unwrap();
            assert_eq!(load(folder, ids(), MAX), None);
        }
        fs::remove_file(path(folder, ids())).unwrap();
        fs::create_dir(path(folder, ids())).unwrap();
        assert_eq!(load(folder, ids(), MAX), None);
        assert!(keep(folder, ids(), BYTES).is_err());
        fs::remove_dir(path(folder, ids())).unwrap();

        let v1 = InfoHash(sha1(BYTES));
        let hybrid = TorrentIds::hybrid(v1, InfoHashV2(sha256(BYTES)));
        let other = TorrentIds::hybrid(v1, InfoHashV2([1; 32]));
        keep(folder, ids(), BYTES).unwrap();
        assert_eq!(load(folder, hybrid, MAX).as_deref(), Some(BYTES));
        assert_eq!(load(folder, other, MAX), None);
    }
}
