use std::{
    fmt, fs,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde_json::Value;
use wait4::Wait4;

use super::{Context, Failure, Outcome, wait};

/// A program in a process group of its own. Dropping it kills and reaps the whole group.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    log: Arc<Log>,
    readers: Vec<JoinHandle<()>>,
    ended: Option<(Exit, Usage)>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

/// The CPU time of a process, of all its threads and of the children that it waited for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    pub user: Duration,
    pub system: Duration,
}

impl Process {
    /// Starts `command`; its stdin stays open until the process is dropped.
    pub fn spawn(name: &str, mut command: Command) -> Outcome<Self> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child =
            spawn(&mut command).context(format_args!("starting {name} ({command:?})"))?;
        let log = Arc::new(Log {
            name: name.to_owned(),
            lines: Mutex::default(),
        });
        log.lines().push(Line {
            stream: Stream::Command,
            text: format!("{command:?}"),
        });
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(log.follow(Stream::Stdout, stdout));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(log.follow(Stream::Stderr, stderr));
        }
        Ok(Self {
            stdin: child.stdin.take(),
            child,
            log,
            readers,
            ended: None,
        })
    }

    /// The number by which the system knows it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Writes one line to its stdin.
    pub fn tell(&mut self, line: &str) -> Outcome {
        let stdin = self.stdin.as_mut().context("stdin is closed")?;
        writeln!(stdin, "{line}").context(format_args!("telling {} to {line}", self.log.name))
    }

    /// Ends its stdin, for those who end with it.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub fn signal(&self, signal: Signal) -> Outcome {
        match self.ended {
            Some(_) => Ok(()),
            None => kill_process_group(self.pid(), signal)
                .context(format_args!("sending {signal:?} to {}", self.log.name)),
        }
    }

    /// Kills the group at once and reaps it: nobody gets a chance to say goodbye.
    pub fn kill(&mut self) {
        if self.ended.is_none() {
            let _ = self.signal(Signal::KILL);
            let _ = self.reap();
        }
    }

    /// Asks it to end, as `kill` does, and waits until it has.
    pub fn terminate(&mut self) -> Outcome {
        self.signal(Signal::TERM)?;
        self.wait_exit(wait::SOON)?;
        Ok(())
    }

    /// How it ended, once it has. All its output is in the log by then.
    pub fn poll_exit(&mut self) -> Outcome<Option<Exit>> {
        if self.ended.is_none() {
            // The leader is left a zombie until its group is killed, so that the number of the
            // group cannot have gone to somebody else.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            let ended = waitid(WaitId::Pid(self.pid()), options)
                .context(format_args!("waiting for {}", self.log.name))?;
            if ended.is_some() {
                let _ = self.signal(Signal::KILL);
                self.reap()?;
            }
        }
        Ok(self.ended.map(|(exit, _)| exit))
    }

    /// What it cost, once it has ended or been killed.
    pub fn usage(&self) -> Option<Usage> {
        self.ended.map(|(_, usage)| usage)
    }

    pub fn wait_exit(&mut self, patience: Duration) -> Outcome<Exit> {
        let name = self.log.name.clone();
        wait::until(&format!("{name} ends"), patience, || self.poll_exit())
    }

    /// Fails if it has ended.
    pub fn ensure_running(&mut self) -> Outcome {
        match self.poll_exit()? {
            None => Ok(()),
            Some(exit) => Err(Failure::new(format!("{} ended with {exit}", self.log.name))),
        }
    }

    /// The first JSON line on stdout of which `pick` makes something, past or future.
    pub fn wait_event<T>(
        &mut self,
        what: &str,
        patience: Duration,
        mut pick: impl FnMut(&Value) -> Option<T>,
    ) -> Outcome<T> {
        let mut seen = 0;
        wait::until(&format!("{} {what}", self.log.name), patience, || {
            let exit = self.poll_exit()?; // before looking, so that the last words count
            let new: Vec<_> = self.log.lines()[seen..].to_vec();
            seen += new.len();
            if let Some(found) = new
                .iter()
                .filter_map(Line::event)
                .find_map(|event| pick(&event))
            {
                return Ok(Some(found));
            }
            match exit {
                None => Ok(None),
                Some(exit) => Err(Failure::new(format!(
                    "{} ended with {exit} before it {what}",
                    self.log.name
                ))),
            }
        })
    }

    /// The newest JSON line on stdout whose `"event"` is `kind`.
    pub fn latest_event(&self, kind: &str) -> Option<Value> {
        self.log
            .lines()
            .iter()
            .rev()
            .filter(|line| line.text.contains(kind)) // reading JSON costs much more
            .filter_map(Line::event)
            .find(|event| event["event"] == kind)
    }

    /// How many JSON lines on stdout satisfy `which`.
    pub fn count_events(&self, which: impl Fn(&Value) -> bool) -> usize {
        self.log
            .lines()
            .iter()
            .filter_map(Line::event)
            .filter(|event| which(event))
            .count()
    }

    /// Whether it has this file open now.
    pub fn has_open(&self, path: &Path) -> bool {
        let pid = self.pid().as_raw_nonzero();
        let open = fs::read_dir(format!("/proc/{pid}/fd"));
        let mut open = open.into_iter().flatten().flatten();
        open.any(|file| fs::read_link(file.path()).is_ok_and(|target| target == path))
    }

    /// The most memory that it has had, in bytes; nothing once it has ended.
    pub fn peak_memory(&self) -> Option<u64> {
        self.memory("VmHWM")
    }

    /// A line of its status that is about memory, in bytes; nothing once it has ended.
    pub fn memory(&self, line: &str) -> Option<u64> {
        let pid = self.pid().as_raw_nonzero();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let mut lines = status.lines();
        let value = lines.find_map(|found| found.strip_prefix(line)?.strip_prefix(':'))?;
        let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }

    /// The CPU time that a running process has taken so far, to a hundredth of a second.
    pub fn usage_so_far(&self) -> Option<Usage> {
        let pid = self.pid().as_raw_nonzero();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name, in brackets, and may contain anything.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut time = || {
            let ticks: u64 = fields.next()?.parse().ok()?;
            Some(Duration::from_secs(ticks) / ticks_per_second())
        };
        Some(Usage {
            user: time()?,
            system: time()?,
        })
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn reap(&mut self) -> Outcome {
        let ended = self
            .child
            .wait4()
            .context(format_args!("reaping {}", self.log.name))?;
        let usage = Usage {
            user: ended.rusage.utime,
            system: ended.rusage.stime,
        };
        self.ended = Some((Exit::from(ended.status), usage));
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        Ok(())
    }
}

