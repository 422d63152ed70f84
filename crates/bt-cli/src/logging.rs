use std::{
    env,
    ffi::OsStr,
    io::{self, Write},
    sync::LazyLock,
};

use indicatif::MultiProgress;
use tracing::Level;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::{
    arguments::Arguments,
    exit::Failure,
    format::printable,
    log_format::{ForPeople, ForPeopleFields},
};

/// What draws progress bars, so that log lines can step aside for them.
pub(crate) static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Sends the log to stderr, as loud as the user wishes.
pub(crate) fn start(arguments: &Arguments) {
    let variable = env::var_os(LOG_VARIABLE);
    let (wish, complaint) = Wish::of(arguments, variable.as_deref());
    let subscriber = tracing_subscriber::fmt()
        .with_writer(BesideBars)
        .with_ansi(console_has_colours());
    // Only a test harness could have set another before.
    let _ = match wish {
        Wish::ForPeople { level, has_time } => subscriber
            .event_format(ForPeople { has_time })
            .fmt_fields(ForPeopleFields)
            .with_max_level(level)
            .try_init(),
        Wish::ForDevelopers(filter) => subscriber.with_env_filter(*filter).try_init(),
    };
    if let Some(complaint) = complaint
        && !arguments.quiet
    {
        tell(&complaint);
    }
}

/// What the user wishes to know.
#[derive(Debug)]
enum Wish {
    /// How it goes, in few words.
    ForPeople { level: Level, has_time: bool },
    /// Everything that is known, with times and places.
    ForDevelopers(Box<EnvFilter>),
}

impl Wish {
    /// And what is wrong with it.
    fn of(arguments: &Arguments, variable: Option<&OsStr>) -> (Self, Option<String>) {
        let mut complaint = None;
        if let Some(filter) = variable.filter(|filter| !filter.is_empty()) {
            match EnvFilter::try_new(filter.to_string_lossy()) {
                Ok(filter) => return (Self::ForDevelopers(Box::new(filter)), None),
                Err(error) => {
                    let why = printable(&error.to_string());
                    complaint = Some(format!("warning: {LOG_VARIABLE} is not followed: {why}"));
                }
            }
        }
        let for_people = |level, has_time| Self::ForPeople { level, has_time };
        let wish = match (arguments.quiet, arguments.verbose) {
            (true, _) => for_people(Level::ERROR, false),
            (false, 0) => for_people(Level::WARN, false),
            (false, 1) => for_people(Level::INFO, true),
            (false, 2) => Self::ForDevelopers(Box::new(EnvFilter::new("debug"))),
            (false, _) => Self::ForDevelopers(Box::new(EnvFilter::new("trace"))),
        };
        (wish, complaint)
    }
}

/// Says in one line why the command failed, or a part of it.
pub(crate) fn complain(failure: &Failure) {
    if failure.is_told() {
        return;
    }
    let line = failure.to_string().replace('\n', " ");
    BARS.suspend(|| {
        // If stderr is closed, the exit code still tells.
        let _ = writeln!(io::stderr(), "bt: {line}");
    });
}

/// Says something that the user wants to know; not an error.
pub(crate) fn tell(line: &str) {
    BARS.suspend(|| {
        let _ = writeln!(io::stderr(), "{line}");
    });
}

fn console_has_colours() -> bool {
    // https://no-color.org: whatever it is set to, unless it is empty.
    let is_unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::IsTerminal::is_terminal(&io::stderr()) && !is_unwanted
}

/// Writes to stderr, with progress bars out of the way.
struct BesideBars;

impl<'a> MakeWriter<'a> for BesideBars {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line
    }
}

struct Line;

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        BARS.suspend(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

const LOG_VARIABLE: &str = "BT_LOG";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn wish(words: &str, variable: Option<&str>) -> (String, Option<String>) {
        let words = format!("bt {words} show x");
        let arguments = Arguments::parse_from(words.split_whitespace());
        let (wish, complaint) = Wish::of(&arguments, variable.map(OsStr::new));
        let wish = match wish {
            Wish::ForPeople { level, .. } => level.to_string(),
            Wish::ForDevelopers(filter) => filter.to_string(),
        };
        (wish, complaint)
    }

    #[test]
    fn each_v_tells_more() {
        for (words, expected) in [
            ("-q", "ERROR"),
            ("", "WARN"),
            ("-v", "INFO"),
            ("-vv", "debug"),
            ("-vvv", "trace"),
            ("-vvvv", "trace"),
        ] {
            assert_eq!(wish(words, None), (expected.to_owned(), None), "{words}");
            assert_eq!(wish(words, Some("")), (expected.to_owned(), None));
        }
    }

    #[test]
    fn the_variable_goes_before_the_options() {
        let filter = "bt_client::trackers=debug";
        assert_eq!(wish("-q", Some(filter)), (filter.to_owned(), None));
    }

    #[test]
    fn a_variable_that_makes_no_sense_is_said() {
        let (wish, complaint) = wish("", Some("bt_client=loud,=,\u{1b}"));
        assert_eq!(wish, "WARN");
        let complaint = complaint.unwrap();
        assert!(
            complaint.starts_with("warning: BT_LOG is not followed: "),
            "{complaint}"
        );
        assert!(!complaint.contains('\u{1b}'));
    }
}
