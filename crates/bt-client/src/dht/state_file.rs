use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use bt_dht::State;
use tracing::{debug, info};

/// Where a node's state is kept from one run to the next.
#[derive(Clone, Debug)]
pub(super) struct StateFile {
    folder: PathBuf,
}

impl StateFile {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// What is kept; nothing if there is none, or what there is cannot be read.
    pub(super) fn read(&self) -> State {
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
    pub(super) fn write(&self, state: &State) {
        if let Err(error) = self.try_write(&state.encode()) {
            debug!(%error, "the DHT's state is not kept");
        }
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        // Of a name that no other process uses; who dies here leaves it for the next of that id.
        let new = self.folder.join(format!("{NAME}.{}", std::process::id()));
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, self.path())
    }

    fn path(&self) -> PathBuf {
        self.folder.join(NAME)
    }
}

const NAME: &str = "dht";
/// Far more than a state takes: 200 nodes a family.
const MAX_LENGTH: u64 = 64 << 10;

#[cfg(test)]
mod tests {
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
        assert_eq!(fs::read_dir(&file.folder).unwrap().count(), 1);
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