/// Tries again while the program is still being written: to a process that another case is just
/// starting, which holds a copy of every open file until it has become what it shall be.
fn spawn(command: &mut Command) -> Outcome<Child> {
    wait::until("the program can be run", wait::SOON, || {
        match command.spawn() {
            Ok(child) => Ok(Some(child)),
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => Ok(None),
            Err(error) => Err(Failure::new(error.to_string())),
        }
    })
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn ticks_per_second() -> u32 {
    u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100)
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// Everything that a process said.
#[derive(Debug)]
pub struct Log {
    pub name: String,
    lines: Mutex<Vec<Line>>,
}

#[derive(Clone, Debug)]
struct Line {
    stream: Stream,
    text: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stream {
    /// Not said but done: the command line.
    Command,
    Stdout,
    Stderr,
}

impl Log {
    pub fn stdout(&self) -> Vec<String> {
        self.said_on(Stream::Stdout)
    }

    pub fn stderr(&self) -> Vec<String> {
        self.said_on(Stream::Stderr)
    }

    /// The command and the last `count` lines for a report, marked by stream. Of numbers that are
    /// reported again and again only the last are shown.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.lines();
        let mut shown: Vec<(&Line, usize)> = Vec::new();
        for line in lines.iter() {
            match shown.last_mut() {
                Some((last, times)) if line.updates(last) => (*last, *times) = (line, *times + 1),
                _ => shown.push((line, 1)),
            }
        }
        let cut = shown.len().saturating_sub(count).max(1).min(shown.len());
        let (command, said) = (shown.first().into_iter(), &shown[cut..]);
        let text = |(line, times): &(&Line, usize)| match times {
            1 => format!("{line}\n"),
            _ => format!("{line} (the last of {times})\n"),
        };
        command.chain(said).map(text).collect()
    }

    /// Every line.
    pub fn text(&self) -> String {
        self.lines()
            .iter()
            .map(|line| format!("{line}\n"))
            .collect()
    }

    fn said_on(&self, stream: Stream) -> Vec<String> {
        let lines = self.lines();
        lines
            .iter()
            .filter(|line| line.stream == stream)
            .map(|line| line.text.clone())
            .collect()
    }

    fn follow(
        self: &Arc<Self>,
        stream: Stream,
        source: impl Read + Send + 'static,
    ) -> JoinHandle<()> {
        let log = Arc::clone(self);
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut bytes = Vec::new();
            while source.read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&bytes)
                    .trim_end_matches('\n')
                    .to_owned();
                log.lines().push(Line { stream, text });
                bytes.clear();
            }
        })
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Whether this line says the same as `earlier`, with newer numbers.
    fn updates(&self, earlier: &Self) -> bool {
        let kind = |line: &Self| Some(line.event()?["event"].as_str()?.to_owned());
        let kinds = kind(self).zip(kind(earlier));
        kinds.is_some_and(|(new, old)| new == old && ["progress", "status"].contains(&&*new))
    }

    fn event(&self) -> Option<Value> {
        (self.stream == Stream::Stdout)
            .then(|| serde_json::from_str(&self.text).ok())
            .flatten()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.stream {
            Stream::Command => '$',
            Stream::Stdout => ' ',
            Stream::Stderr => '!',
        };
        write!(f, "{mark} {}", self.text)
    }
}
