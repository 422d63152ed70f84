use std::{fmt, net::SocketAddr, time::Duration};

use bt_dht::Figures;
use serde_json::{Value, json};

use super::DhtScenario;
use crate::Verdict;

/// A scenario that has been run. The same seed gives the same text.
#[derive(Debug)]
pub struct DhtRun {
    /// What was run.
    pub scenario: &'static DhtScenario,
    /// How many there are of all kinds.
    pub nodes: usize,
    /// Which of all possible runs.
    pub seed: u64,
    /// How many others a node knows before some fall silent.
    pub(super) known: f64,
    pub(super) lookups: Vec<Lookup>,
    pub(super) datagrams: u64,
    /// How many things happened in it.
    pub happenings: u64,
}

/// One look-up of peers.
#[derive(Debug)]
pub(super) struct Lookup {
    started: Duration,
    /// What was announced.
    peer: SocketAddr,
    found_after: Option<Duration>,
    ended: Option<(Duration, Figures)>,
}

impl Lookup {
    pub(super) fn new(started: Duration, peer: SocketAddr) -> Self {
        Self {
            started,
            peer,
            found_after: None,
            ended: None,
        }
    }

    pub(super) fn peers(&mut self, now: Duration, peers: &[SocketAddr]) {
        if peers.contains(&self.peer) {
            self.found_after.get_or_insert(now - self.started);
        }
    }

    pub(super) fn ended(&mut self, now: Duration, figures: Figures) {
        self.ended = Some((now - self.started, figures));
    }
}

impl DhtRun {
    /// What must hold, and whether it does.
    #[must_use]
    pub fn verdicts(&self) -> Vec<Verdict> {
        self.scenario.verdicts(self)
    }

    /// Of a hundred look-ups, how many found a peer that was announced.
    #[must_use]
    pub fn found_percent(&self) -> f64 {
        let found = self
            .lookups
            .iter()
            .filter(|lookup| lookup.found_after.is_some());
        100.0 * found.count() as f64 / self.lookups.len().max(1) as f64
    }

    /// How long the longest chain of dependent queries of a look-up is, on average.
    #[must_use]
    pub fn mean_depth(&self) -> f64 {
        self.mean(|figures| figures.depth)
    }

    /// The figures for machines; times in seconds.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let verdicts = self.verdicts();
        let secs = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        json!({
            "scenario": self.scenario.name,
            "about": self.scenario.about,
            "nodes": self.nodes,
            "seed": self.seed,
            "mean_known": self.known,
            "lookups": self.lookups.len(),
            "found_percent": self.found_percent(),
            "mean_depth": self.mean_depth(),
            "max_depth": self.max_depth(),
            "mean_queries": self.mean(|figures| figures.queries),
            "mean_failures": self.mean(|figures| figures.failures),
            "median_secs_until_found": secs(self.median_until_found()),
            "median_secs_until_ended": secs(self.median_until_ended()),
            "datagrams": self.datagrams,
            "verdicts": verdicts.iter().map(Verdict::to_json).collect::<Vec<_>>(),
        })
    }

    fn mean(&self, figure: fn(&Figures) -> u32) -> f64 {
        let figures = self.lookups.iter().filter_map(|lookup| lookup.ended);
        let figures: Vec<_> = figures
            .map(|(_, figures)| f64::from(figure(&figures)))
            .collect();
        figures.iter().sum::<f64>() / figures.len().max(1) as f64
    }

    fn max_depth(&self) -> u32 {
        let ended = self.lookups.iter().filter_map(|lookup| lookup.ended);
        ended.map(|(_, figures)| figures.depth).max().unwrap_or(0)
    }

    fn median_until_found(&self) -> Option<Duration> {
        median(self.lookups.iter().filter_map(|lookup| lookup.found_after))
    }

    fn median_until_ended(&self) -> Option<Duration> {
        median(
            self.lookups
                .iter()
                .filter_map(|lookup| Some(lookup.ended?.0)),
        )
    }
}

fn median(times: impl Iterator<Item = Duration>) -> Option<Duration> {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

impl fmt::Display for DhtRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, seed, .. } = self;
        let secs = |time: Option<Duration>| match time {
            Some(time) => format!("{:.2} s", time.as_secs_f64()),
            None => "never".to_owned(),
        };
        writeln!(f, "{}: {nodes} nodes, seed {seed}", self.scenario.name)?;
        writeln!(f, "a node knows {:.1} others", self.known)?;
        writeln!(
            f,
            "{} look-ups, {:.1} % found a peer that was announced, half of them within {}",
            self.lookups.len(),
            self.found_percent(),
            secs(self.median_until_found())
        )?;
        writeln!(
            f,
            "of a look-up: {:.1} queries, {:.1} of them in vain; depth {:.2}, at most {}; half end within {}",
            self.mean(|figures| figures.queries),
            self.mean(|figures| figures.failures),
            self.mean_depth(),
            self.max_depth(),
            secs(self.median_until_ended())
        )?;
        writeln!(f, "{} datagrams", self.datagrams)?;
        for verdict in self.verdicts() {
            writeln!(f, "{verdict}")?;
        }
        write!(f, "found_percent: {:.1}", self.found_percent())
    }
}
