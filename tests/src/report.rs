use std::{collections::BTreeSet, fmt, time::Duration};

use bt_swarm::Stats;

use crate::timeline::Timeline;

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// When it was over.
    pub ended_at: Duration,
    /// The bytes of the torrent.
    pub bytes: u64,
    /// One entry a node, in the order in which they were added.
    pub nodes: Vec<NodeReport>,
    /// How well the upload lines were used.
    pub timeline: Timeline,
}

/// How a run ended for one node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeReport {
    /// What its kind is called.
    pub group: &'static str,
    /// It began with everything.
    pub is_seed: bool,
    /// It corrupts what it sends.
    pub is_liar: bool,
    /// Its completion is compared with the bound.
    pub is_counted: bool,
    /// How fast it could send, in bytes per second.
    pub up: u64,
    /// How fast it could receive, in bytes per second.
    pub down: u64,
    /// When it had everything; `None` for seeds, and for who never had.
    pub completed_at: Option<Duration>,
    /// When it had the metadata from its peers; `None` if it began with it, or never had it.
    pub learnt_at: Option<Duration>,
    /// The same, counted from when it came.
    pub completion_time: Option<Duration>,
    /// How much of that time it was away.
    pub absent: Duration,
    /// Pieces that it had when the last leecher was complete that gives anything at all.
    pub held_at_end_of_contributors: Option<u32>,
    /// Liars from whom it took part of a piece that failed, by their numbers.
    pub suspected: BTreeSet<usize>,
    /// Those of them whose own part was bad.
    pub lied_to_by: BTreeSet<usize>,
    /// Whom it banned.
    pub banned: BTreeSet<usize>,
    /// The most payload that it held in memory, or had reserved memory for.
    pub peak_memory_bytes: usize,
    /// Its swarm's figures at the end; traffic is that of the whole run.
    pub stats: Stats,
}

/// Figures of the nodes of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What it is called.
    pub name: &'static str,
    /// How many there are.
    pub nodes: usize,
    /// How many of them have everything, not from the start.
    pub completed: usize,
    /// Of those who completed, while they were there.
    pub median: Option<Duration>,
    /// Of those who completed, while they were there.
    pub last: Option<Duration>,
    /// Of those who completed, in bytes per second, while they were there.
    pub mean_download_rate: u64,
    /// Bytes sent for each byte of the torrent, on average.
    pub mean_copies_given: f64,
}

impl Report {
    /// The nodes that began with nothing.
    pub fn leechers(&self) -> impl Iterator<Item = &NodeReport> {
        self.nodes.iter().filter(|node| !node.is_seed)
    }

    /// The leechers whose completion is compared with the bound.
    pub fn counted(&self) -> impl Iterator<Item = &NodeReport> {
        self.leechers().filter(|node| node.is_counted)
    }

    /// When the last leecher that counts was complete; `None` if one never was.
    #[must_use]
    pub fn last_completion(&self) -> Option<Duration> {
        let times: Option<Vec<_>> = self.counted().map(|node| node.completion_time).collect();
        times?.into_iter().max()
    }

    /// Completion times of those who got there, ascending.
    #[must_use]
    pub fn completion_times(&self) -> Vec<Duration> {
        sorted(self.leechers().filter_map(|node| node.completion_time))
    }

    /// By when so many in a hundred of those who got there were complete.
    #[must_use]
    pub fn completed_by(&self, percent: usize) -> Option<Duration> {
        part_of(&self.completion_times(), percent)
    }

    /// Of a hundred bytes received, how many were of no use.
    #[must_use]
    pub fn wasted_percent(&self) -> f64 {
        let (down, wasted) = (self.sum(|s| s.downloaded), self.sum(|s| s.wasted.total()));
        wasted as f64 * 100.0 / down.max(1) as f64
    }

