use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::{Duration, Instant},
};

use bt_hash::{sha1, sha256};
use bt_types::{BLOCK_LENGTH, ConnId, InfoHash, InfoHashV2, TorrentIds};
use proptest::prelude::*;

use super::{draft::length_of, *};
use crate::testing::epoch;

/// How a peer answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Honest,
    /// Sends this block wrong, or all if it is not there.
    Wrong(u32),
    /// Names another size, and sends as much.
    Sized(u32),
    Silent,
    /// Refuses everything.
    Refuses,
    /// Answers just before it is given up.
    Slow,
}

/// Peers, each of a host of its own, and one who fetches from them.
struct Lab {
    now: Instant,
    fetch: Fetch,
    right: Vec<u8>,
    kinds: Vec<Kind>,
    /// Those that are still talked to.
    present: BTreeSet<usize>,
    /// By when it arrives; the number keeps them apart.
    answers: BTreeMap<(Instant, usize), (usize, u32)>,
    asked: Vec<(usize, u32)>,
    blamed: BTreeSet<usize>,
    peak: usize,
}

impl Lab {
    fn new(length: usize, max_bytes: u32, kinds: &[Kind]) -> Self {
        let right = dictionary(length);
        let ids = TorrentIds::v1_only(InfoHash(sha1(&right)));
        let mut lab = Self {
            now: epoch(),
            fetch: Fetch::new(ids, max_bytes),
            right,
            kinds: kinds.to_vec(),
            present: (0..kinds.len()).collect(),
            answers: BTreeMap::new(),
            asked: Vec::new(),
            blamed: BTreeSet::new(),
            peak: 0,
        };
        for peer in 0..kinds.len() {
            let size = Some(lab.size_of(peer));
            lab.fetch.set_source(lab.now, conn(peer), addr(peer), size);
        }
        lab
    }

    fn size_of(&self, peer: usize) -> u32 {
        match self.kinds[peer] {
            Kind::Sized(size) => size,
            _ => self.right.len() as u32,
        }
    }

    /// Until it has come, or at most so long.
    fn run(&mut self, limit: Duration) -> Option<Vec<u8>> {
        let end = self.now + limit;
        loop {
            while let Some((conn, block)) = self.fetch.poll_request(self.now) {
                let peer = conn.0 as usize;
                self.asked.push((peer, block));
                let delay = match self.kinds[peer] {
                    Kind::Silent => continue,
                    Kind::Slow => Duration::from_millis(9_900),
                    _ => Duration::from_millis(50),
                };
                let number = self.asked.len();
                self.answers
                    .insert((self.now + delay, number), (peer, block));
            }
            self.peak = self.peak.max(self.fetch.memory_bytes());
            self.fetch.check_invariants();
            let arrival = self.answers.keys().next().map(|(at, _)| *at);
            let next = [arrival, self.fetch.poll_timeout()];
            let next = next.into_iter().flatten().min()?;
            if next > end {
                return None;
            }
            self.now = self.now.max(next);
            if let Some(bytes) = self.arrive() {
                return Some(bytes);
            }
        }
    }

    fn arrive(&mut self) -> Option<Vec<u8>> {
        while let Some(entry) = self.answers.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let (peer, block) = entry.remove();
            if !self.present.contains(&peer) {
                continue;
            }
            let (kind, size) = (self.kinds[peer], self.size_of(peer));
            if kind == Kind::Refuses {
                assert!(self.fetch.handle_reject(self.now, conn(peer), block));
                continue;
            }
            let bytes = self.block(kind, size, block);
            let data = self
                .fetch
                .handle_data(self.now, conn(peer), block, size, bytes);
            assert!(matches!(data, Data::Taken | Data::Unneeded), "{data:?}");
            match self.fetch.judge() {
                Some(Verdict::Right { bytes, liars }) => {
                    liars.into_iter().for_each(|liar| self.part_from(liar));
                    return Some(bytes);
                }
                Some(Verdict::Lie(liar)) => self.part_from(liar),
                Some(Verdict::Mixed(senders)) => assert!(senders.len() > 1),
                Some(Verdict::Contradiction) => panic!("there is one id only"),
                None => {}
            }
        }
        None
    }

    fn block(&self, kind: Kind, size: u32, block: u32) -> Box<[u8]> {
        let length = length_of(size, block).expect("only blocks are asked for");
        let begin = block as usize * BLOCK_LENGTH as usize;
        let mut bytes = match self.right.get(begin..begin + length) {
            Some(right) => right.to_vec(),
            None => vec![7; length],
        };
        let last = size.div_ceil(BLOCK_LENGTH) - 1;
        if matches!(kind, Kind::Wrong(wrong) if wrong == block || wrong > last) {
            bytes[0] ^= 1;
        }
        bytes.into()
    }

    fn part_from(&mut self, liar: SocketAddr) {
        let liar = usize::from(liar.port() - 1);
        self.blamed.insert(liar);
        self.present.remove(&liar);
        self.fetch.remove(conn(liar));
    }
}

