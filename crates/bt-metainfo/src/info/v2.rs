use bt_bencoding::{Dict, Value};

use super::{
    entry::{Content, Entry},
    v1::{link_or_data, read_attributes, read_length},
};
use crate::{
    MetainfoError,
    MetainfoErrorKind::{Empty, FileAndFolder, PadInTree, PathsTooLong, RootLength, ZeroRoot},
    name::{push_file, push_folder},
    node::{Node, Place},
};

/// The files of a v2 or hybrid dictionary in the order of its tree: depth first (BEP 52).
pub(super) fn read_tree(
    info: &Node<'_, '_, '_>,
    raw_name: &[u8],
    name: &str,
) -> Result<Content, MetainfoError> {
    let tree = info.require("file tree")?;
    let mut entries = Vec::new();
    if let Some(file) = single_file(&tree, raw_name, name)? {
        entries.push(read_leaf(&tree, file, name.to_owned(), name)?);
        return Ok(Content {
            entries,
            is_single_file: true,
        });
    }
    // The folders that are open, and the lengths of their paths. As deep as the bencode's limit.
    let mut path = name.to_owned();
    let mut open = vec![(tree.dict()?, path.len())];
    let mut path_bytes = 0;
    while let Some((folder, length)) = open.last_mut() {
        path.truncate(*length);
        let Some((name_of_entry, value)) = folder.next() else {
            open.pop();
            continue;
        };
        if name_of_entry.is_empty() {
            let place = Place::Path(tree.place(), &path);
            return Node::new(value, place).fail(FileAndFolder);
        }
        let parent = path.len();
        push_file(&mut path, name_of_entry);
        path_bytes += path.len();
        if path_bytes > MAX_PATH_BYTES {
            return tree.fail(PathsTooLong(MAX_PATH_BYTES));
        }
        match leaf_of(&tree, value, &path)? {
            Some(leaf) => entries.push(read_leaf(&tree, leaf, path.clone(), name)?),
            None => {
                path.truncate(parent);
                push_folder(&mut path, name_of_entry);
                let inner = Node::new(value, Place::Path(tree.place(), &path)).dict()?;
                open.push((inner, path.len()));
            }
        }
    }
    if entries.is_empty() {
        return tree.fail(Empty);
    }
    Ok(Content {
        entries,
        is_single_file: false,
    })
}

/// A torrent is one file by itself if that is all of the tree and has the torrent's name.
fn single_file<'t, 'a>(
    tree: &Node<'_, 't, 'a>,
    raw_name: &[u8],
    sanitised: &str,
) -> Result<Option<Value<'t, 'a>>, MetainfoError> {
    let mut entries: Dict<'t, 'a> = tree.dict()?;
    match (entries.next(), entries.next()) {
        (Some((name, value)), None) if name == raw_name && !name.is_empty() => {
            leaf_of(tree, value, sanitised)
        }
        _ => Ok(None),
    }
}

/// What stands under the empty key, if `value` is a file. A folder has no such key; a file has no
/// other.
fn leaf_of<'t, 'a>(
    tree: &Node<'_, 't, 'a>,
    value: Value<'t, 'a>,
    path: &str,
) -> Result<Option<Value<'t, 'a>>, MetainfoError> {
    let node = Node::new(value, Place::Path(tree.place(), path));
    let mut entries = node.dict()?;
    match (entries.next(), entries.next()) {
        (Some((b"", leaf)), None) => Ok(Some(leaf)),
        (Some((b"", _)), Some(_)) => node.fail(FileAndFolder),
        _ => Ok(None),
    }
}

fn read_leaf(
    tree: &Node<'_, '_, '_>,
    leaf: Value<'_, '_>,
    path: String,
    name: &str,
) -> Result<Entry, MetainfoError> {
    let file = Node::new(leaf, Place::Path(tree.place(), &path));
    file.dict()?;
    let attributes = read_attributes(&file);
    if attributes.pad {
        return file.fail(PadInTree);
    }
    let kind = link_or_data(&file, name, attributes)?;
    let length = read_length(&file, &kind, attributes)?;
    let root = if length == 0 {
        None
    } else {
        Some(read_root(&file)?)
    };
    Ok(Entry {
        length,
        kind,
        executable: attributes.executable,
        hidden: attributes.hidden,
        root,
        path,
    })
}

fn read_root(file: &Node<'_, '_, '_>) -> Result<[u8; 32], MetainfoError> {
    let node = file.require("pieces root")?;
    let bytes = node.bytes()?;
    match <[u8; 32]>::try_from(bytes) {
        Ok([0, rest @ ..]) if rest == [0; 31] => node.fail(ZeroRoot),
        Ok(root) => Ok(root),
        Err(_) => node.fail(RootLength(bytes.len())),
    }
}

/// In a tree a folder's name is written once and stands in the path of each of its files. Enough
/// for a million files with long names.
const MAX_PATH_BYTES: usize = 128 << 20;
/// The leaves of v2's trees, and the smallest piece (BEP 52).
pub(super) const BLOCK_LENGTH: u64 = 16 * 1024;
