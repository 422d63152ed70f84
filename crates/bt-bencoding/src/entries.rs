use alloc::vec::Vec;
use core::ops::Range;

/// Where in a buffer an entry of a dictionary was written. It ends where the next begins, the last
/// one with the buffer.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) start: usize,
    /// The content of the key, without its length.
    pub(crate) key: Range<usize>,
}

/// Puts the entries with which `out` ends, given in the order in which they stand there, into that
/// of their keys.
///
/// # Errors
/// If a key is there twice; it is returned, and `out` is as before.
pub(crate) fn sort_entries(out: &mut Vec<u8>, entries: &[Entry]) -> Result<(), Range<usize>> {
    let key = |entry: &Entry| &out[entry.key.clone()];
    if entries.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])) {
        return Ok(());
    }
    let ends = entries.iter().skip(1).map(|next| next.start);
    let ends = ends.chain([out.len()]);
    let mut sorted: Vec<(&Entry, usize)> = entries.iter().zip(ends).collect();
    sorted.sort_unstable_by_key(|(entry, _)| key(entry));
    for pair in sorted.windows(2) {
        if key(pair[0].0) == key(pair[1].0) {
            return Err(pair[0].0.key.clone());
        }
    }
    let start = entries[0].start;
    let mut moved = Vec::with_capacity(out.len() - start);
    for (entry, end) in sorted {
        moved.extend_from_slice(&out[entry.start..end]);
    }
    out.truncate(start);
    out.append(&mut moved);
    Ok(())
}
