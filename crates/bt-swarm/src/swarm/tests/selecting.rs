//! What is wanted, and that it may change at any time.

use bt_metainfo::InfoBuilder;
use bt_types::{FileIndex, PieceIndex, Priority};

use super::*;

/// Three files of a MiB and a half in pieces of 64 KiB: neighbours share none.
fn three_files() -> Arc<Info> {
    let length = 3 * MIB / 2;
    let info = ["a", "b", "c"]
        .iter()
        .fold(InfoBuilder::new("three", 64 * 1024), |info, name| {
            info.file([*name], length)
        });
    Arc::new(info.pieces(vec![[0; 20]; 72]).build().unwrap())
}

fn only(files: &[u32]) -> Arc<Selection> {
    let priority = |file| match files.contains(&file) {
        true => Priority::Normal,
        false => Priority::Skip,
    };
    Arc::new(Selection::of_files((0..3).map(priority)))
}

/// The pieces of these files.
fn pieces_of(info: &Info, files: &[u32]) -> Vec<PieceIndex> {
    let files = files.iter().map(|&file| FileIndex(file));
    files
        .flat_map(|file| info.layout().pieces_of(file))
        .collect()
}

fn completions(net: &Net, node: usize) -> usize {
    let events = net.nodes[node].events.iter();
    events.filter(|event| **event == Event::Completed).count()
}

#[test]
fn only_what_is_wanted_is_fetched_and_more_when_more_is_wanted() {
    let info = three_files();
    let mut net = Net::new();
    let (seed, leech) = (net.seed(&info), net.leech(&info));
    net.nodes[leech].swarm.set_selection(net.now, only(&[1]));
    net.tell(leech, &[seed]);
    net.complete(leech, secs(60));
    let have = net.nodes[leech].swarm.have().unwrap();
    assert!(have.iter_ones().eq(pieces_of(&info, &[1])));
    let stats = net.nodes[leech].swarm.stats(net.now);
    assert_eq!(stats.wanted_bytes_total, 3 * MIB / 2);
    assert_eq!(stats.wanted_bytes_verified, stats.wanted_bytes_total);
    assert_eq!(stats.bytes_total, 9 * MIB / 2);
    net.advance(secs(1));
    assert_eq!(
        net.nodes[leech].swarm.peers(net.now).count(),
        0,
        "they part (BEP 21)"
    );
    assert_eq!(completions(&net, leech), 1);

    net.nodes[leech].swarm.set_selection(net.now, only(&[1, 2]));
    assert!(!net.nodes[leech].swarm.is_complete());
    net.complete(leech, secs(120));
    let stats = net.nodes[leech].swarm.stats(net.now);
    assert_eq!(stats.downloaded, 3 * MIB, "nothing comes twice");
    assert_eq!(completions(&net, leech), 2);

    // To want less of what is there changes nothing.
    net.nodes[leech].swarm.set_selection(net.now, only(&[2]));
    net.run();
    assert_eq!(completions(&net, leech), 2);
    assert_eq!(net.nodes[leech].swarm.have().unwrap().count_ones(), 48);
}

#[test]
fn who_has_what_it_wants_serves_it_and_says_that_it_only_uploads() {
    let info = three_files();
    let mut net = Net::new();
    let (seed, some) = (net.seed(&info), net.leech(&info));
    net.nodes[some].swarm.set_selection(net.now, only(&[0]));
    net.tell(some, &[seed]);
    net.complete(some, secs(60));
    let all = net.leech(&info);
    net.tell(all, &[some]);
    net.advance(secs(30));
    let have = net.nodes[all].swarm.have().unwrap();
    assert!(have.iter_ones().eq(pieces_of(&info, &[0])));
    let peer = net.nodes[some].swarm.peers(net.now).next().unwrap();
    assert!(!peer.am_interested);
}