    /// The kinds of nodes, by name.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let names: BTreeSet<_> = self.nodes.iter().map(|node| node.group).collect();
        names.into_iter().map(|name| self.group(name)).collect()
    }

    /// Figures of the nodes of one kind.
    #[must_use]
    pub fn group(&self, name: &'static str) -> Group {
        let nodes: Vec<_> = self
            .nodes
            .iter()
            .filter(|node| node.group == name)
            .collect();
        let times = sorted(nodes.iter().filter_map(|node| node.time_present()));
        let rates = times
            .iter()
            .map(|time| self.bytes as f64 / time.as_secs_f64());
        let given = nodes.iter().map(|node| node.stats.uploaded as f64);
        Group {
            name,
            nodes: nodes.len(),
            completed: times.len(),
            median: part_of(&times, 50),
            last: times.last().copied(),
            mean_download_rate: (rates.sum::<f64>() / times.len().max(1) as f64) as u64,
            mean_copies_given: given.sum::<f64>() / (self.bytes * nodes.len().max(1) as u64) as f64,
        }
    }

    /// How well the upload lines were used until the last completion, in equal parts of that time.
    #[must_use]
    pub fn utilisation(&self, parts: u32) -> Vec<f64> {
        let end = self.last_completed_at();
        let at = |part| end * part / parts;
        (0..parts)
            .map(|part| self.timeline.utilisation(at(part), at(part + 1)))
            .collect()
    }

    /// When anybody completed last, or else the end.
    #[must_use]
    pub fn last_completed_at(&self) -> Duration {
        let all = self.nodes.iter().map(|node| node.completed_at);
        all.flatten().max().unwrap_or(self.ended_at)
    }

    fn sum(&self, figure: fn(&Stats) -> u64) -> u64 {
        self.nodes.iter().map(|node| figure(&node.stats)).sum()
    }
}

impl NodeReport {
    /// From when it came to when it had everything, without the time in which it was away.
    #[must_use]
    pub fn time_present(&self) -> Option<Duration> {
        Some(self.completion_time? - self.absent)
    }

    /// Bytes sent for each that was received.
    #[must_use]
    pub fn share_ratio(&self) -> f64 {
        self.stats.uploaded as f64 / self.stats.downloaded.max(1) as f64
    }
}

/// A few lines for people; the same run gives the same text.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = self.completion_times();
        let of = self.leechers().count();
        writeln!(f, "completed: {} of {of}", times.len())?;
        if let Some(first) = times.first() {
            write!(f, "completion: first {:.1} s", first.as_secs_f64())?;
            let parts = [(10, "10 %"), (50, "median"), (90, "90 %"), (100, "last")];
            for (part, name) in parts {
                let time = part_of(&times, part).unwrap_or_default();
                write!(f, ", {name} {:.1} s", time.as_secs_f64())?;
            }
            writeln!(f)?;
        }
        let mut ratios: Vec<_> = self.leechers().map(NodeReport::share_ratio).collect();
        ratios.sort_by(f64::total_cmp);
        if let (Some(least), Some(most)) = (ratios.first(), ratios.last()) {
            let median = ratios[(ratios.len() - 1) / 2];
            writeln!(
                f,
                "share ratio: least {least:.2}, median {median:.2}, greatest {most:.2}"
            )?;
        }
        let (down, wasted) = (self.sum(|s| s.downloaded), self.sum(|s| s.wasted.total()));
        let percent = self.wasted_percent();
        writeln!(
            f,
            "downloaded: {down} bytes, wasted {wasted} ({percent:.2} %)"
        )?;
        writeln!(f, "uploaded: {} bytes", self.sum(|s| s.uploaded))?;
        let whole = self.utilisation(1);
        let parts = self.utilisation(TWENTY).into_iter();
        let parts: Vec<_> = parts.map(|part| format!("{:.0}", part * 100.0)).collect();
        writeln!(
            f,
            "upload lines: {:.1} % used until the last completion; by twentieths {}",
            whole[0] * 100.0,
            parts.join(" ")
        )?;
        write!(
            f,
            "{:<20} {:>6} {:>9} {:>9} {:>9} {:>10} {:>7}",
            "group", "nodes", "complete", "median s", "last s", "mean kB/s", "copies"
        )?;
        for group in self.groups() {
            let seconds = |time: Option<Duration>| {
                time.map_or("-".to_owned(), |time| format!("{:.1}", time.as_secs_f64()))
            };
            write!(
                f,
                "\n{:<20} {:>6} {:>9} {:>9} {:>9} {:>10} {:>7.2}",
                group.name,
                group.nodes,
                group.completed,
                seconds(group.median),
                seconds(group.last),
                group.mean_download_rate / 1000,
                group.mean_copies_given
            )?;
        }
        Ok(())
    }
}

fn sorted(times: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times
}

/// The time by which so many of a hundred were done.
fn part_of(times: &[Duration], percent: usize) -> Option<Duration> {
    let last = times.len().checked_sub(1)?;
    Some(times[last * percent / 100])
}

const TWENTY: u32 = 20;
