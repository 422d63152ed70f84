use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use bt_client::{Snapshot, State, report::Report};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    format::{bytes, duration, percent, rate},
    json,
    logging::{self, BARS},
};

/// Shows how a torrent is doing: to machines on stdout, to people on stderr.
pub(crate) enum Progress {
    Json,
    /// A bar that is drawn over itself.
    Bar(ProgressBar),
    /// Lines now and then, where nothing can be drawn over.
    Lines {
        next: Instant,
    },
    Silent,
}

impl Progress {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        match (json, quiet, io::stderr().is_terminal()) {
            (true, _, _) => Self::Json,
            (false, true, _) => Self::Silent,
            (false, false, true) => Self::Bar(new_bar()),
            (false, false, false) => Self::Lines {
                next: Instant::now() + FIRST_LINE,
            },
        }
    }

    /// Peers can connect to us.
    pub(crate) fn listening(&self, port: u16) {
        if let Self::Json = self {
            json::print(&Report::Listening { port });
        }
    }

    pub(crate) fn show(&mut self, snapshot: &Snapshot) {
        match self {
            Self::Json => json::print(&Report::of(snapshot)),
            Self::Bar(bar) => {
                let (done, total) = done_of(snapshot);
                bar.set_length(total);
                bar.set_position(done);
                bar.set_message(describe(snapshot));
            }
            Self::Lines { next } => {
                let now = Instant::now();
                if *next <= now {
                    *next = now + LINE_INTERVAL;
                    let (done, total) = done_of(snapshot);
                    let percent = percent(done, total);
                    logging::tell(&format!("{percent:>3}% {}", describe(snapshot)));
                }
            }
            Self::Silent => {}
        }
    }

    /// How a check of data is doing.
    pub(crate) fn show_check(&mut self, done: u64, total: u64) {
        if let Self::Bar(bar) = self {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(describe_check(done, total));
        }
    }

    /// The torrent is complete; `words` tell people so.
    pub(crate) fn complete(&mut self, snapshot: &Snapshot, words: &str) {
        match self {
            Self::Json => {
                json::print(&Report::of(snapshot));
                json::print(&Report::complete(snapshot));
            }
            Self::Silent => {}
            Self::Bar(_) | Self::Lines { .. } => {
                self.clear();
                logging::tell(words);
            }
        }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// Also when a command ends early.
impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn new_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{percent:>3}% {wide_bar} {msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    BARS.add(ProgressBar::new(0).with_style(style.progress_chars("━╸·")))
}

fn done_of(snapshot: &Snapshot) -> (u64, u64) {
    match snapshot.state {
        State::Checking {
            bytes_done,
            bytes_total,
        } => (bytes_done, bytes_total),
        _ => (snapshot.stats.bytes_verified, snapshot.stats.bytes_total),
    }
}

/// Everything but the percentage, in less than 75 columns: a bar must fit beside it.
fn describe(snapshot: &Snapshot) -> String {
    let stats = &snapshot.stats;
    let (done, total) = done_of(snapshot);
    if let State::Checking { .. } = snapshot.state {
        return describe_check(done, total);
    }
    let mut line = format!(
        "{} of {}  ↓ {}  ↑ {}  {}/{} peers",
        bytes(done),
        bytes(total),
        rate(stats.download_rate_bytes_per_sec),
        rate(stats.upload_rate_bytes_per_sec),
        stats.peers_connected,
        stats.peers_known.max(stats.peers_connected),
    );
    if let Some(left) = snapshot.time_left() {
        line.push_str(&format!("  {} left", duration(left)));
    }
    line
}

fn describe_check(done: u64, total: u64) -> String {
    format!("checking, {} of {}", bytes(done), bytes(total))
}

/// What is over sooner needs no progress.
const FIRST_LINE: Duration = Duration::from_secs(1);
/// Often enough to see that it moves, seldom enough for a log file.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
