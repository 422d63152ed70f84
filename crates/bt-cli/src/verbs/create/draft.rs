use std::{
    env,
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bt_metainfo::{
    InfoBuilder, Metainfo, MetainfoBuilder, MetainfoError, MetainfoErrorKind, suggest_piece_length,
};
use bt_storage::create::{Content, Reason};
use bt_types::{FileExtent, LayoutError, PieceLayout};

use super::{renamed, shown};
use crate::{
    arguments::{Create, as_size, is_date},
    exit::{Exit, Failure},
    format::printable,
};

/// A torrent that lacks nothing but the hashes, and was found right otherwise.
pub(super) struct Draft {
    info: InfoBuilder,
    around: Around,
    /// The torrent with zeros for hashes.
    checked: Metainfo,
    /// How names would be others on disk, if some would.
    renamed: Vec<String>,
    /// How what is there is called otherwise than in the torrent, if it is.
    unlike: Option<String>,
}

/// What stands around the info dictionary.
struct Around {
    tiers: Vec<Vec<String>>,
    web_seeds: Vec<String>,
    comment: Option<String>,
    created_by: Option<String>,
    creation_date: Option<i64>,
}

impl Draft {
    pub(super) fn new(create: &Create, name: &str, content: &Content) -> Result<Self, Failure> {
        let length = content.length();
        if length == 0 {
            return Err(nothing(create, content));
        }
        let piece_length = create
            .piece_length
            .unwrap_or_else(|| suggest_piece_length(length));
        let layout = layout(content, piece_length)?;
        let info = info(create, name, content, piece_length);
        let around = Around::of(create, content)?;
        let zeros = (0..layout.piece_count()).map(|_| [0; 20]);
        let checked = around.torrent(info.clone().pieces(zeros))?.0;
        around.check(&checked)?;
        Ok(Self {
            renamed: renamed::warnings(name, content, &checked),
            unlike: unlike(create, name),
            info,
            around,
            checked,
        })
    }

    pub(super) fn layout(&self) -> &Arc<PieceLayout> {
        self.checked.info().layout()
    }

    /// What the user may not have meant.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = self.renamed.clone();
        warnings.extend(self.unlike.clone());
        if self.checked.info().is_private() && self.checked.tiers().is_empty() {
            let warning =
                "nobody will find peers: the torrent is private and names no tracker (-t)";
            warnings.push(warning.to_owned());
        }
        warnings
    }

    /// The torrent, and its bytes.
    pub(super) fn finish(self, hashes: Vec<[u8; 20]>) -> Result<(Metainfo, Vec<u8>), Failure> {
        drop(self.checked);
        self.around.torrent(self.info.pieces(hashes))
    }
}

impl Around {
    fn of(create: &Create, content: &Content) -> Result<Self, Failure> {
        let tiers = create.tiers.iter().map(|tier| tier.0.clone());
        let has_more = |url: &&String| !content.is_single_file && url.contains(['?', '#']);
        if let Some(url) = create.web_seeds.iter().find(has_more) {
            let message = format!(
                "{} cannot be a web seed of a folder: clients append the paths of files to it",
                printable(url)
            );
            return Err(Failure::new(Exit::Usage, message));
        }
        let web_seeds = create.web_seeds.iter().map(|url| {
            // Clients append the path of a file to what ends with a slash, and ask for the rest as
            // it is.
            let lacks_slash = !content.is_single_file && !url.ends_with('/');
            format!("{url}{}", if lacks_slash { "/" } else { "" })
        });
        let our_name = concat!("bt/", env!("CARGO_PKG_VERSION"));
        let created_by = create.created_by.as_deref().unwrap_or(our_name);
        Ok(Self {
            tiers: tiers.collect(),
            web_seeds: web_seeds.collect(),
            comment: create.comment.clone(),
            created_by: (!create.no_creator).then(|| created_by.to_owned()),
            creation_date: match (create.no_date, create.date) {
                (true, _) => None,
                (false, Some(date)) => Some(date),
                (false, None) => Some(reproducible_date()?.unwrap_or_else(now)),
            },
        })
    }

    fn torrent(&self, info: InfoBuilder) -> Result<(Metainfo, Vec<u8>), Failure> {
        let mut torrent = MetainfoBuilder::new(info.encode());
        for tier in &self.tiers {
            torrent = torrent.tier(tier);
        }
        for url in &self.web_seeds {
            torrent = torrent.web_seed(url);
        }
        if let Some(comment) = &self.comment {
            torrent = torrent.comment(comment);
        }
        if let Some(program) = &self.created_by {
            torrent = torrent.created_by(program);
        }
        if let Some(date) = self.creation_date {
            torrent = torrent.creation_date(date);
        }
        let bytes = torrent.encode();
        let metainfo = Metainfo::from_bytes(&bytes).map_err(|error| invalid(&error))?;
        Ok((metainfo, bytes))
    }

