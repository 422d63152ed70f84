use super::{pauses::MAX_PAUSE, *};

/// 10 MB/s and 100 ms: the link holds 61 blocks, and 400 ms at this rate are 244 more.
#[test]
fn the_depth_follows_rate_and_latency() {
    check_depth(10_000_000, Duration::from_millis(100), 290..=320);
    check_depth(1_000_000, Duration::from_millis(100), 29..=36);
    check_depth(100_000, Duration::from_millis(100), 3..=5);
    check_depth(100_000, Duration::from_secs(3), 16..=26);
    check_depth(5_000, Duration::from_millis(20), 2..=2);
}

#[test]
fn slow_start_doubles_with_each_round_trip_and_ends_when_the_rate_stands() {
    let start = epoch();
    let config = PickerConfig::default();
    let mut pipeline = Pipeline::new(start, &PickerConfig::default());
    let depth = pipeline.depth(250, &config);
    for _ in 0..depth {
        pipeline.record(start + MS * 50, answer(MS * 50, MS), &config);
    }
    assert_eq!(pipeline.depth(250, &config), 2 * depth);
    assert!(pipeline.is_slow_start());
    for block in 0..40 {
        let now = start + MS * (50 + 100 * block);
        pipeline.record(now, answer(MS * 50, MS), &config);
    }
    assert!(!pipeline.is_slow_start());
}

#[test]
fn a_slow_peer_is_not_asked_for_much_even_in_slow_start() {
    let start = epoch();
    let config = PickerConfig::default();
    let mut pipeline = Pipeline::new(start, &PickerConfig::default());
    for block in 1..=8 {
        let round_trip = MS * if block <= 4 { 50 * block } else { 450 };
        let now = start + MS * 50 * block;
        pipeline.record(now, answer(round_trip, MS * 50), &config);
    }
    assert!(pipeline.is_slow_start());
    assert_eq!(pipeline.depth(250, &config), 8, "450 ms of 50 ms each");
}

#[test]
fn the_peer_s_own_bound_wins() {
    let config = PickerConfig::default();
    let mut pipeline = Pipeline::new(epoch(), &PickerConfig::default());
    assert_eq!(pipeline.depth(0, &config), 1);
    assert_eq!(pipeline.depth(1, &config), 1);
    assert_eq!(pipeline.depth(3, &config), 3);
    assert_eq!(pipeline.depth(u32::MAX, &config), INITIAL_DEPTH as usize);
    pipeline.collapse();
    assert_eq!(pipeline.depth(250, &config), 2);
}

#[test]
fn the_time_out_adapts_between_its_bounds() {
    let config = PickerConfig::default();
    let secs = Duration::from_secs;
    let mut round_trip = RoundTrip::default();
    assert_eq!(round_trip.timeout(0, &config), secs(10));
    for _ in 0..50 {
        round_trip.record(MS * 100);
    }
    assert_eq!(round_trip.timeout(0, &config), secs(2));
    assert_eq!(round_trip.timeout(1, &config), secs(4));
    assert_eq!(round_trip.timeout(u32::MAX, &config), secs(60));
    for _ in 0..50 {
        round_trip.record(secs(9));
    }
    assert!((secs(9)..secs(10)).contains(&round_trip.timeout(0, &config)));
    round_trip.record(secs(17));
    assert!(
        round_trip.timeout(0, &config) > secs(17),
        "deviation counts four times"
    );
    round_trip.record(secs(10_000));
    assert_eq!(round_trip.timeout(0, &config), secs(60));
}

#[test]
fn our_own_queue_is_not_taken_for_latency() {
    let mut pipeline = Pipeline::new(epoch(), &PickerConfig::default());
    for sample in [100, 900, 1100, 1100] {
        pipeline.round_trip.record(MS * sample);
    }
    assert_eq!(pipeline.round_trip.latency(), MS * 100);
    pipeline.restart(epoch());
    pipeline.round_trip.record(MS * 50_000);
    assert_eq!(pipeline.round_trip.latency(), MAX_LATENCY);
}

