use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use bt_metainfo::{MagnetLink, Metainfo};

use crate::{
    arguments::is_web,
    exit::{Exit, Failure},
    format::{in_full, printable, reason},
    transfer::block_on,
};

/// Reads a .torrent, from stdin if the path is `-`, from the net if it is an http or https URL.
/// Not to be called within a runtime.
pub(crate) fn read(path: &Path) -> Result<Metainfo, Failure> {
    let shown = shown(path);
    if is_magnet(path) {
        let message = "a magnet link says only which torrent it is; give a .torrent";
        return Err(Failure::new(Exit::Usage, message));
    }
    let bytes = match path.to_str().filter(|text| is_web(text)) {
        Some(url) => fetch(url)?,
        None => {
            let bytes = if path == Path::new("-") {
                read_bounded(io::stdin().lock())
            } else {
                File::open(path).and_then(read_bounded)
            };
            bytes.map_err(|error| {
                Failure::other(format!("cannot read {shown}: {}", reason(&error)))
            })?
        }
    };
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

/// Reads a magnet link.
pub(crate) fn read_link(link: &Path) -> Result<MagnetLink, Failure> {
    let link: Result<MagnetLink, _> = link.to_string_lossy().parse();
    link.map_err(|error| Failure::new(Exit::BadTorrent, printable(&error.to_string())))
}

/// Whether this is a magnet link in place of a file.
pub(crate) fn is_magnet(path: &Path) -> bool {
    let scheme = path.to_str().and_then(|text| text.get(..MAGNET.len()));
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(MAGNET))
}

fn fetch(url: &str) -> Result<Vec<u8>, Failure> {
    block_on(async {
        let fetched = bt_client::fetch(url, None, MAX_FETCHED).await;
        fetched.map_err(|error| {
            let message = format!("cannot fetch {}: {}", printable(url), in_full(&error));
            Failure::other(printable(&message))
        })
    })
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
/// Of what a web server sends: packed, it may be a bomb.
const MAX_FETCHED: usize = 64 << 20;
const MAGNET: &str = "magnet:";
