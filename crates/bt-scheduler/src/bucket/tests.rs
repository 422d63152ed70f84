use proptest::prelude::*;

use super::*;

/// What somebody who waits for tokens does.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Sends, as much as may go, things of this size.
    Send(u64),
    /// Does nothing for so many nanoseconds.
    Pause(u64),
    /// Waits until it is worth trying again, and so many nanoseconds longer.
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1..=LARGEST).prop_map(Step::Send),
        1 => (0..2_000_000_000_u64).prop_map(Step::Pause),
        2 => (0..2_000_000_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..60)
}

fn rates() -> impl Strategy<Value = NonZeroU64> {
    let magnitudes = prop_oneof![
        Just(1),
        1..100_u64,
        1_000..100_000_u64,
        1_000_000..10_000_000_000_u64,
        Just(u64::MAX),
    ];
    magnitudes.prop_map(|rate| NonZeroU64::new(rate).expect("holds because none is 0"))
}

/// Whatever goes, and when.
fn run(bucket: &mut TokenBucket, now: &mut Instant, steps: &[Step]) -> Vec<(Instant, u64)> {
    let mut gone = Vec::new();
    for step in steps {
        match *step {
            // However fast it may be: a thousand say enough.
            Step::Send(bytes) => {
                for _ in 0..1000 {
                    if !bucket.has_tokens(*now) {
                        break;
                    }
                    bucket.spend(*now, bytes);
                    gone.push((*now, bytes));
                }
            }
            Step::Pause(nanos) => *now += Duration::from_nanos(nanos),
            Step::Wait(late) => {
                *now = bucket.ready_at(*now).unwrap_or(*now) + Duration::from_nanos(late);
            }
        }
    }
    gone
}

/// The most that goes in any stretch of time beyond what the rate gives in it.
fn worst_excess(gone: &[(Instant, u64)], rate: NonZeroU64) -> i128 {
    let mut worst = 0;
    for first in 0..gone.len() {
        let mut sum = 0;
        for &(at, bytes) in &gone[first..] {
            sum += i128::from(bytes) * 1_000_000_000;
            let nanos = (at - gone[first].0).as_nanos();
            let given = nanos.saturating_mul(u128::from(rate.get()));
            worst = worst.max(sum - i128::try_from(given).unwrap_or(i128::MAX));
        }
    }
    worst / 1_000_000_000
}

proptest! {
    #[test]
    fn no_stretch_of_time_has_more_than_rate_and_burst(rate in rates(), steps in steps()) {
        let mut now = epoch();
        let mut bucket = TokenBucket::new(now, rate);
        let gone = run(&mut bucket, &mut now, &steps);
        let gone = &gone[..gone.len().min(200)];
        prop_assert!(worst_excess(gone, rate) <= i128::from(bucket.burst() + LARGEST));
    }

    /// However the waiting is cut into pieces, and whatever the sizes.
    #[test]
    fn who_always_has_something_reaches_the_rate(
        rate in 1_000..20_000_000_u64,
        sizes in prop::collection::vec(1_000..=LARGEST, 1..8),
        late in 0..1_000_000_u64,
    ) {
        let start = epoch();
        let mut now = start;
        let mut bucket = TokenBucket::new(now, NonZeroU64::new(rate).unwrap());
        let end = start + Duration::from_secs((LARGEST * 40 / rate).max(2));
        let mut sizes = sizes.iter().cycle();
        let mut sum = 0;
        while now < end {
            while bucket.has_tokens(now) {
                let &size = sizes.next().unwrap();
                bucket.spend(now, size);
                sum += u128::from(size);
            }
            now = bucket.ready_at(now).unwrap() + Duration::from_nanos(late);
        }
        let given = (now - start).as_nanos() * u128::from(rate) / 1_000_000_000;
        prop_assert!(sum + u128::from(rate / 32) + 1 >= given, "{sum} of {given}");
        prop_assert!(sum <= given + u128::from(bucket.burst() + LARGEST));
    }

    #[test]
    fn being_asked_changes_nothing(
        rate in rates(),
        steps in steps(),
        pauses in prop::collection::vec(0..1_000_000_u64, 100),
    ) {
        let mut now = epoch();
        let mut bucket = TokenBucket::new(now, rate);
        run(&mut bucket, &mut now, &steps);
        let mut asked = bucket;
        for pause in pauses {
            now += Duration::from_nanos(pause);
            asked.spend(now, 0);
            asked.set_rate(now, rate);
        }
        prop_assert_eq!(asked.has_tokens(now), bucket.has_tokens(now));
        prop_assert_eq!(asked.debt(now), bucket.debt(now));
        prop_assert_eq!(asked.ready_at(now), bucket.ready_at(now));
    }

    #[test]
    fn a_new_rate_holds_from_its_first_moment(
        (old, new) in (rates(), rates()),
        before in steps(),
        after in steps(),
    ) {
        let mut now = epoch();
        let mut bucket = TokenBucket::new(now, old);
        run(&mut bucket, &mut now, &before);
        bucket.set_rate(now, new);
        let gone = run(&mut bucket, &mut now, &after);
        let gone = &gone[..gone.len().min(200)];
        prop_assert!(worst_excess(gone, new) <= i128::from(bucket.burst() + LARGEST));
    }

    #[test]
    fn when_the_time_has_come_something_may_go(rate in rates(), debt in 0..1_u64 << 40) {
        let mut now = epoch();
        let mut bucket = TokenBucket::new(now, rate);
        bucket.spend(now, debt);
        for _ in 0..3 {
            let Some(ready) = bucket.ready_at(now) else { return Ok(()) };
            prop_assert!(ready > now);
            if ready < now + LONGEST_WAIT {
                prop_assert!(bucket.has_tokens(ready));
            }
            now = ready;
        }
    }
}