#[test]
fn what_is_not_wanted_any_more_is_cancelled_and_leaves_no_memory() {
    let info = three_files();
    let mut swarm = with_memory(&info, Bitfield::new(72), 32 << 20);
    let now = epoch();
    let conn = swarm.handle_connected(now, incoming(1)).unwrap();
    // Not all, or we would part when we want nothing.
    let mut theirs = Bitfield::full(72);
    theirs.remove(PieceIndex::new(71));
    swarm.handle_message(now, conn, Message::Bitfield(theirs.as_bytes().into()));
    swarm.handle_message(now, conn, Message::Unchoke);
    let requests = |actions: Vec<Action<Tag>>| {
        let sent = actions.into_iter().filter_map(|action| match action {
            Action::Send(_, Outgoing::Message(Message::Request(block))) => Some(block),
            _ => None,
        });
        sent.collect::<Vec<_>>()
    };
    let asked = requests(drain(&mut swarm));
    assert!(asked.len() >= 2);
    // One block comes; of its piece more is missing.
    let tag = Tag {
        length: BLOCK_LENGTH,
        is_good: true,
    };
    swarm.handle_block(now, conn, asked[0], tag);
    let asked = [asked, requests(drain(&mut swarm))].concat();
    swarm.set_selection(now, only(&[]));
    swarm.check_invariants();
    let said = drain(&mut swarm);
    let cancelled = said.iter().filter(|action| {
        matches!(
            action,
            Action::Send(_, Outgoing::Message(Message::Cancel(_)))
        )
    });
    assert_eq!(cancelled.count(), asked.len() - 1);
    let is_told = |message: &Message| {
        said.iter().any(
            |action| matches!(action, Action::Send(_, Outgoing::Message(said)) if said == message),
        )
    };
    assert!(is_told(&Message::NotInterested));
    assert_eq!(swarm.memory_bytes(), 0);
    assert_eq!(swarm.stats(now).wasted.unwanted, u64::from(BLOCK_LENGTH));
    assert!(swarm.is_complete());

    // What was on its way is nobody's fault, and all of it may be wanted again.
    for &block in &asked[1..] {
        swarm.handle_block(now, conn, block, tag);
    }
    swarm.set_selection(now, only(&[0, 1, 2]));
    swarm.check_invariants();
    assert!(!requests(drain(&mut swarm)).is_empty());
    assert!(!swarm.is_complete());
}

#[test]
fn what_is_wanted_may_be_said_before_the_metadata_is_known() {
    let info = three_files();
    let config = Config::new(bt_types::PeerId([1; 20]), 6881);
    let mut swarm = Swarm::<Tag>::new(info.ids(), config, [1; 32]);
    swarm.set_selection(epoch(), only(&[2]));
    let mut have = Bitfield::new(72);
    for piece in pieces_of(&info, &[2]) {
        have.insert(piece);
    }
    swarm.handle_metadata(epoch(), Arc::clone(&info), have);
    assert!(swarm.is_complete());
    assert_eq!(swarm.stats(epoch()).wanted_bytes_total, 3 * MIB / 2);
}

#[test]
fn priorities_and_the_order_decide_what_comes_first() {
    let info = three_files();
    let mut selection = Selection::of_files([Priority::Low, Priority::Normal, Priority::High]);
    selection.in_order = true;
    selection.ends_first = true;
    let mut net = Net::new();
    let (seed, leech) = (net.seed(&info), net.leech(&info));
    net.nodes[leech]
        .swarm
        .set_selection(net.now, Arc::new(selection));
    net.tell(leech, &[seed]);
    net.complete(leech, secs(60));
    let came = net.nodes[leech]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::PieceVerified(piece) => Some(piece.get()),
            _ => None,
        });
    let ends = [0, 23, 24, 47, 48, 71];
    let inner = (49..71).chain(25..47).chain(1..23);
    assert_eq!(
        came.collect::<Vec<_>>(),
        ends.into_iter().chain(inner).collect::<Vec<_>>()
    );
}

proptest! {
    /// Whatever is wanted when, and whoever is there: in the end all that is wanted is there.
    #[test]
    fn selections_may_change_at_any_time(
        changes in prop::collection::vec((0u8..8, 0u64..40), 1..8),
    ) {
        let info = three_files();
        let mut net = Net::new();
        let seed = net.seed(&info);
        let leeches = [net.leech(&info), net.leech(&info)];
        net.tell(leeches[0], &[seed]);
        net.tell(leeches[1], &[leeches[0], seed]);
        let mut wanted = [vec![0, 1, 2], vec![0, 1, 2]];
        for (turn, (files, tenths)) in changes.into_iter().enumerate() {
            let files: Vec<_> = (0..3).filter(|file| files >> file & 1 == 1).collect();
            net.nodes[leeches[turn % 2]].swarm.set_selection(net.now, only(&files));
            wanted[turn % 2] = files;
            net.advance(Duration::from_millis(tenths * 100));
        }
        for (leech, wanted) in leeches.into_iter().zip(wanted) {
            net.complete(leech, secs(300));
            let have = net.nodes[leech].swarm.have().unwrap();
            for piece in pieces_of(&info, &wanted) {
                prop_assert!(have.get(piece));
            }
        }
    }
}
