//! From what the command line says of files to what is wanted of a torrent.

use std::ops::RangeInclusive;

use bt_metainfo::{FileKind, Info, RelativePath};
use bt_types::{FileIndex, Priority, Selection};

use crate::{
    arguments::{Choose, Files, Which},
    exit::{Exit, Failure},
    format::printable,
};

/// What is wanted of the torrent `info`. Without a word about files that is everything, or what the
/// link chooses that has led to it: files by their index, pad files counted (BEP 53).
///
/// # Errors
/// If some words name no file, or none is left: wrong usage. If the link chooses no file that is
/// there: a bad link.
pub(crate) fn selection(
    choose: &Choose,
    by_link: &[RangeInclusive<u32>],
    info: &Info,
) -> Result<Selection, Failure> {
    let files = Listed::of(info);
    let mut priorities = match choose.select.is_empty() && !by_link.is_empty() {
        true => files.start_by_link(by_link)?,
        false => files.start(choose)?,
    };
    for wish in &choose.priority {
        let named = files.named("--priority", &wish.files)?;
        let mut is_idle = true;
        for (known, is_named) in priorities.iter_mut().zip(named) {
            if is_named && *known != Priority::Skip {
                *known = wish.priority;
                is_idle = false;
            }
        }
        if is_idle {
            let text = printable(&wish.files.text);
            return Err(wrong(format!(
                "--priority {text} names only files that are left out"
            )));
        }
    }
    if priorities
        .iter()
        .all(|&priority| priority == Priority::Skip)
    {
        let message = format!("nothing is left to fetch; {}", files.there_are());
        return Err(wrong(message));
    }
    let mut of_files = vec![Priority::Normal; info.files().len()];
    for (file, priority) in files.files.iter().zip(priorities) {
        of_files[file.index.0 as usize] = priority;
    }
    let mut selection = Selection::of_files(of_files);
    selection.in_order = choose.sequential;
    selection.ends_first = choose.first_last;
    Ok(selection)
}

/// The files of a torrent as `bt show` lists them.
struct Listed<'a> {
    name: &'a str,
    files: Vec<ListedFile<'a>>,
}

struct ListedFile<'a> {
    index: FileIndex,
    path: &'a RelativePath,
}

impl<'a> Listed<'a> {
    fn of(info: &'a Info) -> Self {
        let all = (0..).map(FileIndex).zip(info.files());
        let data = all.filter(|(_, file)| file.kind == FileKind::Data);
        let listed = data.map(|(index, file)| ListedFile {
            index,
            path: &file.path,
        });
        Self {
            name: info.name(),
            files: listed.collect(),
        }
    }

    /// What `--select` says: those that are named, or all, but for those that are not to be.
    fn start(&self, choose: &Choose) -> Result<Vec<Priority>, Failure> {
        let names_some = choose.select.iter().any(|files| !files.is_negated);
        let mut is_wanted = vec![!names_some; self.files.len()];
        for is_negated in [false, true] {
            let of_kind = choose.select.iter();
            for files in of_kind.filter(|files| files.is_negated == is_negated) {
                let named = self.named("--select", files)?;
                for (is_wanted, is_named) in is_wanted.iter_mut().zip(named) {
                    if is_named {
                        *is_wanted = !is_negated;
                    }
                }
            }
        }
        let priority = |is_wanted| match is_wanted {
            true => Priority::Normal,
            false => Priority::Skip,
        };
        Ok(is_wanted.into_iter().map(priority).collect())
    }

    /// What a link chooses. Files that are not there are passed over, if others are.
    fn start_by_link(&self, by_link: &[RangeInclusive<u32>]) -> Result<Vec<Priority>, Failure> {
        let is_wanted = |file: &ListedFile<'_>| by_link.iter().any(|it| it.contains(&file.index.0));
        let priority = |file| match is_wanted(file) {
            true => Priority::Normal,
            false => Priority::Skip,
        };
        let priorities: Vec<_> = self.files.iter().map(priority).collect();
        if priorities.contains(&Priority::Normal) {
            return Ok(priorities);
        }
        let message = format!(
            "the link chooses no file that is there; --select says which; {}",
            self.there_are()
        );
        Err(Failure::new(Exit::BadTorrent, message))
    }