#[test]
fn several_peers_are_asked_at_once_each_for_another_block() {
    let mut lab = Lab::new(7 * BLOCK - 100, CAP, &[Kind::Honest; 3]);
    let first: Vec<_> = std::iter::from_fn(|| lab.fetch.poll_request(lab.now)).collect();
    let blocks: BTreeSet<_> = first.iter().map(|(_, block)| *block).collect();
    let peers: BTreeSet<_> = first.iter().map(|(conn, _)| *conn).collect();
    assert_eq!((first.len(), blocks.len(), peers.len()), (3, 3, 3));
    assert_eq!(lab.fetch.progress().peers, 3);

    let mut lab = Lab::new(7 * BLOCK - 100, CAP, &[Kind::Honest; 3]);
    let bytes = lab.run(SECOND).expect("nobody lies");
    assert_eq!(bytes, lab.right);
    assert_eq!(lab.asked.len(), 7, "none twice");
    let end = lab.fetch.progress();
    assert_eq!(
        (end.bytes as usize, end.total as usize),
        (bytes.len(), bytes.len())
    );
    assert_eq!(lab.fetch.poll_timeout(), None);
}

#[test]
fn a_size_is_a_vote_and_takes_no_memory() {
    let mut lab = Lab::new(3 * BLOCK, CAP, &[]);
    for (peer, size) in [(0, 0), (1, u32::MAX), (2, CAP + 1)] {
        lab.fetch
            .set_source(lab.now, conn(peer), addr(peer), Some(size));
    }
    assert_eq!(lab.fetch.poll_request(lab.now), None);
    assert_eq!(lab.fetch.progress(), MetadataProgress::default());
    lab.fetch.set_source(lab.now, conn(3), addr(3), Some(CAP));
    assert_eq!(lab.fetch.progress().total, CAP);
    assert_eq!(lab.fetch.memory_bytes(), 0);
    assert!(lab.fetch.poll_request(lab.now).is_some());
    assert_eq!(lab.fetch.memory_bytes(), BLOCK);
    // It thinks better of it, and two hosts have another word.
    lab.fetch.set_source(lab.now, conn(3), addr(3), None);
    assert_eq!(lab.fetch.memory_bytes(), 0);
    for (peer, size) in [(4, 10), (5, 20), (6, 20)] {
        lab.fetch
            .set_source(lab.now, conn(peer), addr(peer), Some(size));
    }
    assert_eq!(
        (lab.fetch.progress().total, lab.fetch.progress().peers),
        (20, 2)
    );
}

#[test]
fn who_alone_sends_a_wrong_copy_is_named() {
    for wrong in [0, 2, u32::MAX] {
        let mut lab = Lab::new(3 * BLOCK, CAP, &[Kind::Wrong(wrong)]);
        assert_eq!(lab.run(10 * SECOND), None);
        assert_eq!(lab.blamed, [0].into());
        assert_eq!(lab.fetch.memory_bytes(), 0);
        // And then somebody comes who does not lie.
        lab.kinds.push(Kind::Honest);
        lab.present.insert(1);
        let size = lab.right.len() as u32;
        lab.fetch.set_source(lab.now, conn(1), addr(1), Some(size));
        assert_eq!(lab.run(SECOND).as_ref(), Some(&lab.right));
    }
}

/// The copy that came from all is wrong; those that come from one each tell who it was.
#[test]
fn one_wrong_block_among_good_ones_convicts_its_sender_and_nobody_else() {
    for liars in 1..4 {
        let mut kinds = vec![Kind::Wrong(u32::MAX); liars];
        kinds.extend([Kind::Honest; 4]);
        let mut lab = Lab::new(20 * BLOCK + 5, CAP, &kinds);
        let bytes = lab.run(60 * SECOND).expect("some are honest");
        assert_eq!(bytes, lab.right);
        assert_eq!(lab.blamed, (0..liars).collect());
    }
}