    /// Whether a reader takes all URLs: not too many, none twice.
    fn check(&self, torrent: &Metainfo) -> Result<(), Failure> {
        let given = self.tiers.iter().flatten().chain(&self.web_seeds);
        let mut taken = torrent.tiers().iter().flatten().chain(torrent.web_seeds());
        for url in given {
            if taken.next() != Some(url) {
                let url = printable(url);
                let message =
                    format!("{url} is there twice, or too long, or there are too many URLs");
                return Err(Failure::other(message));
            }
        }
        Ok(())
    }
}

fn invalid(error: &MetainfoError) -> Failure {
    Failure::other(match error.kind {
        MetainfoErrorKind::TooManyFolders(most) => {
            format!("there are more than {most} folders, the most that bt takes in a torrent")
        }
        _ => format!(
            "the torrent would not be valid: {}",
            printable(&error.to_string())
        ),
    })
}

fn layout(content: &Content, piece_length: u32) -> Result<PieceLayout, Failure> {
    let files = content.files.iter();
    let files = files.map(|file| FileExtent::data(file.length));
    PieceLayout::packed(piece_length.into(), files).map_err(|error| match error {
        LayoutError::TooManyPieces(_) => Failure::other(format!(
            "{error}; --piece-length {} will do",
            as_size(suggest_piece_length(content.length()))
        )),
        error => Failure::other(format!("no torrent can be made of it: {error}")),
    })
}

fn info(create: &Create, name: &str, content: &Content, piece_length: u32) -> InfoBuilder {
    let mut info = InfoBuilder::new(name, piece_length);
    for file in &content.files {
        info = if content.is_single_file {
            info.single_file(file.length)
        } else {
            info.file(&file.path, file.length)
        };
        if file.executable && !create.no_attributes {
            info = info.executable();
        }
    }
    if create.private {
        info = info.private();
    }
    if let Some(source) = &create.source {
        info = info.source(source);
    }
    info
}

fn nothing(create: &Create, content: &Content) -> Failure {
    let path = shown(&create.path);
    let left_out = |is_meant: fn(Reason) -> bool| {
        let mut left_out = content.left_out.iter();
        left_out.any(|left| is_meant(left.reason))
    };
    Failure::other(match content.files.len() {
        0 if left_out(|reason| reason == Reason::Hidden) => {
            format!("all files in {path} are hidden; --hidden takes them in")
        }
        0 if left_out(|reason| reason != Reason::EmptyFolder) => {
            format!("everything in {path} is left out")
        }
        0 => format!("{path} has no files in it"),
        _ if content.is_single_file => {
            format!("{path} is empty; a torrent needs at least one byte")
        }
        _ => format!("all files in {path} are empty; a torrent needs at least one byte"),
    })
}

/// Those who share find the content by its name.
fn unlike(create: &Create, name: &str) -> Option<String> {
    let path = &create.path;
    let whole = path.canonicalize().unwrap_or_default();
    let is_named = |path: &Path| path.file_name().is_some_and(|it| it == name);
    let is_unlike = create.name.is_some() && !is_named(path) && !is_named(&whole);
    is_unlike.then(|| {
        let now = path.file_name().or(whole.file_name()).unwrap_or_default();
        format!(
            "bt seed and bt verify will not find the content by the name {}: the torrent calls it \
             {}, and so must its file or folder be called",
            shown(now.as_ref()),
            printable(name)
        )
    })
}

/// <https://reproducible-builds.org/specs/source-date-epoch/>
fn reproducible_date() -> Result<Option<i64>, Failure> {
    let Some(date) = env::var_os(DATE_VARIABLE) else {
        return Ok(None);
    };
    let seconds = date.to_str().and_then(|date| date.parse().ok());
    seconds
        .filter(|seconds| is_date(*seconds))
        .map(Some)
        .ok_or_else(|| {
            let message =
                format!("{DATE_VARIABLE} is set to what is no number of seconds since 1970");
            Failure::other(message)
        })
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs() as i64)
}

const DATE_VARIABLE: &str = "SOURCE_DATE_EPOCH";

#[cfg(test)]
mod tests {
    use bt_hash::sha1;
    use bt_storage::create::Selection;
    use clap::Parser;
    use tempfile::TempDir;

    use super::*;
    use crate::arguments::{Arguments, Verb};

