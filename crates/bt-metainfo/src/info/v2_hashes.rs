use std::collections::HashMap;

use bt_hash::merkle::root_of_layer;
use bt_types::{FileIndex, PieceIndex, PieceLayout};

use super::{entry::Entry, v2::BLOCK_LENGTH};
use crate::{
    MetainfoError,
    MetainfoErrorKind::{LayerLength, LayerMismatch, RootLength, UnknownLayer},
    node::{Node, Place},
};

/// What the pieces of a v2 torrent hash to, as far as it is known.
pub(super) struct V2Hashes {
    /// The files that are not empty, in order.
    files: Vec<Tree>,
    /// The layers that were given, one behind the other; each hashes to its file's root.
    layers: Vec<[u8; 32]>,
}

struct Tree {
    file: FileIndex,
    root: [u8; 32],
    first_piece: u32,
    piece_count: u32,
    /// Where in `layers` its hashes begin.
    layer: Option<u32>,
}

impl V2Hashes {
    pub(super) fn new(layout: &PieceLayout, entries: &[Entry]) -> Self {
        let trees = (0..).zip(entries).filter_map(|(index, entry)| {
            let mut pieces = layout.pieces_of(FileIndex(index));
            let piece_count = pieces.len() as u32;
            Some(Tree {
                file: FileIndex(index),
                root: entry.root?,
                first_piece: pieces.next()?.get(),
                piece_count,
                layer: None,
            })
        });
        Self {
            files: trees.collect(),
            layers: Vec::new(),
        }
    }

    pub(super) fn of_piece(&self, piece: PieceIndex) -> Option<[u8; 32]> {
        let behind = self
            .files
            .partition_point(|tree| tree.first_piece <= piece.get());
        let tree = self.files[..behind].last()?;
        let offset = piece.get() - tree.first_piece;
        match tree.piece_count {
            count if offset >= count => None,
            1 => Some(tree.root),
            _ => self.layers.get((tree.layer? + offset) as usize).copied(),
        }
    }

    pub(super) fn root_of(&self, file: FileIndex) -> Option<[u8; 32]> {
        let found = self.files.binary_search_by_key(&file, |tree| tree.file);
        Some(self.files[found.ok()?].root)
    }

    /// Takes a dictionary of roots and layers, each of which must belong to a file longer than a
    /// piece. Layers may be missing: peers can be asked for them.
    pub(super) fn add_layers(
        &mut self,
        layers: &Node<'_, '_, '_>,
        piece_length: u32,
    ) -> Result<(), MetainfoError> {
        let height = (u64::from(piece_length) / BLOCK_LENGTH).ilog2();
        // Files of the same content have the same root and share a layer.
        let mut waiting: HashMap<[u8; 32], Vec<usize>> = HashMap::new();
        for (index, tree) in self.files.iter().enumerate() {
            if tree.piece_count > 1 {
                waiting.entry(tree.root).or_default().push(index);
            }
        }
        for (root, layer) in layers.dict()? {
            let key = hex(root);
            let layer = Node::new(layer, Place::Path(layers.place(), &key));
            let bytes = layer.bytes()?;
            let Ok(root) = <[u8; 32]>::try_from(root) else {
                return layer.fail(RootLength(root.len()));
            };
            let Some(files) = waiting.remove(&root) else {
                return layer.fail(UnknownLayer);
            };
            for &file in &files {
                let expected = 32 * u64::from(self.files[file].piece_count);
                if bytes.len() as u64 != expected {
                    let found = bytes.len();
                    return layer.fail(LayerLength { found, expected });
                }
                self.files[file].layer = Some(self.layers.len() as u32);
            }
            let start = self.layers.len();
            let hashes = bytes.chunks_exact(32).filter_map(|hash| hash.first_chunk());
            self.layers.extend(hashes);
            let hashes = &self.layers[start..];
            if root_of_layer(hashes, height, hashes.len().next_power_of_two()) != root {
                return layer.fail(LayerMismatch);
            }
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(SHOWN_BYTES);
    shown.map(|byte| format!("{byte:02x}")).collect()
}

/// Of a root in an error message: as many as hashes are commonly abbreviated to.
const SHOWN_BYTES: usize = 8;