    /// Which files are named; at least one.
    fn named(&self, option: &str, files: &Files) -> Result<Vec<bool>, Failure> {
        let named: Vec<bool> = match &files.which {
            Which::Numbers(ranges) => {
                let last = ranges.iter().map(|range| match *range.end() {
                    usize::MAX => *range.start(),
                    end => end,
                });
                if last.max().is_some_and(|last| last > self.files.len()) {
                    return Err(self.names_nothing(option, files));
                }
                let is_named = |number| ranges.iter().any(|range| range.contains(&number));
                (1..=self.files.len()).map(is_named).collect()
            }
            Which::Pattern(pattern) => {
                let has_slash = pattern.text.contains('/');
                let is_named = |file: &ListedFile<'_>| {
                    let path = file.path.as_str();
                    // Below the torrent's folder, or as `bt show` prints it.
                    let below = path.split_once('/').map_or(path, |(_, below)| below);
                    let is_match = |path: &str| around(path).any(|path| pattern.is_match(path));
                    is_match(below) || (has_slash && is_match(path))
                };
                self.files.iter().map(is_named).collect()
            }
        };
        match named.contains(&true) {
            true => Ok(named),
            false => Err(self.names_nothing(option, files)),
        }
    }

    fn names_nothing(&self, option: &str, files: &Files) -> Failure {
        let text = printable(&files.text);
        let problem = match files.which {
            Which::Numbers(_) => "names files that are not there",
            Which::Pattern(_) => "names no file",
        };
        wrong(format!("{option} {text} {problem}; {}", self.there_are()))
    }

    /// What one could choose from.
    fn there_are(&self) -> String {
        let shown = (1..).zip(self.files.iter().take(MAX_SHOWN));
        let shown: Vec<_> = shown
            .map(|(number, file)| {
                let path: String = file.path.as_str().chars().take(MAX_PATH).collect();
                format!("{number} {}", printable(&path))
            })
            .collect();
        let more = match self.files.len() {
            ..=MAX_SHOWN => "",
            _ => ", and so on: see bt show",
        };
        let (name, count) = (printable(self.name), self.files.len());
        let files = if count == 1 { "file" } else { "files" };
        format!("{name} has {count} {files}: {}{more}", shown.join(", "))
    }
}

/// A path and the folders around it.
fn around(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(end, _)| end);
    ends.chain([path.len()]).map(|end| &path[..end])
}

fn wrong(message: String) -> Failure {
    Failure::new(Exit::Usage, message)
}

/// Files that a message names.
const MAX_SHOWN: usize = 5;
/// In characters.
const MAX_PATH: usize = 60;

#[cfg(test)]
mod tests {
    use bt_metainfo::InfoBuilder;
    use clap::Parser;

    use super::*;
    use crate::arguments::{Arguments, Verb};

    fn album() -> Info {
        let info = InfoBuilder::new("album.d", 16_384)
            .file(["1.flac"], 100)
            .pad(16_284)
            .file(["2.flac"], 100)
            .file(["art", "cover.jpg"], 100)
            .file(["art", "back.jpg"], 100)
            .file(["notes.d", "a"], 0);
        info.pieces([[0; 20], [1; 20]]).build().unwrap()
    }

    fn choose(words: &str) -> Result<Selection, String> {
        let words = format!("bt get x {words}");
        let Verb::Get(get) = Arguments::parse_from(words.split_whitespace()).verb else {
            panic!()
        };
        selection(&get.choose, &[], &album()).map_err(|failure| {
            assert_eq!(failure.exit, Exit::Usage);
            failure.to_string()
        })
    }