#[test]
fn who_does_not_answer_is_not_waited_for() {
    let kinds = [Kind::Silent, Kind::Silent, Kind::Honest];
    let mut lab = Lab::new(6 * BLOCK, CAP, &kinds);
    assert!(lab.run(5 * SECOND).is_some(), "others are asked after 3 s");
    // And is asked again more and more rarely, if there is nobody else.
    let mut lab = Lab::new(BLOCK, CAP, &[Kind::Silent]);
    assert_eq!(lab.run(Duration::from_secs(24 * 3600)), None);
    assert!((20..40).contains(&lab.asked.len()), "{}", lab.asked.len());
    assert!(lab.blamed.is_empty());
}

#[test]
fn a_reject_sends_us_elsewhere_and_back_after_a_minute_then_two() {
    let mut lab = Lab::new(2 * BLOCK, CAP, &[Kind::Refuses, Kind::Honest]);
    assert!(lab.run(SECOND).is_some());
    let mut lab = Lab::new(BLOCK, CAP, &[Kind::Refuses]);
    for (minutes, times) in [(0, 1), (1, 2), (3, 3), (7, 4), (15, 5)] {
        let until = epoch() + Duration::from_secs(minutes * 60 + 30);
        assert_eq!(lab.run(until - lab.now), None);
        assert_eq!(lab.asked.len(), times, "after {minutes} minutes");
        lab.now = until;
    }
    assert!(
        !lab.fetch.handle_reject(lab.now, conn(0), 0),
        "it was not asked"
    );
}

#[test]
fn a_late_answer_counts_if_it_is_still_of_use() {
    let mut lab = Lab::new(BLOCK, CAP, &[Kind::Silent]);
    assert_eq!(lab.run(15 * SECOND), None);
    let bytes: Box<[u8]> = lab.right.clone().into();
    let size = bytes.len() as u32;
    let data = lab
        .fetch
        .handle_data(lab.now, conn(0), 0, size, bytes.clone());
    assert_eq!(data, Data::Taken);
    assert!(matches!(lab.fetch.judge(), Some(Verdict::Right { .. })));
    let data = lab.fetch.handle_data(lab.now, conn(0), 0, size, bytes);
    assert_eq!(data, Data::Unneeded);
}

#[test]
fn what_does_not_fit_or_was_not_asked_for_is_told_apart() {
    let mut lab = Lab::new(2 * BLOCK, CAP, &[Kind::Honest, Kind::Honest]);
    let whole = || vec![0; BLOCK].into_boxed_slice();
    let size = 2 * BLOCK as u32;
    let say = |lab: &mut Lab, peer, block, total, bytes| {
        lab.fetch
            .handle_data(lab.now, conn(peer), block, total, bytes)
    };
    assert_eq!(say(&mut lab, 0, 0, size, whole()), Data::Unrequested);
    assert_eq!(say(&mut lab, 9, 0, size, whole()), Data::Unrequested);
    let asked: Vec<_> = std::iter::from_fn(|| lab.fetch.poll_request(lab.now)).collect();
    assert_eq!(asked, [(conn(0), 0), (conn(1), 1)]);
    assert_eq!(say(&mut lab, 1, 0, size, whole()), Data::Unrequested);
    assert_eq!(say(&mut lab, 0, u32::MAX, size, whole()), Data::Unrequested);
    assert_eq!(say(&mut lab, 0, 0, size + 1, whole()), Data::Misfit);
    assert_eq!(say(&mut lab, 1, 1, size, [0; 9].into()), Data::Misfit);
    assert_eq!(lab.fetch.memory_bytes(), 0);
}

/// Fifty liars, each with a size of its own and a megabyte to send, and one who is honest.
#[test]
fn endless_lies_take_no_more_memory_than_allowed() {
    let mut kinds: Vec<_> = (0..50_u32)
        .map(|n| Kind::Sized((1 << 20) - n * 1000))
        .collect();
    kinds.push(Kind::Honest);
    let cap = 1 << 20;
    let mut lab = Lab::new(1 << 20, cap, &kinds);
    // The one with the same size is a liar, too.
    lab.kinds[0] = Kind::Wrong(3);
    let bytes = lab.run(Duration::from_secs(3600)).expect("one is honest");
    assert_eq!(bytes, lab.right);
    assert!(lab.peak <= cap as usize, "{} bytes", lab.peak);
    assert!(!lab.blamed.contains(&50));
}

