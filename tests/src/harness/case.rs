use std::{
    cell::RefCell,
    fs,
    net::SocketAddrV4,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use super::{
    Context, Outcome, Process, ensure,
    ports::{self, Addresses},
    process::Log,
    tempdir::TempDir,
};

/// What holds for all cases of a run.
#[derive(Debug)]
pub struct Settings {
    pub bt: PathBuf,
    pub keep_on_failure: bool,
    /// How many cases run at a time.
    pub jobs: usize,
}

/// What a case has to itself: a folder, addresses, and the logs of what it started.
#[derive(Debug)]
pub struct Case<'a> {
    settings: &'a Settings,
    dir: TempDir,
    addresses: Addresses,
    logs: RefCell<Vec<Arc<Log>>>,
}

impl<'a> Case<'a> {
    pub fn new(settings: &'a Settings, number: usize) -> Outcome<Self> {
        Ok(Self {
            settings,
            dir: TempDir::new().context("making a temporary folder")?,
            addresses: Addresses::new(number),
            logs: RefCell::default(),
        })
    }

    /// The case's own folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A folder in it, made if it is not there yet.
    pub fn folder(&self, name: &str) -> Outcome<PathBuf> {
        let path = self.dir.path().join(name);
        fs::create_dir_all(&path).context(format_args!("making {}", path.display()))?;
        Ok(path)
    }

    /// A loopback address of its own with a free port.
    pub fn address(&self) -> Outcome<SocketAddrV4> {
        self.addresses.socket()
    }

    /// A port that is free on every address, for those who listen on all.
    pub fn wildcard_port(&self) -> Outcome<u16> {
        ports::free_port()
    }

    /// The binary under test.
    pub fn bt(&self) -> Outcome<&'a Path> {
        let bt = &self.settings.bt;
        ensure!(
            bt.is_file(),
            "{} is missing: cargo build --release -p bt-cli",
            bt.display()
        );
        Ok(bt)
    }

    pub fn spawn(&self, name: &str, command: Command) -> Outcome<Process> {
        let process = Process::spawn(name, command)?;
        self.logs.borrow_mut().push(Arc::clone(process.log()));
        Ok(process)
    }

    /// Does a part of the case; if that goes well, nobody need see what those said whom it started.
    pub fn forget_if_well<T>(&self, part: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        let before = self.logs.borrow().len();
        let done = part()?;
        self.logs.borrow_mut().truncate(before);
        Ok(done)
    }

    /// The end of what everybody said.
    pub fn log_tails(&self, lines: usize) -> String {
        let logs = self.logs.borrow();
        logs.iter()
            .map(|log| format!("--- {}\n{}", log.name, log.tail(lines)))
            .collect()
    }

    /// Leaves the folder, with all logs in it.
    pub fn keep(self) -> PathBuf {
        for (number, log) in self.logs.borrow().iter().enumerate() {
            let name = format!("{number:02}-{}.log", log.name);
            let _ = fs::write(self.dir.path().join(name), log.text());
        }
        self.dir.keep()
    }
}
