//! What BEP 52 adds to a draft.

use std::collections::BTreeMap;

use bt_hash::merkle;

use super::{
    content::{Ben, dict, int, text},
    draft::Draft,
};

impl Draft {
    /// The same files as a v2-only torrent.
    pub(super) fn v2(self) -> Self {
        let v2 = self.with_tree();
        v2.without("files").without("length").without("pieces")
    }

    /// The same files as v1 and v2 at once; padding must be there already.
    pub(super) fn hybrid(self) -> Self {
        self.with_tree()
    }

    fn with_tree(self) -> Self {
        let mut tree = Tree::default();
        let mut layers = BTreeMap::new();
        for (path, bytes) in self.content_by_path() {
            let root = Root::of(bytes, self.piece_length_in_bytes());
            tree.add(
                &path,
                leaf(bytes.len() as i64, (!bytes.is_empty()).then_some(root.hash)),
            );
            if root.layer.len() > 1 {
                layers.insert(root.hash.to_vec(), text(root.layer.as_flattened()));
            }
        }
        let tree = tree.to_ben();
        self.info("file tree", tree)
            .info("meta version", int(2))
            .root("piece layers", dict(layers))
    }
}

/// What stands in the tree for a file.
pub(super) fn leaf(length: i64, root: Option<[u8; 32]>) -> Ben {
    let mut entries = vec![("length", int(length))];
    entries.extend(root.map(|root| ("pieces root", text(root))));
    dict([("", dict(entries))])
}

/// The root of a file's Merkle tree, and the layer of its pieces.
struct Root {
    hash: [u8; 32],
    layer: Vec<[u8; 32]>,
}

impl Root {
    fn of(bytes: &[u8], piece_length: usize) -> Self {
        let leaves: Vec<_> = bytes.chunks(BLOCK).map(merkle::block_hash).collect();
        if bytes.len() <= piece_length {
            let padded = leaves.len().next_power_of_two();
            return Self {
                hash: merkle::root_of(&leaves, padded),
                layer: Vec::new(),
            };
        }
        let blocks = piece_length / BLOCK;
        let layer: Vec<_> = leaves
            .chunks(blocks)
            .map(|piece| merkle::root_of(piece, blocks))
            .collect();
        let padded = layer.len().next_power_of_two();
        Self {
            hash: merkle::root_of_layer(&layer, blocks.ilog2(), padded),
            layer,
        }
    }
}

/// A file tree while it grows; sorted, as BEP 52 wants it.
#[derive(Default)]
struct Tree {
    folders: BTreeMap<Vec<u8>, Tree>,
    leaves: BTreeMap<Vec<u8>, Ben>,
}

impl Tree {
    fn add(&mut self, path: &[Vec<u8>], leaf: Ben) {
        match path {
            [] => {}
            [name] => {
                self.leaves.insert(name.clone(), leaf);
            }
            [folder, rest @ ..] => self
                .folders
                .entry(folder.clone())
                .or_default()
                .add(rest, leaf),
        }
    }

    fn to_ben(&self) -> Ben {
        let folders = self
            .folders
            .iter()
            .map(|(name, folder)| (name.clone(), folder.to_ben()));
        let leaves = self
            .leaves
            .iter()
            .map(|(name, leaf)| (name.clone(), leaf.clone()));
        dict(folders.chain(leaves).collect::<BTreeMap<_, _>>())
    }
}

const BLOCK: usize = 16_384;