#[test]
fn one_byte_a_second() {
    let start = epoch();
    let mut bucket = TokenBucket::new(start, NonZeroU64::MIN);
    bucket.spend(start, 16_384);
    assert_eq!(bucket.ready_at(start), Some(start + LONGEST_WAIT));
    assert!(!bucket.has_tokens(start + Duration::from_secs(16_383)));
    assert!(bucket.has_tokens(start + Duration::from_secs(16_385)));
}

#[test]
fn a_rise_frees_who_waits_for_hours() {
    let start = epoch();
    let mut bucket = TokenBucket::new(start, NonZeroU64::MIN);
    bucket.spend(start, 16_384);
    bucket.set_rate(start, NonZeroU64::new(1 << 20).unwrap());
    let ready = bucket.ready_at(start).unwrap();
    assert!(ready < start + Duration::from_millis(40));
}

#[test]
fn what_is_on_its_way_is_paid_before_anything_goes() {
    let start = epoch();
    let mut bucket = TokenBucket::new(start, NonZeroU64::new(1000).unwrap());
    bucket.set_aside(start, bucket.burst());
    assert!(!bucket.has_tokens(start) && bucket.debt(start) == 0);
    bucket.set_aside(start, bucket.burst() + 5000);
    bucket.set_aside(start, bucket.burst() + 4000);
    assert_eq!(bucket.debt(start), 5000);
    assert!(!bucket.has_tokens(start + Duration::from_secs(5)));
    assert!(bucket.has_tokens(start + Duration::from_millis(5001)));
}

#[test]
fn time_that_runs_backwards_is_harmless() {
    let start = epoch();
    let later = start + Duration::from_secs(1);
    let mut bucket = TokenBucket::new(later, NonZeroU64::new(1000).unwrap());
    bucket.spend(start, 1000);
    assert!(!bucket.has_tokens(start));
    assert_eq!(bucket.debt(later), 999);
}

#[expect(
    clippy::disallowed_methods,
    reason = "an arbitrary epoch; only offsets from it matter"
)]
fn epoch() -> Instant {
    Instant::now()
}

/// Header included.
const LARGEST: u64 = 16_397;

#[test]
fn what_does_not_go_after_all_is_given_back() {
    let start = epoch();
    let mut bucket = TokenBucket::new(start, NonZeroU64::new(1000).unwrap());
    bucket.spend(start, 50_000);
    bucket.refund(start, 20_000);
    assert_eq!(bucket.debt(start), 29_999);
    bucket.refund(start, u64::MAX);
    bucket.spend(start, bucket.burst());
    assert!(!bucket.has_tokens(start), "never more than a burst");
}
