//! A disk that may lose what was not synced, and that kills who writes to it.

use std::{ops::AddAssign, path::Path};

use crate::{
    fault_fs::{Call, Fault, Mounted},
    harness::{Case, Context, Outcome},
};

/// A mounted file system, kept in memory, that knows what of it is on the medium. Unmounted when
/// dropped.
#[derive(Debug)]
pub(crate) struct PowerFs {
    disk: Mounted,
    /// How often a budget has been set.
    budgets: u64,
}

/// What a failure of the power has done to what was not on the medium.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lost {
    /// Writes to files that are there nevertheless.
    pub(crate) kept: u64,
    pub(crate) dropped: u64,
    /// Of which the beginning is there.
    pub(crate) torn: u64,
    /// Names that were made, changed or removed.
    pub(crate) changes_dropped: u64,
}

impl PowerFs {
    /// Mounts one below the case's folder. Needs root, or the right to mount by FUSE.
    pub(crate) fn mount(case: &Case<'_>) -> Outcome<Self> {
        Ok(Self {
            disk: Mounted::start(case, "power_fs.py", &[])?,
            budgets: 0,
        })
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        self.disk.path()
    }

    /// Whoever calls is killed after so many more bytes, perhaps within a write. Each other call
    /// that changes something counts as 4096 bytes.
    pub(crate) fn kill_after(&mut self, bytes: u64) -> Outcome {
        self.budgets += 1;
        self.disk.tell(&format!("kill {bytes}"))
    }

    /// Nobody is killed then, but [`has_reached`](Self::has_reached) tells.
    pub(crate) fn watch(&mut self, bytes: u64) -> Outcome {
        self.budgets += 1;
        self.disk.tell(&format!("watch {bytes}"))
    }

    /// Whether the bytes that were named last have been written.
    pub(crate) fn has_reached(&self) -> bool {
        let reached = self.disk.process().latest_event("reached");
        reached.is_some_and(|event| event["number"] == self.budgets)
    }

    /// After so many more calls of its kind, `count` are struck.
    pub(crate) fn strike(&mut self, call: Call, fault: Fault, after: u32, count: u32) -> Outcome {
        self.disk.strike(call, fault, after, Some(count))
    }

    /// How many syncs have failed so far.
    pub(crate) fn failed_syncs(&self) -> usize {
        self.disk.struck(Call::Sync)
    }

    /// Nothing fails, and nobody is killed.
    pub(crate) fn calm(&mut self) -> Outcome {
        self.budgets += 1;
        self.disk.tell("calm")
    }

    /// Brings everything to the medium.
    pub(crate) fn settle(&mut self) -> Outcome {
        self.disk.tell("settle")
    }

    /// Removes everything. Nobody may have a file open.
    pub(crate) fn format(&mut self) -> Outcome {
        self.disk.tell("format")
    }

    /// The power fails: of what is not on the medium a part is lost that the seed decides.
    pub(crate) fn lose_power(&mut self, seed: u64) -> Outcome<Lost> {
        self.disk.tell(&format!("power {seed}"))?;
        let lost = self.disk.process().latest_event("lost");
        let lost = lost.context("the disk did not say what was lost")?;
        let number = |key: &str| lost[key].as_u64().unwrap_or_default();
        Ok(Lost {
            kept: number("kept"),
            dropped: number("dropped"),
            torn: number("torn"),
            changes_dropped: number("changes_dropped"),
        })
    }
}

impl AddAssign for Lost {
    fn add_assign(&mut self, more: Self) {
        self.kept += more.kept;
        self.dropped += more.dropped;
        self.torn += more.torn;
        self.changes_dropped += more.changes_dropped;
    }
}
