use super::entry::{Content, EntryKind};
use crate::{
    MetainfoError,
    MetainfoErrorKind::{HybridAlignment, HybridMismatch, HybridPadding},
    node::{Node, Place},
};

/// The v1 list of a hybrid with the roots of its v2 list, after checking that both describe the
/// same files in the same order, and that each begins a piece (BEP 52, "upgrade path").
///
/// Padding behind the last file may be there or not; creators differ. No padding is longer than it
/// takes to begin a piece, else the two formats would number pieces differently.
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
    // Where the next file that is not empty must begin.
    let mut next_piece = 0_u64;
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
        if entry.length > 0 {
            if start != next_piece {
                return fail(HybridAlignment(start));
            }
            next_piece = end.checked_next_multiple_of(piece_length).unwrap_or(end);
        }
    }
    if end > next_piece {
        return whole.fail(HybridPadding(end));
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
