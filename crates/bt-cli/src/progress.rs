mod bars;
mod below;
mod eta;
mod overview;
mod peers;
mod troubles;
mod why;
mod words;

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use bt_client::{
    Limit, PeerInfo, Snapshot,
    report::{Report, Total},
};

pub(crate) use self::why::why;
use self::{
    bars::Bars,
    troubles::Troubles,
    words::{Amount, describe, describe_check, transfer},
};
use crate::{
    batch::Batch,
    exit::Failure,
    format::{percent, printable},
    json, logging,
    seeding::Goal,
};

/// Shows how torrents are doing: to machines on stdout, to people on stderr.
pub(crate) enum Progress {
    Json {
        /// When the next line of all together is due.
        next_total: Instant,
        troubles: Troubles,
    },
    /// Bars that are drawn over themselves.
    Bars(Bars),
    /// Lines now and then, where nothing can be drawn over.
    Lines {
        next: Instant,
        /// When peers are shown again.
        next_peers: Instant,
    },
    Silent,
}

impl Progress {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        match (json, quiet, io::stderr().is_terminal()) {
            (true, _, _) => Self::Json {
                next_total: Instant::now(),
                troubles: Troubles::default(),
            },
            (false, true, _) => Self::Silent,
            (false, false, true) => Self::Bars(Bars::new()),
            (false, false, false) => Self::Lines {
                next: Instant::now() + FIRST_LINE,
                next_peers: Instant::now() + FIRST_LINE,
            },
        }
    }

    /// Peers can connect to us.
    pub(crate) fn listening(&self, port: u16) {
        if let Self::Json { .. } = self {
            json::print(&Report::Listening { port });
        }
    }

    /// One torrent, which is all there is.
    pub(crate) fn show(&mut self, snapshot: &Snapshot) {
        match self {
            Self::Json { troubles, .. } => {
                troubles.news(snapshot).iter().for_each(json::print);
                json::print(&Report::of(snapshot));
            }
            Self::Bars(bars) => bars.set_total(Amount::of(snapshot), describe(snapshot)),
            Self::Lines { next, .. } => {
                tell_if_due(next, Amount::of(snapshot), || describe(snapshot));
            }
            Self::Silent => {}
        }
    }

    /// One of several, and all of them together.
    pub(crate) fn show_one_of(&mut self, batch: &Batch, place: usize) {
        let snapshot = batch.snapshot(place);
        if !batch.has_several() {
            return self.show(&snapshot);
        }
        let total = batch.total();
        match self {
            Self::Json {
                next_total,
                troubles,
            } => {
                troubles.news(&snapshot).iter().for_each(json::print);
                json::print(&Report::of(&snapshot));
                let now = Instant::now();
                if *next_total <= now {
                    *next_total = now + TOTAL_INTERVAL;
                    json::print(&Report::Total(total));
                }
            }
            Self::Bars(bars) => {
                bars.set_one(place, &snapshot);
                bars.set_total(amount(&total), describe_all(&total));
            }
            Self::Lines { next, .. } => tell_if_due(next, amount(&total), || describe_all(&total)),
            Self::Silent => {}
        }
    }

    /// Who is connected, to each of those that are not done.
    pub(crate) fn show_peers(&mut self, batch: &Batch, of: Vec<(usize, Vec<PeerInfo>)>) {
        match self {
            Self::Json { .. } => {
                for (place, peers) in of {
                    json::print(&Report::peers(&batch.snapshot(place), &peers));
                }
            }
            Self::Bars(bars) => {
                let mut lines = overview_of_only(batch);
                lines.extend(tables(batch, &of, bars.room_below()));
                bars.set_below(&lines);
            }
            Self::Lines { next_peers, .. } => {
                let now = Instant::now();
                if *next_peers <= now {
                    *next_peers = now + LINE_INTERVAL;
                    let mut lines = overview_of_only(batch);
                    lines.extend(tables(batch, &of, MOST_PEERS));
                    lines.iter().for_each(|line| logging::tell(line));
                }
            }
            Self::Silent => {}
        }
    }

    /// What limits one of them, now that it is something else than before.
    pub(crate) fn why(&self, batch: &Batch, place: usize, limit: &Limit) {
        let snapshot = batch.snapshot(place);
        if let Self::Json { .. } = self {
            return json::print(&Report::why(&snapshot, limit));
        }
        let why = why(limit);
        match batch.has_several() {
            true => self.tell(&format!("why: {}: {why}", printable(&snapshot.name))),
            false => self.tell(&format!("why: {why}")),
        }
    }

    /// One of them is done, or has failed.
    pub(crate) fn settled(&mut self, batch: &Batch, place: usize) {
        if let Self::Bars(bars) = self {
            bars.remove_one(place);
            if batch.has_several() {
                let total = batch.total();
                bars.set_total(amount(&total), describe_all(&total));
            }
        }
    }

    /// One of several has failed, and the others go on.
    pub(crate) fn failed(&self, source: &str, snapshot: Option<&Snapshot>, failure: &Failure) {
        if let Self::Json { .. } = self {
            json::print(&Report::Failed {
                source: source.to_owned(),
                info_hash: snapshot.map(Snapshot::info_hash),
                message: failure.to_string(),
                code: failure.exit as u8,
            });
        }
        logging::complain(failure);
    }

    /// How a check of data is doing.
    pub(crate) fn show_check(&mut self, done: u64, total: u64) {
        if let Self::Bars(_) = self {
            self.show_work(done, total, || describe_check(Amount { done, total }));
        }
    }

    /// How anything is doing that has so many bytes.
    pub(crate) fn show_work(&mut self, done: u64, total: u64, words: impl FnOnce() -> String) {
        let amount = Amount { done, total };
        match self {
            Self::Bars(bars) => bars.set_total(amount, words()),
            Self::Lines { next, .. } => tell_if_due(next, amount, words),
            Self::Json { .. } | Self::Silent => {}
        }
    }

    /// A torrent is complete; `words` tell people so.
    pub(crate) fn complete(&mut self, snapshot: &Snapshot, words: &str) {
        if let Self::Json { troubles, .. } = self {
            troubles.news(snapshot).iter().for_each(json::print);
            json::print(&Report::of(snapshot));
            json::print(&Report::complete(snapshot));
        } else {
            self.tell(words);
        }
    }

    /// A torrent has been served for long enough; `words` tell people so.
    pub(crate) fn seeded(
        &mut self,
        snapshot: &Snapshot,
        goal: Goal,
        elapsed: Duration,
        words: &str,
    ) {
        if let Self::Json { .. } = self {
            json::print(&Report::seeded(snapshot, goal.name(), elapsed));
        } else {
            self.tell(words);
        }
    }

    /// Nothing of several is left to do; `words` tell people what has been done.
    pub(crate) fn all_done(&mut self, total: &Total, words: Option<&str>) {
        if let Self::Json { .. } = self {
            json::print(&Report::Total(total.clone()));
        } else if let Some(words) = words {
            self.tell(words);
        }
    }

    /// Says something for people that is worth a line of its own.
    pub(crate) fn tell(&self, words: &str) {
        if matches!(self, Self::Bars(_) | Self::Lines { .. }) {
            logging::tell(words);
        }
    }

    /// Takes the bars away.
    pub(crate) fn clear(&mut self) {
        if let Self::Bars(bars) = self {
            bars.clear();
        }
    }
}

