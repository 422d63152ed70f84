use super::entry::{Content, EntryKind};
use crate::{
    MetainfoError,
    MetainfoErrorKind::{HybridAlignment, HybridMismatch},
    node::{Node, Place},
};

/// The v1 list of a hybrid with the roots of its v2 list, after checking that both describe the
/// same files in the same order, and that each begins a piece (BEP 52, "upgrade path").
///
/// Padding behind the last file may be there or not; creators differ.
pub(super) fn merge(
    info: &Node<'_, '_, '_>,
    mut v1: Content,
    v2: &Content,
    piece_length: u64,
) -> Result<Content, MetainfoError> {
    let list = info.get("files");
    let whole = list.as_ref().unwrap_or(info);
    let mut tree = v2.entries.iter();
    let mut end = 0_u64;
    for (index, entry) in v1.entries.iter_mut().enumerate() {
        let place = match &list {
            Some(list) => Place::Item(list.place(), index),
            None => *info.place(),
        };
        let fail = |kind| Err(MetainfoError::new(place, kind));
        let start = end;
        // Lengths that overflow are refused by the layout.
        end = end.saturating_add(entry.length);
        if matches!(entry.kind, EntryKind::Pad) {
            continue;
        }
        let twin = tree.next();
        match twin {
            Some(twin) if twin.path == entry.path && twin.length == entry.length => {
                entry.root = twin.root;
            }
            _ => {
                return fail(HybridMismatch {
                    v1: describe(&entry.path, entry.length),
                    v2: twin.map_or_else(nothing, |twin| describe(&twin.path, twin.length)),
                });
            }
        }
        if entry.length > 0 && start % piece_length != 0 {
            return fail(HybridAlignment(start));
        }
    }
    match tree.next() {
        None => Ok(v1),
        Some(left) => whole.fail(HybridMismatch {
            v1: nothing(),
            v2: describe(&left.path, left.length),
        }),
    }
}

fn describe(path: &str, length: u64) -> String {
    format!("{path:?} of {length} bytes")
}

fn nothing() -> String {
    "nothing".to_owned()
}
