//! Swarms in which not everybody wants everything.

use std::{sync::Arc, time::Duration};

use bt_sim::{Access, Rate};
use bt_swarm::Event;
use bt_tests::{NodeSpec, World, WorldConfig};
use bt_types::{FileExtent, FileIndex, PieceIndex, PieceLayout, Priority, Selection};

/// One seed, three who want a file each, three who want all: those who want a part have it, and
/// nothing of what they did not want, soon; and those who want all get it, also from them.
#[test]
fn who_wants_a_part_gets_that_and_gives_it_on() {
    let mut world = World::new(WorldConfig::common(11));
    let torrent = world.add_torrent_of(&FILES, PIECE_LENGTH);
    let seed = NodeSpec {
        torrent,
        ..NodeSpec::seed(access())
    };
    world.add(seed);
    let leecher = |selection| NodeSpec {
        torrent,
        selection: Arc::new(selection),
        ..NodeSpec::leecher(access())
    };
    let some: Vec<_> = (0..3).map(|file| world.add(leecher(only(file)))).collect();
    for _ in 0..3 {
        world.add(leecher(Selection::everything()));
    }
    let report = world.run(Duration::from_secs(3600));
    assert_eq!(report.completion_times().len(), 6, "{report}");
    let layout = PieceLayout::packed(PIECE_LENGTH.into(), FILES.map(FileExtent::data)).unwrap();
    for (file, &node) in (0..).map(FileIndex).zip(&some) {
        let mut got = verified(&world, node);
        got.sort_unstable();
        assert_eq!(got, layout.pieces_of(file).collect::<Vec<_>>(), "{file:?}");
    }
}

/// The order in which pieces come.
#[test]
fn in_order_the_first_comes_first_also_from_several() {
    let mut world = World::new(WorldConfig::common(12));
    let torrent = world.add_torrent_of(&FILES, PIECE_LENGTH);
    for _ in 0..4 {
        world.add(NodeSpec {
            torrent,
            ..NodeSpec::seed(access())
        });
    }
    let mut selection = Selection::of_files([Priority::Low, Priority::High, Priority::Normal]);
    selection.in_order = true;
    let node = world.add(NodeSpec {
        torrent,
        selection: Arc::new(selection),
        ..NodeSpec::leecher(access())
    });
    world.run(Duration::from_secs(3600));
    let layout = PieceLayout::packed(PIECE_LENGTH.into(), FILES.map(FileExtent::data)).unwrap();
    let mut expected: Vec<PieceIndex> = Vec::new();
    for file in [1, 2, 0].map(FileIndex) {
        let of_file = layout
            .pieces_of(file)
            .filter(|piece| !expected.contains(piece));
        expected.extend(of_file.collect::<Vec<_>>());
    }
    let got = verified(&world, node);
    assert_eq!(got.len(), expected.len());
    for (place, piece) in got.into_iter().enumerate() {
        let should = expected.iter().position(|&other| other == piece).unwrap();
        // Each seed is at work on a piece or two.
        assert!(
            place.abs_diff(should) <= 8,
            "{piece:?} came as number {place}, not {should}"
        );
    }
}

fn verified(world: &World, node: usize) -> Vec<PieceIndex> {
    let pieces = world.events(node).filter_map(|(_, event)| match event {
        Event::PieceVerified(piece) => Some(*piece),
        _ => None,
    });
    pieces.collect()
}

fn only(file: usize) -> Selection {
    Selection::of_files((0..FILES.len()).map(|other| match other == file {
        true => Priority::Normal,
        false => Priority::Skip,
    }))
}

fn access() -> Access {
    Access {
        up: Rate::mbit_per_sec(10),
        down: Rate::mbit_per_sec(100),
        delay: Duration::from_micros(12_500),
        loss: 0.0,
    }
}

/// Neighbours share pieces.
const FILES: [u64; 3] = [5_000_000, 7_000_000, 3_000_000];
const PIECE_LENGTH: u32 = 256 * 1024;
