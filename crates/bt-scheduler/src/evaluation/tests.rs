use proptest::prelude::*;

use super::*;

const ALL: Evaluator = Evaluator { terms: Terms::ALL };

#[test]
fn a_stranger_is_taken_to_send_a_block_a_second() {
    let stranger = ALL.evaluate(&Evidence::default());
    assert_eq!(stranger.goodput(), 16_384);
    assert_eq!(stranger.worth(), 16_384);
    assert_eq!(stranger.block_time(), None);
}

#[test]
fn what_is_measured_is_taken_as_it_is_while_nothing_goes_wrong() {
    let known = quick();
    let evaluation = ALL.evaluate(&known);
    assert_eq!(evaluation.goodput(), 1_000_000);
    let queue = Duration::from_millis(400);
    assert_eq!(evaluation.bytes_ahead(queue), 500_000, "and 100 ms of way");
    assert_eq!(evaluation.block_time(), quick().block_time);
}

/// The bytes per second that a place is worth.
#[test]
fn worth_by_hand() {
    let far = Evidence {
        latency: Duration::from_millis(1200),
        ..quick()
    };
    let takes = Evidence {
        upload_rate: 100_000,
        download_rate: Some(0),
        ..Evidence::default()
    };
    let bad = |what: fn(&mut Evidence) -> &mut Tally, times: usize| {
        let mut evidence = quick();
        (0..times).for_each(|_| what(&mut evidence).add_bad());
        evidence
    };
    let table = [
        (quick(), 800_000),
        (far, 250_000),
        (takes, 50_000),
        (bad(|peer| &mut peer.answers, 4), 400_000),
        (bad(|peer| &mut peer.answers, 12), 200_000),
        (bad(|peer| &mut peer.pieces, 1), 400_000),
        (
            Evidence {
                failures: 2,
                ..quick()
            },
            200_000,
        ),
        (
            Evidence {
                failures: u32::MAX,
                ..quick()
            },
            1562,
        ),
    ];
    for (evidence, worth) in table {
        assert_eq!(ALL.evaluate(&evidence).worth(), worth, "{evidence:?}");
    }
}

#[test]
fn who_fails_at_half_of_it_takes_twice_as_long() {
    let mut evidence = quick();
    evidence.pieces.add_bad();
    let time = ALL.evaluate(&evidence).block_time();
    assert_eq!(time, quick().block_time.map(|time| 2 * time));
}

#[test]
fn a_tally_forgets_slowly() {
    let mut tally = Tally::default();
    (0..10_000).for_each(|_| tally.add_good());
    assert!(tally.is_clean());
    (0..20).for_each(|_| tally.add_bad());
    assert!((700..900).contains(&tally.share(0)), "{tally:?}");
    (0..1000).for_each(|_| tally.add_good());
    assert!(tally.is_clean());
}

#[test]
fn what_is_left_out_changes_nothing() {
    let mut evidence = Evidence {
        upload_rate: 5,
        ..quick()
    };
    evidence.answers.add_bad();
    evidence.pieces.add_bad();
    evidence.failures = 1;
    let blind = Terms::ALL;
    let blind = Term::ALL.into_iter().fold(blind, Terms::without);
    let blind = Evaluator { terms: blind };
    assert_eq!(
        blind.evaluate(&evidence),
        blind.evaluate(&Evidence::default())
    );
    for term in Term::ALL {
        let terms = Terms::ALL.without(term);
        assert!(!terms.contains(term));
        let without = Evaluator { terms }.evaluate(&evidence);
        assert_ne!(without, ALL.evaluate(&evidence), "{term:?} counts");
    }
}

proptest! {
    /// Whatever goes wrong, a peer that it goes wrong with is not worth more for it.
    #[test]
    fn nothing_bad_is_worth_anything(
        rate in 0..1_u64 << 40,
        taken in 0..1_u64 << 40,
        latency in 0..10_000_u64,
        // Fewer than are remembered: to forget old failures is good for a peer.
        tallies in proptest::array::uniform2((0..50_u8, 0..49_u8)),
        failures in 0..20_u32,
        which in 0..3_usize,
    ) {
        let tally = |(good, bad): (u8, u8)| {
            let mut tally = Tally::default();
            (0..good).for_each(|_| tally.add_good());
            (0..bad).for_each(|_| tally.add_bad());
            tally
        };
        let [answers, pieces] = tallies.map(tally);
        let before = Evidence {
            download_rate: Some(rate),
            block_time: None,
            upload_rate: taken,
            latency: Duration::from_millis(latency),
            answers,
            pieces,
            taken: 0,
            given: 0,
            failures,
        };
        let mut after = before;
        match which {
            0 => after.answers.add_bad(),
            1 => after.pieces.add_bad(),
            _ => after.failures += 1,
        }
        let [before, after] = [before, after].map(|evidence| ALL.evaluate(&evidence));
        prop_assert!(after.worth() <= before.worth());
        prop_assert!(after.goodput() <= before.goodput());
    }

    #[test]
    fn no_evidence_is_too_much(
        rates: [u64; 2], latency_secs: u32, bad in 0..200_u32, time_secs: u32,
    ) {
        let mut evidence = Evidence {
            download_rate: Some(rates[0]),
            upload_rate: rates[1],
            latency: Duration::from_secs(u64::from(latency_secs)),
            block_time: Some(Duration::from_secs(u64::from(time_secs))),
            ..Evidence::default()
        };
        (0..bad).for_each(|_| evidence.answers.add_bad());
        let evaluation = ALL.evaluate(&evidence);
        let _ = evaluation.worth();
        let _ = evaluation.bytes_ahead(Duration::from_secs(1));
    }
}

fn quick() -> Evidence {
    Evidence {
        download_rate: Some(1_000_000),
        block_time: Some(Duration::from_nanos(12_345_679)),
        latency: Duration::from_millis(100),
        ..Evidence::default()
    }
}
