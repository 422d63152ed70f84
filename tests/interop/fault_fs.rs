//! A disk whose calls fail on demand, seen by the binary under test as any other.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use rustix::{
    io::Errno,
    mount::{UnmountFlags, unmount},
};

use crate::harness::{Case, Context, Outcome, Process, wait, workspace_target};

/// A mounted file system that passes everything through to a folder, but for what is told to fail.
/// Unmounted when dropped.
#[derive(Debug)]
pub(crate) struct FaultFs {
    disk: Mounted,
    backing: PathBuf,
}

/// A file system that a script keeps, told on its stdin what to do. Unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Mounted {
    process: Process,
    mountpoint: PathBuf,
    commands: u64,
}

/// What can be made to fail.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    /// Making a file counts, too.
    Open,
    Read,
    Write,
    Sync,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Error(Errno),
    /// It moves no more than so many bytes.
    Short(u32),
}

impl FaultFs {
    /// Mounts one below the case's folder. Needs root, or the right to mount by FUSE.
    pub(crate) fn mount(case: &Case<'_>) -> Outcome<Self> {
        let backing = case.folder("disk")?;
        let disk = Mounted::start(case, "fault_fs.py", &[&backing])?;
        Ok(Self { disk, backing })
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        self.disk.path()
    }

    /// The folder behind it, which never fails.
    pub(crate) fn backing(&self) -> &Path {
        &self.backing
    }

    /// After so many more calls of its kind, each is struck.
    pub(crate) fn strike(&mut self, call: Call, fault: Fault, after: u32) -> Outcome {
        self.disk.strike(call, fault, after, None)
    }

    /// Nothing fails any more.
    pub(crate) fn lift(&mut self) -> Outcome {
        self.disk.tell("lift")
    }

    /// How often a fault has struck for the first time.
    pub(crate) fn struck(&self, call: Call) -> usize {
        self.disk.struck(call)
    }
}

impl Mounted {
    /// Mounts what `script` keeps, with its arguments before the place. Needs root, or the right to
    /// mount by FUSE.
    pub(crate) fn start(case: &Case<'_>, script: &str, arguments: &[&Path]) -> Outcome<Self> {
        let mountpoint = case.folder("mounted")?;
        for (name, text) in SCRIPTS {
            fs::write(case.path().join(name), text).context("writing the script")?;
        }
        let mut command = Command::new(python()?);
        command.arg(case.path().join(script));
        command.args(arguments).arg(&mountpoint);
        let mut disk = Self {
            process: case.spawn("faulty-disk", command)?,
            mountpoint,
            commands: 0,
        };
        disk.process
            .wait_event("is mounted (needs root, /dev/fuse)", wait::SOON, |event| {
                (event["event"] == "ready").then_some(())
            })?;
        Ok(disk)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.mountpoint
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// After so many more calls of its kind, as many are struck, or all.
    pub(crate) fn strike(
        &mut self,
        call: Call,
        fault: Fault,
        after: u32,
        count: Option<u32>,
    ) -> Outcome {
        let call = call.name();
        let (kind, number) = match fault {
            Fault::Error(errno) => ("error", errno.raw_os_error().unsigned_abs()),
            Fault::Short(bytes) => ("short", bytes),
        };
        let count = count.map_or_else(String::new, |count| count.to_string());
        self.tell(&format!("fault {call} {kind} {number} {after} {count}"))
    }

    pub(crate) fn struck(&self, call: Call) -> usize {
        self.process
            .count_events(|event| event["event"] == "faulted" && event["op"] == call.name())
    }

    /// Returns when it is obeyed.
    pub(crate) fn tell(&mut self, command: &str) -> Outcome {
        self.process.tell(command)?;
        self.commands += 1;
        wait::until("the faulty disk obeys", wait::SOON, || {
            self.process.ensure_running()?;
            let obeyed = self.process.latest_event("obeyed");
            let number = obeyed.and_then(|event| event["number"].as_u64());
            Ok((number >= Some(self.commands)).then_some(()))
        })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Before its process is killed, since until then whoever still uses it would hang; and
        // detached, as a process that is just being killed may still hold a file.
        let _ = unmount(&self.mountpoint, UnmountFlags::DETACH);
    }
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "fsync",
        }
    }
}

/// One that knows FUSE.
fn python() -> Outcome<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let named = env::var_os("BT_PYTHON").map(PathBuf::from);
        let usual = [
            workspace_target().join("tools/venv/bin/python"),
            "/usr/bin/python3".into(),
        ];
        named.into_iter().chain(usual).find(knows_fuse)
    });
    found
        .as_deref()
        .context("no FUSE for Python: cargo xtask install-tools (fuse3, and mfusepy of PyPI)")
}

fn knows_fuse(python: &PathBuf) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", "import mfusepy"]);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// One may import another.
const SCRIPTS: [(&str, &str); 2] = [
    ("fault_fs.py", include_str!("fault_fs.py")),
    ("power_fs.py", include_str!("power_fs.py")),
];
