use std::{
    fs,
    fs::File,
    os::fd::AsFd,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::PathBuf,
    process::{Command, Stdio},
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{Context, Outcome, Process, ensure, wait};

/// A network namespace of its own, with nothing in it but a loopback that is down. It lives as long
/// as somebody in it, and this keeps somebody there, who ends with us even if we are killed.
#[derive(Debug)]
pub struct Namespace {
    theirs: File,
    ours: File,
    inhabitant: Process,
}

impl Namespace {
    /// Makes one; that takes root.
    pub fn new() -> Outcome<Self> {
        let mut command = Command::new("unshare");
        command.args(["--net", "--", "cat"]);
        let mut inhabitant = Process::spawn("namespace", command)?;
        let path = PathBuf::from(format!("/proc/{}/ns/net", inhabitant.id()));
        let ours = fs::read_link(OURS).context("looking at our network namespace")?;
        wait::until("there is a network namespace", wait::SOON, || {
            inhabitant.ensure_running()?;
            let theirs = fs::read_link(&path).context("looking for the namespace")?;
            Ok((theirs != ours).then_some(()))
        })?;
        Ok(Self {
            theirs: File::open(&path).context("opening the namespace")?,
            ours: File::open(OURS).context("opening our network namespace")?,
            inhabitant,
        })
    }

    /// Does something there: processes that it starts and sockets that it opens stay there.
    pub fn inside<T>(&self, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        enter(&self.theirs)?;
        let done = catch_unwind(AssertUnwindSafe(work));
        // After a panic, too: this thread goes on with other cases.
        enter(&self.ours)?;
        done.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// The process that lives there, by which programs of iproute2 name it.
    pub fn id(&self) -> u32 {
        self.inhabitant.id()
    }
}

/// Runs a program of iproute2 (`ip`, `tc`) in the network of this thread.
pub fn configure(program: &str, arguments: &[&str]) -> Outcome {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context(format_args!("running {program} (iproute2)"))?;
    ensure!(
        output.status.success(),
        "{program} {}: {} (it needs root, for a network of its own)",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// Of this thread only.
fn enter(namespace: &File) -> Outcome {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .context("entering a network namespace")
}

const OURS: &str = "/proc/thread-self/ns/net";
