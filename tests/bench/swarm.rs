//! One swarm: a seeder and some leechers, all of the same client, each behind a slow line.

use std::{
    fs,
    net::SocketAddrV4,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use bt_tests::{
    fluid_lower_bound,
    foreign::{Torrent, opentracker::Opentracker},
    harness::{Context, Exit, Failure, Outcome, Payload, Usage, ensure, interrupt, wait},
};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    client::{Bench, Client, Task, Work},
    lines::{DOWN_BITS_PER_SEC, Lines, UP_BITS_PER_SEC},
    measure::{Cost, Done, LINES_SHOWN, Watched},
};

/// Beside the seeder.
pub(crate) const LEECHERS: usize = 8;

/// What readers of the results have to know.
pub(crate) fn describe(bytes: u64) -> Value {
    let up = UP_BITS_PER_SEC / 8;
    let line = (up, DOWN_BITS_PER_SEC / 8);
    let bound = fluid_lower_bound(bytes, up, &[line; LEECHERS]);
    json!({
        "leechers": LEECHERS,
        "up_bits_per_sec": UP_BITS_PER_SEC,
        "down_bits_per_sec": DOWN_BITS_PER_SEC,
        "bound_secs": bound.as_millis() as f64 / 1000.0,
    })
}

/// What a swarm is about.
pub(crate) struct Setting<'a> {
    pub(crate) bench: &'a Bench<'a>,
    pub(crate) payload: &'a Payload,
    pub(crate) torrent: &'a Torrent,
    pub(crate) piece_length: u64,
    /// Holds the payload.
    pub(crate) original: &'a Path,
    /// At the switch; the torrent names it.
    pub(crate) tracker: SocketAddrV4,
    /// Empty, for what the leechers fetch.
    pub(crate) fresh: &'a Path,
    /// Empty, for everything else that they write.
    pub(crate) scratch: &'a Path,
}

/// Runs one, until everybody has everything.
///
/// # Errors
/// If anybody fails, or has got something else than the payload.
pub(crate) fn run(setting: &Setting<'_>, client: &Client) -> Outcome<Cost> {
    // In this order, so that nobody is left when the namespaces go.
    let lines = Lines::join(1 + LEECHERS)?;
    let tracker = Opentracker::start(setting.bench.case, setting.tracker, setting.torrent)?;
    let places = (0..=LEECHERS).map(|host| Place::prepare(setting, host));
    let places = places.collect::<Outcome<Vec<_>>>()?;
    let tasks: Vec<_> = places.iter().map(|place| place.task(setting)).collect();

    let mut seeder = Member::start(&lines, client, &tasks[0], 0)?;
    let attempt = seeder.until_known(&lines, &tracker, setting.torrent);
    attempt.map_err(|reason| seeder.blame(&reason))?;
    let at_rest = seeder.watched.usage()?;

    let mut leechers = Vec::new();
    for (host, task) in tasks.iter().enumerate().skip(1) {
        leechers.push(Member::start(&lines, client, task, host)?);
    }
    until_complete(&lines, &mut seeder, &mut leechers)?;
    let cost = cost(&seeder, at_rest, &leechers)?;

    end(leechers)?;
    for place in &places {
        let whose = format!("what host {} has", place.host);
        setting.payload.compare(&place.folder).context(whose)?;
    }
    Ok(cost)
}

/// The folders of one host.
struct Place {
    host: usize,
    folder: PathBuf,
    scratch: PathBuf,
    content: PathBuf,
}

impl Place {
    /// The seeder is the first.
    fn prepare(setting: &Setting<'_>, host: usize) -> Outcome<Self> {
        let below = |folder: &Path| folder.join(host.to_string());
        let place = Self {
            host,
            folder: match host {
                0 => setting.original.to_owned(),
                _ => below(setting.fresh),
            },
            scratch: below(setting.scratch),
            content: setting.original.join(&setting.payload.name),
        };
        for folder in [&place.folder, &place.scratch] {
            fs::create_dir_all(folder).context("making folders for a swarm")?;
        }
        Ok(place)
    }

    fn task<'a>(&'a self, setting: &'a Setting<'a>) -> Task<'a> {
        Task {
            bench: setting.bench,
            work: match self.host {
                0 => Work::Seed,
                _ => Work::Leech,
            },
            torrent: &setting.torrent.path,
            content: &self.content,
            folder: &self.folder,
            scratch: &self.scratch,
            address: SocketAddrV4::new(Lines::address(self.host), PEER_PORT),
            tracker: setting.tracker,
            dht_node: None,
            piece_length: setting.piece_length,
        }
    }
}

