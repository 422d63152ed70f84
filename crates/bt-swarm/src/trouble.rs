//! What is kept while the disk refuses something.

use std::{collections::BTreeSet, time::Instant};

use bt_types::{FileIndex, PieceIndex};

use crate::{
    DiskJob,
    retries::{Backoff, Retries},
};

/// From the first refusal until all that was refused is done, and what is on disk has been looked
/// at.
#[derive(Debug)]
pub(crate) struct Trouble<P> {
    /// What is to be written, with its blocks: what was refused, and what came since.
    pub(crate) writes: Retries<DiskJob<P>>,
    /// Pieces that we have had, to be read and hashed anew.
    pub(crate) doubtful: Retries<()>,
    /// Reading has been refused: nothing is read for peers until it works again.
    pub(crate) refuses_reads: bool,
    pub(crate) survey: Survey,
    /// Of which files something was missing: what they have is read anew after the survey.
    pub(crate) suspects: BTreeSet<FileIndex>,
    /// Pieces that are waited for, as they will not be fetched.
    pub(crate) lost: BTreeSet<PieceIndex>,
    /// When is looked for them again, or for what a survey could not see.
    pub(crate) looks: Backoff,
}

/// A look at which files are there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Survey {
    /// Is made when nothing else is left to do: whatever the trouble was, files may have suffered.
    Last,
    /// Is made then.
    At(Instant),
    /// The disk is at it; whether it has to be made again, as more is known to be missing since.
    Out {
        again: bool,
    },
    Done,
}

impl<P> Trouble<P> {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            writes: Retries::new(now, usize::MAX),
            doubtful: Retries::new(now, DOUBTFUL_AT_ONCE),
            refuses_reads: false,
            survey: Survey::Last,
            suspects: BTreeSet::new(),
            lost: BTreeSet::new(),
            looks: Backoff::new(now),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_idle() && self.survey == Survey::Done && self.lost.is_empty()
    }

    /// Which files are there has changed: they are looked at soon.
    pub(crate) fn files_changed(&mut self, now: Instant) {
        self.survey = match self.survey {
            Survey::Out { .. } => Survey::Out { again: true },
            _ => Survey::At(now),
        };
    }

    /// Whether to make a survey now, which is out then.
    pub(crate) fn takes_survey(&mut self, now: Instant) -> bool {
        let is_due = match self.survey {
            Survey::Last => self.is_idle(),
            Survey::At(due) => due <= now,
            Survey::Out { .. } | Survey::Done => false,
        };
        if is_due {
            self.survey = Survey::Out { again: false };
        }
        is_due
    }

    /// A survey has ended, or could not be made.
    pub(crate) fn surveyed(&mut self, now: Instant, is_made: bool) {
        let again = self.survey == (Survey::Out { again: true });
        self.survey = if again {
            Survey::At(now)
        } else if is_made && self.lost.is_empty() {
            Survey::Done
        } else {
            self.looks.failed(now);
            Survey::At(self.looks.due())
        };
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let survey = match self.survey {
            Survey::At(due) => Some(due),
            _ => None,
        };
        let deadlines = [
            survey,
            self.writes.poll_timeout(),
            self.doubtful.poll_timeout(),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn is_idle(&self) -> bool {
        self.writes.is_empty() && self.doubtful.is_empty()
    }
}

/// Each is read by a thread, and there may be thousands: peers and other torrents want them, too.
const DOUBTFUL_AT_ONCE: usize = 4;
