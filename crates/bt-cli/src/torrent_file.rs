use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use bt_metainfo::Metainfo;

use crate::{
    exit::{Exit, Failure},
    format::{printable, reason},
};

/// Reads a .torrent, from stdin if the path is `-`.
pub(crate) fn read(path: &Path) -> Result<Metainfo, Failure> {
    let shown = shown(path);
    let bytes = if path == Path::new("-") {
        read_bounded(io::stdin().lock())
    } else {
        File::open(path).and_then(read_bounded)
    };
    let bytes = bytes
        .map_err(|error| Failure::other(format!("cannot read {shown}: {}", reason(&error))))?;
    if bytes.is_empty() {
        let message = format!("{shown} is no torrent: it is empty");
        return Err(Failure::new(Exit::BadTorrent, message));
    }
    if bytes.len() as u64 > MAX_LENGTH {
        let message = format!("{shown} is no torrent: it is longer than {MAX_LENGTH} bytes");
        return Err(Failure::new(Exit::BadTorrent, message));
    }
    Metainfo::from_bytes(&bytes).map_err(|error| {
        let message = format!(
            "{shown} is no valid torrent: {}",
            printable(&error.to_string())
        );
        Failure::new(Exit::BadTorrent, message)
    })
}

/// As [`read`], and refuses what cannot be transferred.
pub(crate) fn read_to_transfer(path: &Path) -> Result<Metainfo, Failure> {
    let metainfo = read(path)?;
    if metainfo.info().ids().v1().is_none() {
        let message = format!(
            "{} is a v2-only torrent, which bt cannot transfer yet; ask for a hybrid or v1 one",
            shown(path)
        );
        return Err(Failure::new(Exit::BadTorrent, message));
    }
    Ok(metainfo)
}

/// What to call it when talking to people.
pub(crate) fn shown(path: &Path) -> String {
    if path == Path::new("-") {
        "stdin".to_owned()
    } else {
        printable(&path.to_string_lossy())
    }
}

fn read_bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_LENGTH + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Two million pieces take 40 MiB, a hundred thousand files some more.
const MAX_LENGTH: u64 = 256 << 20;