    /// A folder `album` with these files of these lengths, and what is made of it.
    fn draft(words: &str, files: &[(&str, usize)]) -> Result<Draft, Failure> {
        let folder = TempDir::new().unwrap();
        let top = folder.path().join("album");
        std::fs::create_dir(&top).unwrap();
        for (name, length) in files {
            std::fs::write(top.join(name), vec![b'x'; *length]).unwrap();
        }
        let selection = Selection {
            hidden: words.contains("--hidden"),
            ..Selection::default()
        };
        let content = Content::find(&top, &selection).unwrap();
        let words = format!("bt create album {words}");
        match Arguments::parse_from(words.split_whitespace()).verb {
            Verb::Create(create) => {
                let name = create.name.as_deref().unwrap_or("album");
                Draft::new(&create, name, &content)
            }
            other => panic!("{other:?}"),
        }
    }

    fn failure(words: &str, files: &[(&str, usize)]) -> String {
        draft(words, files).err().unwrap().to_string()
    }

    #[test]
    fn everything_that_was_said_is_in_it() {
        let words = "-t udp://a:1,udp://b:1 -t http://c/ -w http://d -p -s SRC -c text --date @7";
        let draft = draft(words, &[("a", 10)]).unwrap();
        assert!(draft.warnings().is_empty());
        let (torrent, bytes) = draft.finish(vec![sha1(b"xxxxxxxxxx")]).unwrap();
        assert_eq!(
            Metainfo::from_bytes(&bytes).unwrap().info().ids(),
            torrent.info().ids()
        );
        assert_eq!(
            torrent.tiers(),
            [vec!["udp://a:1", "udp://b:1"], vec!["http://c/"]]
        );
        assert_eq!(torrent.web_seeds(), ["http://d/"]);
        assert!(torrent.info().is_private());
        assert_eq!(torrent.info().source(), Some("SRC"));
        assert_eq!(torrent.comment(), Some("text"));
        assert_eq!(torrent.creation_date(), Some(7));
        assert!(torrent.created_by().unwrap().starts_with("bt/"));
    }

    #[test]
    fn nothing_need_be_in_it() {
        let draft = draft("--no-date --no-creator", &[("a", 10)]).unwrap();
        let (torrent, bytes) = draft.finish(vec![[1; 20]]).unwrap();
        assert_eq!(bytes, [b"d4:info", torrent.info().raw(), b"e"].concat());
    }

    #[test]
    fn contents_that_make_no_torrent() {
        for (words, files, says) in [
            ("", &[][..], "no files in it"),
            ("", &[(".a", 10)], "--hidden"),
            ("", &[("a", 0), ("b", 0)], "all files in album are empty"),
            ("-w http://a/?x=1", &[("a", 1)], "cannot be a web seed"),
            (
                "-t udp://a:1 -t udp://a:1",
                &[("a", 1)],
                "udp://a:1 is there twice",
            ),
        ] {
            let message = failure(words, files);
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn too_many_pieces_are_told_before_they_are_hashed() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("huge");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        let content = Content::find(&path, &Selection::default()).unwrap();
        let message = layout(&content, 16 << 10).unwrap_err().to_string();
        let advice = message.strip_suffix(" will do").unwrap();
        let (_, advice) = advice.split_once("; ").unwrap();
        let words = format!("bt create huge {advice}");
        let Verb::Create(create) = Arguments::parse_from(words.split(' ')).verb else {
            panic!("{words}");
        };
        layout(&content, create.piece_length.unwrap()).unwrap();
    }

    #[test]
    fn our_own_limit_is_called_ours() {
        let error = MetainfoError {
            key: "info".to_owned(),
            kind: MetainfoErrorKind::TooManyFolders(100_000),
        };
        let message = invalid(&error).to_string();
        assert!(message.ends_with("the most that bt takes in a torrent"));
    }

    #[test]
    fn what_may_not_be_meant_is_told() {
        let warnings = draft("-p", &[("a", 1)]).unwrap().warnings();
        assert!(warnings[0].contains("names no tracker"), "{warnings:?}");
        let warnings = draft("-n other", &[("a", 1)]).unwrap().warnings();
        assert!(warnings[0].contains("the name album"), "{warnings:?}");
        assert!(
            draft("-n album", &[("a", 1)])
                .unwrap()
                .warnings()
                .is_empty()
        );
        #[cfg(unix)]
        {
            let files = [("a:b", 1), ("c?", 1), ("d", 1)];
            let warnings = draft("", &files).unwrap().warnings();
            assert_eq!(warnings.len(), 1);
            assert!(warnings[0].contains("album/a:b"), "{warnings:?}");
        }
    }
}
