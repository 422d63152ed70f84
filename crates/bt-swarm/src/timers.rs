//! A named deadline for each thing that a swarm does without being asked.

use std::time::Instant;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Timer {
    /// A peer may be dialled, or a dial has taken too long.
    Dial = 0,
    /// Upload slots are to be decided on.
    Choke = 1,
    /// Keep-alives are due, or somebody has been silent for too long.
    Upkeep = 2,
    /// While super-seeding: whether our line is idle.
    SuperSeed = 3,
    /// Somebody can be told of others.
    Gossip = 4,
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    deadlines: [Option<Instant>; 5],
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, deadline: Instant) {
        self.deadlines[timer as usize] = Some(deadline);
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.deadlines[timer as usize] = None;
    }

    pub(crate) fn stop_all(&mut self) {
        self.deadlines = Default::default();
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.deadlines[timer as usize].is_some()
    }

    /// Whether `timer` has run out; if so it is stopped.
    pub(crate) fn take_expired(&mut self, timer: Timer, now: Instant) -> bool {
        self.deadlines[timer as usize]
            .take_if(|deadline| *deadline <= now)
            .is_some()
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.deadlines.iter().flatten().min().copied()
    }
}
