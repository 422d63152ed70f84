use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use bt_dht::State;
use bt_storage::Lock;
use tracing::{debug, info};

use crate::shared::lock;

/// Where a node's state is kept from one run to the next. It is one node's at a time: another that is
/// started meanwhile has an id of its own, and leaves the file alone as long as the first one runs.
#[derive(Clone, Debug)]
pub(super) struct StateFile {
    folder: PathBuf,
    /// Held by this node, if it has it.
    held: Arc<Mutex<Option<Lock>>>,
}

impl StateFile {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            held: Arc::default(),
        }
    }

    /// What is kept; nothing if there is none, or what there is cannot be read. The id is not for us
    /// if another node goes by it.
    pub(super) fn read(&self) -> State {
        let is_ours = self.hold();
        let state = self.read_all();
        if is_ours {
            return state;
        }
        info!("another process has the DHT's state: beginning with an id of its own");
        state.without_ids()
    }

    fn read_all(&self) -> State {
        let mut bytes = Vec::new();
        let read =
            File::open(self.path()).and_then(|file| file.take(MAX_LENGTH).read_to_end(&mut bytes));
        match read {
            Ok(_) => State::decode(&bytes).unwrap_or_else(|error| {
                info!(%error, "the DHT's state is of no use: beginning anew");
                State::default()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => {
                info!(%error, "the DHT's state cannot be read: beginning anew");
                State::default()
            }
        }
    }

    /// Puts a state in the place of the one before it: at any moment one of the two is there whole.
    /// Not while another node has it.
    pub(super) fn write(&self, state: &State) {
        if let Err(error) = self.try_write(&state.encode()) {
            debug!(%error, "the DHT's state is not kept");
        }
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        if !self.hold() {
            debug!("another process has the DHT's state: it is not kept");
            return Ok(());
        }
        // Of a name that no other process uses; who dies here leaves it for the next of that id.
        let new = self.folder.join(format!("{NAME}.{}", std::process::id()));
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, self.path())
    }

    /// Whether the state is ours, or nobody's: where no lock can be had, nobody can write.
    fn hold(&self) -> bool {
        let held = &mut *lock(&self.held);
        if held.is_none() {
            match Lock::take(&self.folder.join(LOCK)) {
                Ok(taken) => *held = taken,
                Err(error) => {
                    debug!(%error, "the DHT's state is not locked");
                    return true;
                }
            }
        }
        held.is_some()
    }

    fn path(&self) -> PathBuf {
        self.folder.join(NAME)
    }
}

const NAME: &str = "dht";
const LOCK: &str = "dht.lock";
/// Far more than a state takes: 200 nodes a family.
const MAX_LENGTH: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use bt_dht::Family;

    use super::*;

    fn some() -> State {
        let mut bytes = b"d2:id20:aaaaaaaaaaaaaaaaaaaa5:nodes26:bbbbbbbbbbbbbbbbbbbb".to_vec();
        bytes.extend([192, 0, 2, 1, 0x1a, 0xe1]);
        bytes.push(b'e');
        State::decode(&bytes).unwrap()
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::in_folder(&folder.path().join("state"));
        assert_eq!(file.read(), State::default());
        file.write(&State::default());
        file.write(&some());
        assert_eq!(file.read(), some());
        let folder = file.folder.clone();
        drop(file);
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    }

    #[test]
    fn the_state_is_one_nodes_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let open = || StateFile::in_folder(folder.path());
        open().write(&some());
        let first = open();
        assert_eq!(first.read(), some());
        let second = open();
        let (id, read) = (some().id(Family::V4).unwrap(), second.read());
        assert_eq!(read.id(Family::V4), None);
        assert_eq!(read.nodes(Family::V4), some().nodes(Family::V4));
        second.write(&State::default());
        assert_eq!(open().read_all().id(Family::V4), Some(id));
        // It is free again with the last of the first one's handles.
        let handle = first.clone();
        drop(first);
        second.write(&State::default());
        assert_eq!(open().read_all(), some());
        drop(handle);
        second.write(&State::default());
        assert_eq!(open().read_all(), State::default());
    }

    #[test]
    fn two_that_begin_where_nothing_is_keep_one_state() {
        let parent = tempfile::tempdir().unwrap();
        let open = || StateFile::in_folder(&parent.path().join("state"));
        let (first, second) = (open(), open());
        assert_eq!((first.read(), second.read()), Default::default());
        first.write(&some());
        second.write(&State::default());
        assert_eq!(first.read(), some());
    }

    #[test]
    fn what_is_damaged_is_as_if_it_were_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::in_folder(folder.path());
        for damaged in [&b""[..], b"d2:id", b"\0\0\0\0", &[b'l'; 1 << 20]] {
            fs::write(file.path(), damaged).unwrap();
            assert_eq!(file.read(), State::default());
        }
        fs::remove_file(file.path()).unwrap();
        fs::create_dir(file.path()).unwrap();
        assert_eq!(file.read(), State::default());
        file.write(&some());
    }
}
