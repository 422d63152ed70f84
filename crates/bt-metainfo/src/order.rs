use std::cmp::Ordering;

/// The order of files in a new torrent: folder by folder, names compared as bytes.
///
/// `a` and `b` are the names from below the torrent's folder down to the file. This is the order
/// in which BEP 52 writes a file tree, so that the same content makes the same torrent on every
/// machine, and a v1 list stands as its v2 counterpart would. libtorrent 2.0 has it for its
/// canonical torrents; where it is given a list of files it keeps that list's order.
///
/// ```
/// use bt_metainfo::canonical_order;
///
/// let mut paths = [vec!["a.txt"], vec!["b"], vec!["a", "z"], vec!["B"], vec!["a-b", "c"]];
/// paths.sort_unstable_by(|a, b| canonical_order(a, b));
/// assert_eq!(paths, [vec!["B"], vec!["a", "z"], vec!["a-b", "c"], vec!["a.txt"], vec!["b"]]);
/// ```
#[must_use]
pub fn canonical_order(a: &[impl AsRef<str>], b: &[impl AsRef<str>]) -> Ordering {
    let a = a.iter().map(|name| name.as_ref().as_bytes());
    let b = b.iter().map(|name| name.as_ref().as_bytes());
    a.cmp(b)
}
