use std::time::Duration;

/// What passed over the upload lines, second by second, and what could have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// Bytes on the lines, with all headers.
    sent: Vec<u64>,
    /// When lines came and went, and how many bytes per second each carries; in order of time.
    changes: Vec<(Duration, i64)>,
}

impl Timeline {
    pub(crate) fn sent(&mut self, now: Duration, bytes: u64) {
        let second = now.as_secs() as usize;
        if second >= self.sent.len() {
            self.sent.resize(second + 1, 0);
        }
        self.sent[second] += bytes;
    }

    pub(crate) fn joined(&mut self, now: Duration, up: u64) {
        self.changes.push((now, up.cast_signed()));
    }

    pub(crate) fn left(&mut self, now: Duration, up: u64) {
        self.changes.push((now, -up.cast_signed()));
    }

    /// The part of what all lines together could have carried between two times that they did
    /// carry; 0 where there were none. Whole seconds are counted.
    #[must_use]
    pub fn utilisation(&self, from: Duration, until: Duration) -> f64 {
        let (first, last) = (from.as_secs(), until.as_secs().max(from.as_secs() + 1));
        let sent = self.sent.iter().skip(first as usize);
        let sent: u64 = sent.take((last - first) as usize).sum();
        let possible = self.capacity(Duration::from_secs(first), Duration::from_secs(last));
        if possible > 0.0 {
            sent as f64 / possible
        } else {
            0.0
        }
    }

    /// Bytes that could have been sent.
    fn capacity(&self, from: Duration, until: Duration) -> f64 {
        let (mut bytes, mut rate, mut since) = (0.0, 0_i64, from);
        for &(at, change) in &self.changes {
            let at = at.clamp(from, until);
            bytes += rate as f64 * (at - since).as_secs_f64();
            since = at;
            rate += change;
        }
        bytes + rate as f64 * (until - since).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_come_and_go_count_while_they_are_there() {
        let mut timeline = Timeline::default();
        timeline.joined(Duration::ZERO, 100);
        timeline.joined(SECOND * 2, 100);
        timeline.left(SECOND * 3, 100);
        timeline.sent(SECOND / 2, 50);
        timeline.sent(SECOND * 5 / 2, 200);
        let during = |from, until| timeline.utilisation(SECOND * from, SECOND * until);
        assert_eq!(during(0, 1), 0.5);
        assert_eq!(during(1, 2), 0.0);
        assert_eq!(during(2, 3), 1.0);
        assert_eq!(during(0, 4), 0.5);
        assert_eq!(Timeline::default().utilisation(SECOND, SECOND * 2), 0.0);
    }

    const SECOND: Duration = Duration::from_secs(1);
}