/// Also when a command ends early.
impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Of several there would have to be as many.
fn overview_of_only(batch: &Batch) -> Vec<String> {
    let is_only = !batch.has_several() && batch.started() == 1;
    let only = is_only.then(|| overview::overview(&batch.snapshot(0)));
    only.into_iter().collect()
}

/// The peers of each torrent, about so many of them in all; of several torrents, each with its name.
fn tables(batch: &Batch, of: &[(usize, Vec<PeerInfo>)], most: usize) -> Vec<String> {
    let beside = if batch.has_several() {
        NAME_AND_TITLES
    } else {
        0
    };
    let most_each = (most / of.len().max(1)).saturating_sub(beside).max(1);
    let table = |(place, peers): &(usize, Vec<PeerInfo>)| {
        let name = || format!("{}:", printable(&batch.snapshot(*place).name));
        let name = batch.has_several().then(name);
        name.into_iter().chain(peers::table(peers, most_each))
    };
    of.iter().flat_map(table).collect()
}

fn tell_if_due(next: &mut Instant, amount: Amount, words: impl FnOnce() -> String) {
    let now = Instant::now();
    if *next <= now {
        *next = now + LINE_INTERVAL;
        let percent = percent(amount.done, amount.total);
        logging::tell(&format!("{percent:>3}% {}", words()));
    }
}

fn amount(total: &Total) -> Amount {
    Amount {
        done: total.wanted_bytes_done,
        total: total.wanted_bytes_total,
    }
}

fn describe_all(total: &Total) -> String {
    let line = transfer(
        amount(total),
        total.down_bytes_per_sec,
        total.up_bytes_per_sec,
        (total.peers_connected, total.peers_known),
        total.eta_secs.map(Duration::from_secs),
    );
    format!("{}/{} complete, {line}", total.complete, total.torrents)
}

/// What is over sooner needs no progress.
const FIRST_LINE: Duration = Duration::from_secs(1);
/// Often enough to see that it moves, seldom enough for a log file.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// In a log file nobody looks for more.
const MOST_PEERS: usize = 20;
/// What each of several tables needs beside its rows.
const NAME_AND_TITLES: usize = 3;
/// As often as a torrent has something new to tell.
const TOTAL_INTERVAL: Duration = Duration::from_millis(250);
