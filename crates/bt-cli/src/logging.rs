use std::{
    io::{self, Write},
    sync::LazyLock,
};

use indicatif::MultiProgress;
use tracing::Level;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::{arguments::Arguments, exit::Failure};

/// What draws progress bars, so that log lines can step aside for them.
pub(crate) static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Sends the log to stderr, as loud as the user wishes. `BT_LOG` overrides `-v` and `-q`.
pub(crate) fn start(arguments: &Arguments) {
    let level = match (arguments.quiet, arguments.verbose) {
        (true, _) => Level::ERROR,
        (false, 0) => Level::WARN,
        (false, 1) => Level::INFO,
        (false, 2) => Level::DEBUG,
        (false, _) => Level::TRACE,
    };
    let filter =
        EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new(level.to_string()));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(BesideBars)
        .with_target(arguments.verbose > 1)
        .with_ansi(console_has_colours());
    // Only a test harness could have set another before.
    let _ = subscriber.try_init();
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
    io::IsTerminal::is_terminal(&io::stderr()) && std::env::var_os("NO_COLOR").is_none()
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
