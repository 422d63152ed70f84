use std::{fmt, time::Duration};

use bt_swarm::Stats;

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// When it was over.
    pub ended_at: Duration,
    /// One entry a node, in the order in which they were added.
    pub nodes: Vec<NodeReport>,
}

/// How a run ended for one node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeReport {
    /// It began with everything.
    pub is_seed: bool,
    /// When it had everything, counted from when it came; `None` for seeds, and for who never had.
    pub completion_time: Option<Duration>,
    /// The most payload that it held in memory, or had reserved memory for.
    pub peak_memory_bytes: usize,
    /// Its swarm's figures at the end.
    pub stats: Stats,
}

impl Report {
    /// The nodes that began with nothing.
    pub fn leechers(&self) -> impl Iterator<Item = &NodeReport> {
        self.nodes.iter().filter(|node| !node.is_seed)
    }

    /// When the last leecher was complete; `None` if one never was.
    #[must_use]
    pub fn last_completion(&self) -> Option<Duration> {
        let times: Option<Vec<_>> = self.leechers().map(|node| node.completion_time).collect();
        times?.into_iter().max()
    }

    /// Completion times of those who got there, ascending.
    #[must_use]
    pub fn completion_times(&self) -> Vec<Duration> {
        let mut times: Vec<_> = self
            .leechers()
            .filter_map(|node| node.completion_time)
            .collect();
        times.sort_unstable();
        times
    }
}

/// A few lines for people; the same run gives the same text.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = self.completion_times();
        writeln!(
            f,
            "completed: {} of {}",
            times.len(),
            self.leechers().count()
        )?;
        if !times.is_empty() {
            let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64();
            writeln!(
                f,
                "completion: first {:.1} s, median {:.1} s, 90 % {:.1} s, last {:.1} s",
                at(0),
                at(50),
                at(90),
                at(100)
            )?;
        }
        let sum = |figure: fn(&Stats) -> u64| -> u64 {
            self.nodes.iter().map(|node| figure(&node.stats)).sum()
        };
        let (down, wasted) = (sum(|stats| stats.downloaded), sum(|stats| stats.wasted));
        let percent = wasted as f64 * 100.0 / down.max(1) as f64;
        writeln!(
            f,
            "downloaded: {down} bytes, wasted {wasted} ({percent:.2} %)"
        )?;
        let seeds = self.nodes.iter().filter(|node| node.is_seed);
        let by_seeds: u64 = seeds.map(|node| node.stats.uploaded).sum();
        write!(
            f,
            "uploaded: {} bytes, by seeds {by_seeds}",
            sum(|stats| stats.uploaded)
        )
    }
}