/// A client at work on a host.
struct Member<'a> {
    host: usize,
    watched: Watched,
    done: Done<'a>,
    /// When it was, after its start.
    complete: Option<Duration>,
}

impl<'a> Member<'a> {
    fn start(lines: &Lines, client: &Client, task: &'a Task<'a>, host: usize) -> Outcome<Self> {
        let name = format!("{}-{host}", client.name);
        lines.inside(host, || {
            let job = (client.job)(task)?;
            Ok(Self {
                host,
                watched: Watched::start(task.bench.case, &name, job.command)?,
                done: job.done,
                complete: None,
            })
        })
    }

    /// Waits until the tracker would tell others of this seeder.
    fn until_known(&mut self, lines: &Lines, tracker: &Opentracker, torrent: &Torrent) -> Outcome {
        loop {
            self.look(lines)?;
            if self.complete.is_some() && tracker.scrape(torrent)?.seeders > 0 {
                return Ok(());
            }
            pause(self.watched.started)?;
        }
    }

    /// Notes that it is complete, if it has become so. Who was may end.
    fn look(&mut self, lines: &Lines) -> Outcome {
        let Self { watched, done, .. } = self;
        if self.complete.is_none() {
            self.complete = lines.inside(self.host, || watched.poll(done))?;
            return Ok(());
        }
        match watched.look()? {
            None | Some(Exit::Code(0)) => Ok(()),
            Some(exit) => Err(Failure::new(format!("it ended with {exit}"))),
        }
    }

    fn blame(&self, reason: &Failure) -> Failure {
        let said = self.watched.process.log().tail(LINES_SHOWN);
        Failure::new(format!("host {}: {reason}\n{said}", self.host))
    }
}

fn until_complete<'a>(
    lines: &Lines,
    seeder: &mut Member<'a>,
    leechers: &mut [Member<'a>],
) -> Outcome {
    let started = leechers[0].watched.started;
    while leechers.iter().any(|leecher| leecher.complete.is_none()) {
        pause(started)?;
        let members = leechers.iter_mut().chain([&mut *seeder]);
        for member in members {
            let attempt = member.look(lines);
            attempt.map_err(|reason| member.blame(&reason))?;
        }
    }
    Ok(())
}

/// In their own way: some hold back what they are to write.
fn end(mut leechers: Vec<Member<'_>>) -> Outcome {
    for leecher in &mut leechers {
        let process = &mut leecher.watched.process;
        match leecher.done {
            Done::Answer(_) | Done::Unasked => process.signal(Signal::TERM)?,
            Done::Exit | Done::Event(_) => process.close_stdin(),
        }
    }
    for leecher in &mut leechers {
        leecher.watched.process.wait_exit(wait::SOON)?;
    }
    Ok(())
}

fn pause(since: Instant) -> Outcome {
    let elapsed = since.elapsed();
    ensure!(!interrupt::requested(), "interrupted");
    ensure!(elapsed < PATIENCE, "not done after {elapsed:?}");
    thread::sleep(PAUSE);
    Ok(())
}

fn cost(seeder: &Member<'_>, at_rest: Usage, leechers: &[Member<'_>]) -> Outcome<Cost> {
    let started = leechers[0].watched.started;
    let completions = leechers.iter().filter_map(|leecher| {
        let delay = leecher.watched.started - started;
        Some(delay + leecher.complete?)
    });
    let mut usage = seeder.watched.usage()?;
    usage.user = usage.user.saturating_sub(at_rest.user);
    usage.system = usage.system.saturating_sub(at_rest.system);
    for leecher in leechers {
        let one = leecher.watched.usage()?;
        usage.user += one.user;
        usage.system += one.system;
    }
    let peak = |of: fn(&Watched) -> u64| {
        let all = leechers.iter().chain([seeder]);
        all.map(|member| of(&member.watched)).max().unwrap_or(0)
    };
    Ok(Cost {
        wall: completions.clone().max().context("nobody leeches")?,
        first: completions.min(),
        usage,
        peak_rss: peak(|watched| watched.peak_rss),
        peak_anon: peak(|watched| watched.peak_anon),
        hash: None,
    })
}

/// Each has an address of its own.
const PEER_PORT: u16 = 6881;
/// Looking costs CPU time that others need; a swarm takes half a minute.
const PAUSE: Duration = Duration::from_millis(20);
/// The slowest took 150 seconds for 32 MiB.
const PATIENCE: Duration = Duration::from_secs(900);