    /// A letter for each file but the padding.
    fn check(words: &str, expected: &str) {
        let selection = choose(words).unwrap();
        let letters = [0, 2, 3, 4, 5].map(|file| match selection.priority_of(FileIndex(file)) {
            Priority::Skip => '-',
            Priority::Low => 'l',
            Priority::Normal => 'n',
            Priority::High => 'h',
            Priority::First => 'f',
        });
        assert_eq!(letters.iter().collect::<String>(), expected, "{words}");
    }

    #[test]
    fn files_are_chosen_by_number_and_by_pattern() {
        check("", "nnnnn");
        check("--select 1,3-4", "n-nn-");
        check("--select 2-", "-nnnn");
        check("--select *.flac --select 5", "nn--n");
        check("--select !*.flac", "--nnn");
        check("--select !1 --select *.flac", "-n---");
        check("--select art", "--nn-");
        check("--select art/ --select !back.jpg", "--n--");
        check("--select album.d/art/*", "--nn-");
        check("--select ./1.flac", "n----");
        check("--select *.d", "----n");
        check("--select *", "nnnnn");
    }

    #[test]
    fn levels_are_for_what_is_selected_and_the_last_counts() {
        check("--priority 2=high --priority art=low", "nhlln");
        check("--select 1-3 --priority *=low --priority 1=high", "hll--");
        check("--priority *.jpg=skip", "nn--n");
        let selection = choose("--sequential --first-last").unwrap();
        assert!(selection.in_order && selection.ends_first && selection.wants_all());
    }

    #[test]
    fn a_link_chooses_by_index_with_padding_and_the_user_wins() {
        let choose = |words: &str, by_link: &[RangeInclusive<u32>]| {
            let words = format!("bt get x {words}");
            let Verb::Get(get) = Arguments::parse_from(words.split_whitespace()).verb else {
                panic!()
            };
            selection(&get.choose, by_link, &album())
        };
        let wanted = |selection: &Selection| {
            // The second is padding.
            let all = [0, 2, 3, 4, 5].into_iter();
            let wanted = all.filter(|index| selection.wants(FileIndex(*index)));
            wanted.collect::<Vec<_>>()
        };
        assert_eq!(wanted(&choose("", &[0..=2]).unwrap()), [0, 2]);
        assert_eq!(wanted(&choose("", &[5..=900]).unwrap()), [5]);
        let low = choose("--priority *.flac=low", &[2..=3]).unwrap();
        assert_eq!(wanted(&low), [2, 3]);
        assert_eq!(wanted(&choose("--select 1", &[2..=3]).unwrap()), [0]);
        for none in [1..=1, 6..=9] {
            let failure = choose("", &[none]).unwrap_err();
            assert_eq!(failure.exit, Exit::BadTorrent);
            assert!(
                failure.to_string().contains("album.d has 5 files"),
                "{failure}"
            );
        }
    }

    #[test]
    fn what_names_nothing_is_wrong_and_told_what_there_is() {
        let there_are = "album.d has 5 files: 1 album.d/1.flac, 2 album.d/2.flac, \
                         3 album.d/art/cover.jpg, 4 album.d/art/back.jpg, 5 album.d/notes.d/a";
        for (words, problem) in [
            ("--select 6", "--select 6 names files that are not there; "),
            (
                "--select 1,4-6",
                "--select 1,4-6 names files that are not there; ",
            ),
            (
                "--select 6-",
                "--select 6- names files that are not there; ",
            ),
            ("--select *.mp3", "--select *.mp3 names no file; "),
            ("--select !*.mp3", "--select !*.mp3 names no file; "),
            (
                "--priority 7=low",
                "--priority 7 names files that are not there; ",
            ),
            ("--select 1 --select !1", "nothing is left to fetch; "),
            ("--priority *=skip", "nothing is left to fetch; "),
        ] {
            let said = choose(words).unwrap_err();
            assert_eq!(said, format!("{problem}{there_are}"), "{words}");
        }
        let said = choose("--select 1 --priority 2=high").unwrap_err();
        assert_eq!(said, "--priority 2 names only files that are left out");
    }
}
