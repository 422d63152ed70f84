use std::{error::Error, fmt, sync::Arc};

use bt_metainfo::Info;
use bt_types::{Selection, TorrentIds};

/// A torrent, as far as it is known, and what to do with it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Subject {
    /// All is known, as from a .torrent.
    Info {
        /// What it consists of.
        info: Arc<Info>,
        /// What to do with it.
        mode: Mode,
        /// Which of its files are wanted, and what of them comes first. Counts for [`Mode::Get`].
        selection: Arc<Selection>,
    },
    /// No more than the ids, as from a magnet link. What it consists of comes from the session's
    /// folder if it is there, else from peers (BEP 9), and is put into that folder.
    Link {
        /// Both of a hybrid torrent, if both are known: then what comes has to fit both.
        ids: TorrentIds,
        /// What to call it until then: safe as a file name.
        name: Option<String>,
        /// What to do once it is known.
        then: Then,
    },
}

impl Subject {
    /// A torrent of which all is known, and everything wanted.
    #[must_use]
    pub fn whole(info: Arc<Info>, mode: Mode) -> Self {
        Self::Info {
            info,
            mode,
            selection: Arc::default(),
        }
    }
}

/// What to do with a torrent of which all is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Mode {
    /// Fetch what is missing of what is wanted, then serve.
    Get,
    /// Serve. Data that is not complete is an error, and nothing is written.
    Seed,
    /// As [`Seed`](Self::Seed), and show each peer only pieces that no other has, until all are
    /// among them (BEP 16, super-seeding): for the first seed of a torrent.
    SuperSeed,
}

/// What to do with a torrent once it is known what it consists of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Then {
    /// As [`Mode::Get`], the files that are chosen then.
    Get(Choose),
    /// Nothing: the torrent ends in [`State::Stopped`](crate::State::Stopped), and its last
    /// [`Snapshot`](crate::Snapshot) has the metadata. Nothing is read or written of its data.
    Stop,
}

/// Says which files of a torrent are wanted, when it becomes known what there are.
#[derive(Clone)]
pub struct Choose(Arc<Chooser>);

type Chooser = dyn Fn(&Info) -> Result<Selection, Box<dyn Error + Send + Sync>> + Send + Sync;

impl Choose {
    /// By a function; if it refuses, the torrent fails with
    /// [`NotChosen`](crate::TorrentError::NotChosen).
    pub fn by(
        choose: impl Fn(&Info) -> Result<Selection, Box<dyn Error + Send + Sync>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Arc::new(choose))
    }

    /// Everything is wanted.
    #[must_use]
    pub fn all() -> Self {
        Self::by(|_| Ok(Selection::default()))
    }

    pub(super) fn of(&self, info: &Info) -> Result<Selection, Box<dyn Error + Send + Sync>> {
        (self.0)(info)
    }
}

impl fmt::Debug for Choose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Choose").finish_non_exhaustive()
    }
}
