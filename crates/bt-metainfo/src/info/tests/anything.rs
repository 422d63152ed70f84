use proptest::prelude::*;

use super::*;

fn any_bencode() -> impl Strategy<Value = Bytes> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(int),
        (0..100_000_i64).prop_map(int),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(string),
        "[a./]{0,3}".prop_map(string),
    ];
    let keys = [
        "attr",
        "file tree",
        "files",
        "length",
        "meta version",
        "name",
        "path",
        "piece length",
        "pieces",
        "pieces root",
        "symlink path",
        "",
    ];
    let keys = prop::sample::select(keys.to_vec());
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(list),
            prop::collection::btree_map(keys.clone(), inner, 0..5).prop_map(|entries| {
                dict(
                    entries
                        .iter()
                        .map(|(key, value)| (key.as_bytes(), value.clone())),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_panics(
        tree in any_bencode(),
        files in any_bencode(),
        piece_length in prop_oneof![Just(16_384), 0..100_000_i64],
        is_v2: bool,
    ) {
        let mut entries = vec![(&b"file tree"[..], tree), (b"files", files)];
        if is_v2 {
            entries.push((b"meta version", int(2)));
        }
        entries.push((b"name", string("n")));
        entries.push((b"piece length", int(piece_length)));
        let raw = dict(entries);
        if let Ok(info) = Info::from_bytes(&raw) {
            prop_assert_eq!(info.raw(), &raw[..]);
        }
    }

    /// Whatever is built is read again, with the same lengths.
    #[test]
    fn what_is_built_is_read(
        lengths in prop::collection::vec(0..200_000_u64, 1..10),
        piece_length in 1..100_000_u32,
        names in prop::collection::vec("\\PC{0,10}", 10),
    ) {
        let total: u64 = lengths.iter().sum();
        prop_assume!(total > 0);
        let mut builder = InfoBuilder::new("t", piece_length);
        for (length, name) in lengths.iter().zip(&names) {
            builder = builder.file([name], *length);
        }
        let pieces = total.div_ceil(u64::from(piece_length));
        let info = builder.pieces((0..pieces).map(|i| [i as u8; 20])).build().unwrap();
        let found: Vec<_> = info.files().iter().map(|file| file.length).collect();
        prop_assert_eq!(found, lengths);
    }
}
