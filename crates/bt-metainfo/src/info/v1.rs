use super::entry::{Attributes, Content, Entry, EntryKind};
use crate::{
    MetainfoError,
    MetainfoErrorKind::{Empty, Missing},
    name::{push_file, push_folder},
    node::Node,
};

/// The files of a v1 or hybrid dictionary: `files`, or else the one that `length` speaks of.
///
/// Where both are there, which BEP 3 forbids, `files` counts, as in libtorrent.
pub(super) fn read_files(info: &Node<'_, '_, '_>, name: &str) -> Result<Content, MetainfoError> {
    let Some(files) = info.get("files") else {
        return Ok(Content {
            entries: vec![read_single_file(info, name)?],
            is_single_file: true,
        });
    };
    let entries: Vec<_> = files
        .list()?
        .map(|file| read_file(&file, name))
        .collect::<Result<_, _>>()?;
    if entries.is_empty() {
        return files.fail(Empty);
    }
    Ok(Content {
        entries,
        is_single_file: false,
    })
}

fn read_single_file(info: &Node<'_, '_, '_>, name: &str) -> Result<Entry, MetainfoError> {
    let attributes = read_attributes(info);
    Ok(Entry {
        path: name.to_owned(),
        length: info.require("length")?.length()?,
        kind: EntryKind::Data,
        executable: attributes.executable,
        hidden: attributes.hidden,
        root: None,
    })
}

fn read_file(file: &Node<'_, '_, '_>, name: &str) -> Result<Entry, MetainfoError> {
    file.dict()?;
    let attributes = read_attributes(file);
    let (path, is_bitcomet_pad) = read_path(file, name, attributes.pad)?;
    let kind = if attributes.pad || is_bitcomet_pad {
        EntryKind::Pad
    } else {
        link_or_data(file, name, attributes)?
    };
    Ok(Entry {
        path,
        length: read_length(file, &kind, attributes)?,
        kind,
        executable: attributes.executable,
        hidden: attributes.hidden,
        root: None,
    })
}

/// A link takes no bytes, whatever it says, and need not say it (BEP 47); neither need one that
/// became a file for lack of a target.
pub(super) fn read_length(
    file: &Node<'_, '_, '_>,
    kind: &EntryKind,
    attributes: Attributes,
) -> Result<u64, MetainfoError> {
    match (kind, file.get("length")) {
        (EntryKind::Link { .. }, _) => Ok(0),
        (_, Some(length)) => length.length(),
        (_, None) if attributes.link => Ok(0),
        (_, None) => file.require("length")?.length(),
    }
}

pub(super) fn read_attributes(file: &Node<'_, '_, '_>) -> Attributes {
    Attributes::read(
        file.value
            .get("attr")
            .and_then(bt_bencoding::Value::as_bytes),
    )
}

/// A link without a target is not one.
pub(super) fn link_or_data(
    file: &Node<'_, '_, '_>,
    name: &str,
    attributes: Attributes,
) -> Result<EntryKind, MetainfoError> {
    let target = match file.get("symlink path") {
        Some(target) if attributes.link => join(&target, name)?,
        _ => None,
    };
    Ok(match target {
        Some((target, _)) => EntryKind::Link { target },
        None => EntryKind::Data,
    })
}

/// The sanitised path, and whether it is that of BitComet's padding.
fn read_path(
    file: &Node<'_, '_, '_>,
    name: &str,
    is_pad: bool,
) -> Result<(String, bool), MetainfoError> {
    // A list that is empty or none is passed over, as with `name.utf-8`.
    let utf8 = file.get("path.utf-8");
    let utf8 = utf8.filter(|path| {
        path.value
            .as_list()
            .is_some_and(|mut list| list.next().is_some())
    });
    let (path, kind) = match (utf8, file.get("path")) {
        (Some(path), _) | (None, Some(path)) => (join(&path, name)?, Empty),
        (None, None) => (None, Missing),
    };
    match path {
        Some((path, last)) => Ok((path, last.starts_with(BITCOMET_PAD))),
        // Padding needs no path; it is written nowhere.
        None if is_pad => Ok((format!("{name}/.pad"), false)),
        None => match file.require("path") {
            Ok(path) => path.fail(kind),
            Err(missing) => Err(missing),
        },
    }
}

/// A list of names as one sanitised path below the torrent's, and its last name as it is.
fn join<'a>(
    path: &Node<'_, '_, 'a>,
    torrent_name: &str,
) -> Result<Option<(String, &'a [u8])>, MetainfoError> {
    let mut joined = torrent_name.to_owned();
    let mut last: Option<&[u8]> = None;
    for name in path.list()? {
        if let Some(folder) = last.replace(name.bytes()?) {
            push_folder(&mut joined, folder);
        }
    }
    Ok(last.map(|file| {
        push_file(&mut joined, file);
        (joined, file)
    }))
}

/// How BitComet names padding, for which it had no attribute.
const BITCOMET_PAD: &[u8] = b"_____padding_file_";
