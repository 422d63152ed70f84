use std::time::Duration;

use crate::SimRng;

/// How nodes come and go.
///
/// ```
/// use std::time::Duration;
/// use bt_sim::{Arrivals, Churn, ChurnEvent, SimRng};
///
/// let minute = Duration::from_secs(60);
/// let churn = Churn { arrivals: Arrivals::FlashCrowd { within: minute }, session: None, absence: None };
/// let schedule = churn.schedule(300, minute * 60, &mut SimRng::new(1));
/// assert_eq!(schedule.len(), 300);
/// assert!(schedule.iter().all(|(at, event)| *at < minute && matches!(event, ChurnEvent::Join(_))));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Churn {
    /// When nodes come for the first time.
    pub arrivals: Arrivals,
    /// How long a node stays, on average; `None` is for ever.
    pub session: Option<Duration>,
    /// How long a node that has left stays away, on average; `None` is for ever.
    pub absence: Option<Duration>,
}

/// When nodes come for the first time, in the order of their numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrivals {
    /// All of them, at the start.
    AtOnce,
    /// All of them, at any time within this one.
    FlashCrowd {
        /// After the start; not zero.
        within: Duration,
    },
    /// One after the other, independently.
    Steady {
        /// The time between two, on average.
        mean_gap: Duration,
    },
}

/// What a node does.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ChurnEvent {
    /// Comes, for the first time or again.
    Join(u32),
    /// Goes.
    Leave(u32),
}

impl Churn {
    /// What the nodes 0 to `nodes` - 1 do before `end`, in order of time. Each of them joins and
    /// leaves in turn, and begins with joining.
    #[must_use]
    pub fn schedule(
        &self,
        nodes: u32,
        end: Duration,
        rng: &mut SimRng,
    ) -> Vec<(Duration, ChurnEvent)> {
        let mut schedule = Vec::new();
        for (node, arrival) in (0..nodes).zip(self.arrivals(nodes, rng)) {
            let mut at = arrival;
            let mut stays = [
                (ChurnEvent::Join(node), self.session),
                (ChurnEvent::Leave(node), self.absence),
            ]
            .into_iter()
            .cycle();
            while let Some((event, stay)) = stays.next().filter(|_| at < end) {
                schedule.push((at, event));
                let Some(mean) = stay else {
                    break;
                };
                at += rng.exponential(mean).max(SHORTEST_STAY);
            }
        }
        schedule.sort_by_key(|(at, _)| *at);
        schedule
    }

    fn arrivals(&self, nodes: u32, rng: &mut SimRng) -> Vec<Duration> {
        let mut arrivals: Vec<_> = match self.arrivals {
            Arrivals::AtOnce => vec![Duration::ZERO; nodes as usize],
            Arrivals::FlashCrowd { within } => (0..nodes)
                .map(|_| rng.duration(Duration::ZERO..within))
                .collect(),
            Arrivals::Steady { mean_gap } => (0..nodes)
                .scan(Duration::ZERO, |last, _| {
                    *last += rng.exponential(mean_gap);
                    Some(*last)
                })
                .collect(),
        };
        arrivals.sort_unstable();
        arrivals
    }
}

/// Nobody comes and goes at the same time, and every schedule ends.
const SHORTEST_STAY: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sessions_have_their_mean() {
        let churn = Churn {
            arrivals: Arrivals::Steady { mean_gap: SECOND },
            session: Some(SECOND * 600),
            absence: None,
        };
        let schedule = churn.schedule(5_000, SECOND * 1_000_000, &mut SimRng::new(2));
        assert_eq!(schedule.len(), 10_000);
        let mut joined = vec![Duration::ZERO; 5_000];
        let mut stayed = Duration::ZERO;
        for (at, event) in schedule {
            match event {
                ChurnEvent::Join(node) => joined[node as usize] = at,
                ChurnEvent::Leave(node) => stayed += at - joined[node as usize],
            }
        }
        let mean = (stayed / 5_000).as_secs();
        assert!((570..630).contains(&mean), "{mean}");
        let last = joined.last().unwrap().as_secs();
        assert!((4_750..5_250).contains(&last), "{last}");
    }

    fn churn() -> impl Strategy<Value = Churn> {
        let time = || (1_u64..20_000).prop_map(Duration::from_millis);
        let arrivals = prop_oneof![
            Just(Arrivals::AtOnce),
            time().prop_map(|within| Arrivals::FlashCrowd { within }),
            time().prop_map(|mean_gap| Arrivals::Steady { mean_gap }),
        ];
        let maybe = || prop::option::of((0_u64..20_000).prop_map(Duration::from_millis));
        (arrivals, maybe(), maybe()).prop_map(|(arrivals, session, absence)| Churn {
            arrivals,
            session,
            absence,
        })
    }

    proptest! {
        /// In order of time, within the end, each node joining and leaving in turn; and the same
        /// for the same seed.
        #[test]
        fn schedules_make_sense(churn in churn(), nodes in 0_u32..20, seed: u64) {
            let end = SECOND * 10;
            let schedule = churn.schedule(nodes, end, &mut SimRng::new(seed));
            prop_assert!(schedule.is_sorted_by_key(|(at, _)| *at));
            prop_assert!(schedule.iter().all(|(at, _)| *at < end));
            let mut present = vec![false; nodes as usize];
            for (_, event) in &schedule {
                let (node, joins) = match event {
                    ChurnEvent::Join(node) => (*node as usize, true),
                    ChurnEvent::Leave(node) => (*node as usize, false),
                };
                prop_assert_ne!(present[node], joins);
                present[node] = joins;
            }
            prop_assert_eq!(churn.schedule(nodes, end, &mut SimRng::new(seed)), schedule);
        }
    }

    const SECOND: Duration = Duration::from_secs(1);
}