/// A peer that sends twice a second whatever it has been asked for, as transmission does whenever it
/// has had nothing to send, and a limit of 1 MB/s, which is what we ask for at most.
#[test]
fn a_peer_that_sends_in_bursts_is_asked_for_all_that_it_sends_until_the_next() {
    let start = epoch();
    let config = PickerConfig::default();
    let mut pipeline = Pipeline::new(start, &config);
    let (mut asked, mut last_block, mut rate) = (Vec::new(), start, 0);
    for tick in 1..=600 {
        let now = start + MS * 50 * tick;
        // 3 blocks in 50 ms are 983 kB/s.
        for _ in 0..3 {
            if asked.len() < pipeline.depth(u32::MAX, &config) {
                asked.push(now);
            }
        }
        if tick % 10 != 0 {
            continue;
        }
        rate = asked.len() as u32 * BLOCK_LENGTH * 2;
        for (nth, sent_at) in asked.iter().enumerate() {
            let answer = Answer {
                is_last: nth + 1 == asked.len(),
                ..answer(now - *sent_at, now - last_block.max(*sent_at))
            };
            pipeline.record(now, answer, &config);
            last_block = now;
        }
        asked.clear();
    }
    assert_eq!(rate, 30 * 2 * BLOCK_LENGTH, "all that the limit allows");
}

/// One that is slow is not asked for more: it does not pause, it is at work.
#[test]
fn a_slow_peer_does_not_pause() {
    let start = epoch();
    let config = PickerConfig::default();
    let mut pipeline = Pipeline::new(start, &config);
    pipeline.record(start, answer(MS * 50, MS * 50), &config);
    for block in 1..200 {
        let answer = Answer {
            is_last: block % 2 == 0,
            ..answer(MS * 900, MS * 450)
        };
        pipeline.record(start + MS * 450 * block, answer, &config);
    }
    assert_eq!(pipeline.depth(u32::MAX, &config), 2);
}

#[test]
fn a_hiccup_is_forgotten() {
    let start = epoch();
    let mut pauses = Pauses::new(start);
    pauses.record(start + MS * 700, MS * 700, true);
    assert_eq!(pauses.longest(MS * 400), MS * 700);
    assert_eq!(
        pauses.longest(MS * 700),
        Duration::ZERO,
        "as long as the queue"
    );
    for second in 1..=12 {
        pauses.record(start + MS * (700 + 1000 * second), MS, true);
    }
    assert_eq!(pauses.longest(MS * 400), Duration::ZERO);
    pauses.record(start + MS * 14_000, MS * 9_000, false);
    assert_eq!(
        pauses.longest(MS * 400),
        Duration::ZERO,
        "there was more to send"
    );
    pauses.record(start + MS * 14_001, MS, true);
    assert_eq!(pauses.longest(MS * 400), MAX_PAUSE);
}

fn answer(round_trip: Duration, busy: Duration) -> Answer {
    Answer {
        bytes: BLOCK_LENGTH,
        round_trip,
        busy,
        is_last: false,
    }
}

/// Lets a pipeline run for half a minute over a link that sends `rate` bytes per second after
/// `latency`.
fn check_depth(rate: u64, latency: Duration, expected: std::ops::RangeInclusive<usize>) {
    let start = epoch();
    let config = PickerConfig::default();
    let mut pipeline = Pipeline::new(start, &PickerConfig::default());
    let block_time = Duration::from_micros(u64::from(BLOCK_LENGTH) * 1_000_000 / rate);
    let (mut now, mut free_at) = (start, start);
    let mut queue = std::collections::VecDeque::new();
    while now < start + Duration::from_secs(30) {
        while queue.len() < pipeline.depth(u32::MAX, &config) {
            free_at = free_at.max(now + latency) + block_time;
            queue.push_back((now, free_at));
        }
        let (sent_at, arrives) = queue.pop_front().unwrap();
        now = arrives;
        pipeline.record(now, answer(now - sent_at, block_time), &config);
    }
    let depth = pipeline.depth(u32::MAX, &config);
    assert!(
        expected.contains(&depth),
        "{depth} for {rate} B/s and {latency:?}"
    );
    let measured = pipeline.rate_bytes_per_sec(now);
    // Where blocks are seconds apart, the measure swings between them.
    let is_steady = block_time < Duration::from_secs(1);
    assert!(
        !is_steady || measured * 10 > rate * 9,
        "{measured} of {rate} B/s: the link is kept busy"
    );
}

const MS: Duration = Duration::from_millis(1);

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary epoch; only offsets from it matter"
)]
fn epoch() -> Instant {
    Instant::now()
}
