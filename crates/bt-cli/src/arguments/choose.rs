use std::ops::RangeInclusive;

use bt_types::Priority;
use clap::Args;

use super::create::{Pattern, parse_pattern};

/// Which files of a torrent, and in what order.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Choose {
    /// Fetch only these files: numbers as `bt show` prints them (1,3-5 or 7-), a pattern (*.flac),
    /// or all but these if it begins with !; may be given several times
    ///
    /// A pattern without a slash matches names of files and folders anywhere, one with a slash paths
    /// below the torrent's folder; a folder stands for all that is in it. Files that are left out
    /// are not made. Run again with more, and only what is missing is fetched.
    #[arg(long, value_name = "FILES", value_parser = parse_files)]
    pub(crate) select: Vec<Files>,

    /// Fetch these files, of those that are selected, sooner or later than the others: high, normal,
    /// low or skip, as in 3=high or *.nfo=skip; may be given several times, and the last counts
    #[arg(long, value_name = "FILES=LEVEL", value_parser = parse_wish)]
    pub(crate) priority: Vec<Wish>,

    /// Fetch pieces in their order, to use a file while it comes; slower for everybody
    #[arg(long)]
    pub(crate) sequential: bool,

    /// Fetch the first and the last pieces of each file before everything else
    #[arg(long)]
    pub(crate) first_last: bool,

    /// Call files NAME.part until they are complete
    ///
    /// Files that are called so already are recognised in any case.
    #[arg(long)]
    pub(crate) part_names: bool,
}

/// Some files of a torrent.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    /// As the user wrote it.
    pub(crate) text: String,
    /// All but these.
    pub(crate) is_negated: bool,
    pub(crate) which: Which,
}

#[derive(Clone, Debug)]
pub(crate) enum Which {
    /// Counted from 1.
    Numbers(Vec<RangeInclusive<usize>>),
    Pattern(Pattern),
}

/// Some files, and how much they are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) files: Files,
    pub(crate) priority: Priority,
}

impl Choose {
    /// Whether it speaks of files by their numbers, which mean something in one torrent only.
    pub(crate) fn has_numbers(&self) -> bool {
        let wishes = self.priority.iter().map(|wish| &wish.files);
        let mut all = self.select.iter().chain(wishes);
        all.any(|files| matches!(files.which, Which::Numbers(_)))
    }
}

fn parse_files(text: &str) -> Result<Files, String> {
    let (is_negated, rest) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let is_number = |letter: char| letter.is_ascii_digit() || matches!(letter, ',' | '-' | ' ');
    let which =
        if rest.contains(|letter: char| letter.is_ascii_digit()) && rest.chars().all(is_number) {
            let ranges = rest.split(',').map(parse_range);
            Which::Numbers(ranges.collect::<Result<_, _>>()?)
        } else {
            Which::Pattern(parse_pattern(rest)?)
        };
    Ok(Files {
        text: text.to_owned(),
        is_negated,
        which,
    })
}

fn parse_range(text: &str) -> Result<RangeInclusive<usize>, String> {
    let number = |text: &str| {
        text.trim()
            .parse::<usize>()
            .ok()
            .filter(|&number| number > 0)
    };
    let range = match text.split_once('-') {
        None => number(text).map(|number| number..=number),
        Some((first, "")) => number(first).map(|first| first..=usize::MAX),
        Some((first, last)) => number(first)
            .zip(number(last))
            .map(|(first, last)| first..=last),
    };
    range.filter(|range| !range.is_empty()).ok_or_else(|| {
        "files are numbered from 1, as bt show prints them: 3, 1,4 or 2-5; a name of digits is ./7"
            .to_owned()
    })
}

fn parse_wish(text: &str) -> Result<Wish, String> {
    let Some((files, level)) = text.rsplit_once('=') else {
        return Err("files and a level, as in 3=high or *.nfo=low".to_owned());
    };
    let priority = match level {
        "skip" => Priority::Skip,
        "low" => Priority::Low,
        "normal" => Priority::Normal,
        "high" => Priority::High,
        _ => return Err("a level is skip, low, normal or high".to_owned()),
    };
    let files = parse_files(files)?;
    if files.is_negated {
        return Err("a level is for files, not for all but some".to_owned());
    }
    Ok(Wish { files, priority })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Verb, tests::parse},
        *,
    };

    fn choose(words: &str) -> Choose {
        let Verb::Get(get) = parse(&format!("bt get a {words}")).unwrap().verb else {
            panic!()
        };
        get.choose
    }

    #[test]
    fn numbers_and_patterns() {
        let chosen = choose("--select 1,3-5 --select 7- --select !2 --select *.flac --select ./7");
        let numbers = |at: usize| match &chosen.select[at].which {
            Which::Numbers(ranges) => ranges.clone(),
            Which::Pattern(pattern) => panic!("{pattern:?}"),
        };
        assert_eq!(numbers(0), [1..=1, 3..=5]);
        assert_eq!(numbers(1), [7..=usize::MAX]);
        assert_eq!(numbers(2), [2..=2]);
        let negated = chosen.select.iter().map(|files| files.is_negated);
        assert!(negated.eq([false, false, true, false, false]));
        for (at, name) in [(3, "a/b.flac"), (4, "7")] {
            let Which::Pattern(pattern) = &chosen.select[at].which else {
                panic!()
            };
            assert!(pattern.is_match(name));
        }
        assert!(chosen.has_numbers());
        assert!(!choose("--select *.a --priority *.b=low --sequential").has_numbers());
    }

    #[test]
    fn levels() {
        let chosen = choose("--priority 3=high --priority x=y=skip --first-last --part-names");
        let wishes: Vec<_> = chosen.priority.iter().collect();
        assert_eq!(wishes[0].priority, Priority::High);
        assert_eq!(
            (&*wishes[1].files.text, wishes[1].priority),
            ("x=y", Priority::Skip)
        );
        assert!(chosen.has_numbers() && chosen.first_last && chosen.part_names);
        assert!(!chosen.sequential);
    }

    #[test]
    fn wrong_usage() {
        for words in [
            "--select 0",
            "--select 5-3",
            "--select 1,",
            "--select 1--2",
            "--select !",
            "--select [a",
            "--select 99999999999999999999999",
            "--priority 3",
            "--priority 3=higher",
            "--priority !3=high",
            "--priority =high",
            "--select",
        ] {
            assert!(parse(&format!("bt get a {words}")).is_err(), "{words}");
        }
    }
}
