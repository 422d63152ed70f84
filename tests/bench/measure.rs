//! One run of one client.

use std::{
    fmt,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use bt_tests::harness::{
    Case, Context, Exit, Failure, Outcome, Process, Usage, ensure, interrupt, wait,
};
use serde_json::{Value, json};

/// What to start, and how to know that the work is done.
pub(crate) struct Job<'a> {
    pub(crate) command: Command,
    pub(crate) done: Done<'a>,
}

/// How a client says that it is complete.
pub(crate) enum Done<'a> {
    /// By ending.
    Exit,
    /// By a JSON line on stdout with this `event`; it ends soon after.
    Event(&'static str),
    /// When asked; it never ends, and is killed.
    Answer(Box<dyn FnMut() -> Outcome<bool> + 'a>),
    /// Others know; it never ends, and is killed.
    Unasked,
}

/// What a run cost.
#[derive(Debug)]
pub(crate) struct Cost {
    /// From its start to what [`Done`] says; of a swarm, until all say so.
    pub(crate) wall: Duration,
    /// Of a swarm, until the first says so.
    pub(crate) first: Option<Duration>,
    /// To its end; of a swarm, of all in it to the end of `wall`.
    pub(crate) usage: Usage,
    /// Of a swarm, of the one that had most.
    pub(crate) peak_rss: u64,
    pub(crate) peak_anon: u64,
    /// The part of `usage` that it spent hashing, if it tells.
    pub(crate) hash: Option<Duration>,
}

impl Cost {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "wall_secs": rounded(self.wall),
            "first_secs": self.first.map(rounded),
            "user_secs": rounded(self.usage.user),
            "system_secs": rounded(self.usage.system),
            "hash_secs": self.hash.map(rounded),
            "peak_rss_bytes": self.peak_rss,
            "peak_anon_bytes": self.peak_anon,
        })
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usage { user, system } = self.usage;
        write!(
            f,
            "{:.2} s, CPU {:.2} s, memory {} MiB",
            self.wall.as_secs_f64(),
            (user + system).as_secs_f64(),
            self.peak_rss >> 20
        )
    }
}

/// Runs it.
///
/// # Errors
/// If it does not do its work, with the end of what it said.
pub(crate) fn run(case: &Case<'_>, name: &str, mut job: Job<'_>) -> Outcome<Cost> {
    let mut watched = Watched::start(case, name, job.command)?;
    let wall = watched.until_end(&mut job.done);
    let wall = wall.map_err(|reason| watched.blame(&reason))?;
    Ok(Cost {
        wall,
        first: None,
        usage: watched.usage()?,
        peak_rss: watched.peak_rss,
        peak_anon: watched.peak_anon,
        hash: hash_time(&watched.process),
    })
}

/// Runs it until a seeder says that it has `sent` something, and kills it: so all are measured alike,
/// whatever they say of themselves.
///
/// # Errors
/// If it ends before that, with the end of what it said.
pub(crate) fn run_until_sent(
    case: &Case<'_>,
    name: &str,
    command: Command,
    seeder: &mut Process,
) -> Outcome<Cost> {
    let mut watched = Watched::start(case, name, command)?;
    let sent = wait::until("the seeder has sent something", wait::TRANSFER, || {
        if let Some(exit) = watched.look()? {
            return Err(Failure::new(format!("it ended with {exit} too early")));
        }
        seeder.ensure_running()?;
        Ok(seeder.latest_event("sent"))
    });
    let sent = sent.map_err(|reason| watched.blame(&reason))?;
    watched.sample();
    watched.process.kill();
    let unix_secs = sent["unix_secs"].as_f64().context("no time")?;
    Ok(Cost {
        wall: watched.took_until(Duration::from_secs_f64(unix_secs)),
        first: None,
        usage: watched.usage()?,
        peak_rss: watched.peak_rss,
        peak_anon: watched.peak_anon,
        hash: None,
    })
}

/// A process and the most memory that it has been seen to have.
pub(crate) struct Watched {
    pub(crate) process: Process,
    pub(crate) started: Instant,
    /// The same, after 1970: by the clock that other programs read.
    started_unix: Duration,
    looks: u32,
    pub(crate) peak_rss: u64,
    pub(crate) peak_anon: u64,
}

