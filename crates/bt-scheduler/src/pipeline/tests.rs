use super::*;

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
        pipeline.record(start + MS * 50, BLOCK_LENGTH, MS * 50, MS, &config);
    }
    assert_eq!(pipeline.depth(250, &config), 2 * depth);
    assert!(pipeline.is_slow_start());
    for block in 0..40 {
        pipeline.record(
            start + MS * (50 + 100 * block),
            BLOCK_LENGTH,
            MS * 50,
            MS,
            &config,
        );
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
        pipeline.record(now, BLOCK_LENGTH, round_trip, MS * 50, &config);
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
        pipeline.record(now, BLOCK_LENGTH, now - sent_at, block_time, &config);
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
