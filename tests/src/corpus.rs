//! Torrents that are odd, large, or made to do harm, and what `bt` is expected to do with each.
//!
//! They are made here, a few lines each, the same bytes every time: nobody else's torrents lie in
//! the repository. `docs/corpus.md` is this list for people (`cargo xtask corpus` writes it, and the
//! small ones as seeds of the fuzz target `metainfo_parse`); `tests/it/corpus.rs` holds both and
//! `bt-metainfo` to it, and the interop case `corpus` runs the binary on every one.

mod bencode;
mod content;
mod draft;
mod encoding;
mod files;
mod info;
mod links;
mod names;
mod numbers;
mod pads;
mod table;
mod trackers;
mod v2;
mod v2_torrents;

pub use self::{
    content::{DataFile, Torrent},
    table::table,
};

/// One torrent of the corpus.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The theme and the oddity, as in `names/parent-folder`: letters, digits, `-` and one `/`.
    pub name: &'static str,
    /// One line for people.
    pub purpose: &'static str,
    /// What is expected.
    pub fate: Fate,
    make: fn() -> Torrent,
}

/// What `bt` makes of a torrent.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// Every command refuses it with these words.
    Refused(&'static str),
    /// It is shown with these words, verified and fetched: its data is known.
    Fetched(&'static str),
    /// As `Fetched`, but takes long: fetched in the long tier only.
    FetchedSlowly(&'static str),
    /// It is shown with these words, and there is no data that would fit to it.
    Unfetchable(&'static str),
    /// A v2-only torrent: shown with these words and verified, but not yet fetched.
    V2Only(&'static str),
    /// As `V2Only`, without the hashes of its pieces.
    V2WithoutHashes(&'static str),
}

/// What is done with a torrent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    /// `bt show`.
    Show,
    /// `bt verify` where nothing is.
    VerifyNothing,
    /// `bt verify` of the right data.
    VerifyData,
    /// `bt get`, from a seeder if there is data to seed, else for a second from nobody.
    Get,
}

/// How a command ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ending {
    /// As documented.
    pub exit_code: u8,
    /// Words on stdout, if the code is 0, or else in the one line on stderr.
    pub says: &'static str,
}

/// All of them, in the order of the table.
#[must_use]
pub fn samples() -> Vec<Sample> {
    let themes = [
        bencode::SAMPLES,
        info::SAMPLES,
        numbers::SAMPLES,
        files::SAMPLES,
        names::SAMPLES,
        links::SAMPLES,
        pads::SAMPLES,
        encoding::SAMPLES,
        trackers::SAMPLES,
        v2_torrents::SAMPLES,
    ];
    themes.concat()
}

impl Sample {
    /// Makes the torrent and its data; takes a moment for the large ones.
    #[must_use]
    pub fn make(&self) -> Torrent {
        (self.make)()
    }

    /// What is expected of a deed; `None` for what cannot be done for lack of data.
    #[must_use]
    pub fn ending(&self, deed: Deed) -> Option<Ending> {
        let ending = |exit_code, says| Some(Ending { exit_code, says });
        match (self.fate, deed) {
            (Fate::Refused(_) | Fate::Unfetchable(_), Deed::VerifyData) => None,
            (Fate::Refused(says), _) => ending(4, says),
            (
                Fate::Fetched(says)
                | Fate::FetchedSlowly(says)
                | Fate::Unfetchable(says)
                | Fate::V2Only(says)
                | Fate::V2WithoutHashes(says),
                Deed::Show,
            ) => ending(0, says),
            (_, Deed::VerifyNothing) => ending(6, "neither is nor holds"),
            (Fate::V2WithoutHashes(_), Deed::VerifyData) => ending(6, "are not right"),
            (_, Deed::VerifyData) => ending(0, "are right"),
            (Fate::Fetched(_) | Fate::FetchedSlowly(_), Deed::Get) => ending(0, ""),
            (Fate::Unfetchable(_), Deed::Get) => ending(3, "timed out with"),
            (Fate::V2Only(_) | Fate::V2WithoutHashes(_), Deed::Get) => ending(4, "v2-only"),
        }
    }

    /// The theme.
    #[must_use]
    pub fn theme(&self) -> &'static str {
        self.name.split('/').next().unwrap_or(self.name)
    }

    /// The name with nothing in it that a file's cannot have.
    #[must_use]
    pub fn file_stem(&self) -> String {
        self.name.replace('/', "_")
    }

    const fn refused(
        name: &'static str,
        purpose: &'static str,
        says: &'static str,
        make: fn() -> Torrent,
    ) -> Self {
        Self {
            name,
            purpose,
            fate: Fate::Refused(says),
            make,
        }
    }

    const fn fetched(
        name: &'static str,
        purpose: &'static str,
        shows: &'static str,
        make: fn() -> Torrent,
    ) -> Self {
        Self {
            name,
            purpose,
            fate: Fate::Fetched(shows),
            make,
        }
    }

    const fn but(self, fate: Fate) -> Self {
        Self { fate, ..self }
    }
}

impl Deed {
    /// All of them, in the order of the table's columns.
    pub const ALL: [Self; 4] = [Self::Show, Self::VerifyNothing, Self::VerifyData, Self::Get];
}

/// Torrents up to this size become seeds of the fuzz target: libFuzzer does best with small ones.
pub const MAX_SEED_LENGTH: usize = 2048;