impl Watched {
    pub(crate) fn start(case: &Case<'_>, name: &str, mut command: Command) -> Outcome<Self> {
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH);
        let started_unix = since.context("reading the clock")?;
        command.env("BENCH_STARTED", started_unix.as_secs_f64().to_string());
        let started = Instant::now();
        Ok(Self {
            process: case.spawn(name, command)?,
            started,
            started_unix,
            looks: 0,
            peak_rss: 0,
            peak_anon: 0,
        })
    }

    fn blame(&self, reason: &Failure) -> Failure {
        let said = self.process.log().tail(LINES_SHOWN);
        Failure::new(format!("{reason}\n{said}"))
    }

    /// How long the work took. It ends after that by itself, or is killed.
    fn until_end(&mut self, done: &mut Done<'_>) -> Outcome<Duration> {
        let wall = self.until_done(done)?;
        match done {
            Done::Answer(_) | Done::Unasked => self.process.kill(),
            Done::Exit | Done::Event(_) => {
                let exit = wait::until("it ends", wait::SOON, || self.look())?;
                ensure!(exit == Exit::Code(0), "it ended with {exit}");
            }
        }
        Ok(wall)
    }

    fn until_done(&mut self, done: &mut Done<'_>) -> Outcome<Duration> {
        loop {
            ensure!(!interrupt::requested(), "interrupted");
            thread::sleep(LOOK);
            if let Some(wall) = self.poll(done)? {
                return Ok(wall);
            }
            let elapsed = self.started.elapsed();
            ensure!(elapsed < PATIENCE, "not done after {elapsed:?}");
        }
    }

    /// How long the work has taken, once it is done.
    ///
    /// # Errors
    /// If it has ended before that.
    pub(crate) fn poll(&mut self, done: &mut Done<'_>) -> Outcome<Option<Duration>> {
        let exit = self.look()?;
        let elapsed = self.started.elapsed();
        let is_done = match done {
            Done::Exit => exit.is_some(),
            Done::Event(kind) => self.process.latest_event(kind).is_some(),
            Done::Answer(ask) if self.looks.is_multiple_of(LOOKS_PER_QUESTION) => ask()?,
            Done::Answer(_) | Done::Unasked => false,
        };
        if is_done {
            let not_its_own = Interpreter::of(&self.process);
            return Ok(Some(elapsed.saturating_sub(not_its_own.wall)));
        }
        match exit {
            Some(exit) => Err(Failure::new(format!("it ended with {exit} too early"))),
            None => Ok(None),
        }
    }

    /// Whether it has ended. Takes a sample now and then.
    pub(crate) fn look(&mut self) -> Outcome<Option<Exit>> {
        self.looks += 1;
        if self.looks.is_multiple_of(LOOKS_PER_SAMPLE) {
            self.sample();
        }
        self.process.poll_exit()
    }

    pub(crate) fn sample(&mut self) {
        let memory = |line| self.process.memory(line).unwrap_or(0);
        self.peak_rss = self.peak_rss.max(memory("VmHWM"));
        self.peak_anon = self.peak_anon.max(memory("RssAnon"));
    }

    /// How long after its start something was that others have seen, less what is not its own.
    pub(crate) fn took_until(&self, unix_time: Duration) -> Duration {
        let elapsed = unix_time.saturating_sub(self.started_unix);
        elapsed.saturating_sub(Interpreter::of(&self.process).wall)
    }

    /// What it has cost so far, or in all if it has ended.
    pub(crate) fn usage(&self) -> Outcome<Usage> {
        let ended = self.process.usage();
        let usage = ended.or_else(|| self.process.usage_so_far());
        let usage = usage.context("it has ended unseen")?;
        let not_its_own = Interpreter::of(&self.process);
        Ok(Usage {
            user: usage.user.saturating_sub(not_its_own.usage.user),
            system: usage.system.saturating_sub(not_its_own.usage.system),
        })
    }
}

/// What the Python around libtorrent cost before libtorrent did anything.
#[derive(Default)]
struct Interpreter {
    wall: Duration,
    usage: Usage,
}

impl Interpreter {
    fn of(process: &Process) -> Self {
        let Some(event) = process.latest_event("interpreter") else {
            return Self::default();
        };
        let seconds = |key: &str| Duration::from_secs_f64(event[key].as_f64().unwrap_or(0.0));
        Self {
            wall: seconds("wall_secs"),
            usage: Usage {
                user: seconds("user_secs"),
                system: seconds("system_secs"),
            },
        }
    }
}

/// What `bt` says when it is done.
fn hash_time(process: &Process) -> Option<Duration> {
    let lines = process.log().stdout();
    let spent = lines.iter().rev().find_map(|line| {
        let said: Value = serde_json::from_str(line).ok()?;
        said["hash_cpu_ms"].as_u64()
    });
    spent.map(Duration::from_millis)
}

/// To a millisecond.
fn rounded(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1000.0
}

const LOOK: Duration = Duration::from_millis(5);
/// Every 25 ms: reading the status of a process costs it nothing.
const LOOKS_PER_SAMPLE: u32 = 5;
/// Every 50 ms: an answer costs the client a little.
const LOOKS_PER_QUESTION: u32 = 10;
/// Of somebody who failed.
pub(crate) const LINES_SHOWN: usize = 10;
/// Transmission takes 80 seconds for 2 GiB.
const PATIENCE: Duration = Duration::from_secs(900);