#[test]
fn all_ids_that_are_known_must_match() {
    let right = dictionary(BLOCK + 9);
    let (v1, v2) = (InfoHash(sha1(&right)), InfoHashV2(sha256(&right)));
    let judge = |ids, bytes: &[u8]| {
        let mut fetch = Fetch::new(ids, CAP);
        let size = bytes.len() as u32;
        fetch.set_source(epoch(), conn(0), addr(0), Some(size));
        while let Some((conn, block)) = fetch.poll_request(epoch()) {
            let part = bytes.chunks(BLOCK).nth(block as usize).unwrap();
            fetch.handle_data(epoch(), conn, block, size, part.into());
        }
        fetch.judge().expect("all has come")
    };
    let is_right = Verdict::Right {
        bytes: right.clone(),
        liars: Vec::new(),
    };
    let other_v2 = InfoHashV2([3; 32]);
    for ids in [
        TorrentIds::v1_only(v1),
        TorrentIds::v2_only(v2),
        TorrentIds::hybrid(v1, v2),
    ] {
        assert_eq!(judge(ids, &right), is_right);
        let mut wrong = right.clone();
        wrong[5] ^= 1;
        assert_eq!(judge(ids, &wrong), Verdict::Lie(addr(0)));
    }
    for ids in [
        TorrentIds::hybrid(v1, other_v2),
        TorrentIds::hybrid(InfoHash([3; 20]), v2),
    ] {
        assert_eq!(judge(ids, &right), Verdict::Contradiction);
    }
    assert_eq!(
        judge(TorrentIds::v2_only(other_v2), &right),
        Verdict::Lie(addr(0))
    );
}

#[test]
fn requests_are_served_at_a_pace_and_so_often() {
    let mut serving = Serving::default();
    let size = 10 * BLOCK as u32;
    assert_eq!(serving.ask(size, 10), Answer::Refused, "there are ten");
    assert_eq!(serving.ask(0, 0), Answer::Refused, "there is none");
    let queued = (0..1000).filter(|n| serving.ask(size, n % 10) == Answer::Queued);
    assert_eq!(queued.count(), 4 * 10 + 16);
    let mut now = epoch() + SECOND;
    let at_once = std::iter::from_fn(|| serving.take(now)).count();
    assert!((8..=9).contains(&at_once), "{at_once}");
    let began = now;
    while let Some(next) = serving.next_at(now) {
        assert!(next > now);
        now = next;
        assert!(serving.take(now).is_some());
    }
    assert!(now - began > SECOND, "{:?}", now - began);
    assert!(matches!(serving.ask(size, 0), Answer::Flood(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whoever else is there: one who is honest is enough, and is never blamed; who lies is, if
    /// it was believed; memory is bounded.
    #[test]
    fn one_honest_peer_is_enough(
        kinds in prop::collection::vec(kind(), 0..8),
        place in 0_usize..8,
        length in 1_usize..6 * BLOCK,
    ) {
        let mut kinds = kinds;
        let place = place.min(kinds.len());
        kinds.insert(place, Kind::Honest);
        let cap = 8 * BLOCK as u32;
        let mut lab = Lab::new(length, cap, &kinds);
        // One that names the right size and sends filling is no honest one.
        for kind in &mut lab.kinds {
            if *kind == Kind::Sized(length as u32) {
                *kind = Kind::Wrong(u32::MAX);
            }
        }
        let bytes = lab.run(Duration::from_secs(2 * 3600));
        prop_assert_eq!(bytes.as_ref(), Some(&lab.right));
        for blamed in &lab.blamed {
            let kind = lab.kinds[*blamed];
            prop_assert!(matches!(kind, Kind::Wrong(_) | Kind::Sized(_)), "{:?}", kind);
        }
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Honest),
        (0_u32..8).prop_map(Kind::Wrong),
        (1..8 * BLOCK as u32).prop_map(Kind::Sized),
        Just(Kind::Silent),
        Just(Kind::Refuses),
        Just(Kind::Slow),
    ]
}

/// Bytes of which no two blocks are alike.
fn dictionary(length: usize) -> Vec<u8> {
    (0..length as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

fn conn(peer: usize) -> ConnId {
    ConnId(peer as u64)
}

fn addr(peer: usize) -> SocketAddr {
    SocketAddr::from(([11, 0, 0, peer as u8], peer as u16 + 1))
}

const BLOCK: usize = BLOCK_LENGTH as usize;
const CAP: u32 = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);
