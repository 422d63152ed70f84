//! `bt`: a BitTorrent client for the command line.
//!
//! Arguments, progress and exit codes; everything else is `bt-client` and the crates below it.
//!
//! The program is [`run`] and nothing else. It is a library so that what it reads and what it
//! writes can be tested and fuzzed, and so that packagers have the [`command`] line as a value:
//!
//! ```
//! let bt = bt_cli::command();
//! let verbs: Vec<_> = bt.get_subcommands().map(|verb| verb.get_name()).collect();
//! assert!(verbs.contains(&"get") && verbs.contains(&"announce"));
//!
//! let wrong = bt.try_get_matches_from(["bt", "get", "x.torrent", "--memory", "lots"]);
//! assert_eq!(wrong.unwrap_err().exit_code(), 2);
//! ```
//!
//! # What is deliberately outside
//!
//! Whatever another user interface would need as well: `bt-client` has it.
#![allow(
    clippy::disallowed_methods,
    reason = "a program that shows progress to people may look at the clock"
)]

mod arguments;
mod batch;
mod choosing;
mod data_path;
mod exit;
pub mod format;
mod interrupt;
mod json;
mod log_format;
mod logging;
mod looks;
mod manual;
mod open_files;
mod progress;
mod seeding;
mod state_folder;
mod stdout;
mod torrent_file;
mod transfer;
mod verbs;

use std::{ffi::OsString, process::ExitCode};

use bt_client::report::Report;
use clap::{CommandFactory, Parser};

use crate::{
    arguments::{Arguments, Verb},
    exit::Failure,
};

/// Does what the words of a command line say, of which the first is the program's name, and
/// returns when that is done. Writes to the process's stdout and stderr, and begins to log.
pub fn run<W>(words: impl IntoIterator<Item = W>) -> ExitCode
where
    W: Into<OsString> + Clone,
{
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        // Or what was asked for: help, or the version.
        Err(error) => {
            // If nobody reads it, the exit code still tells.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    logging::start(&arguments);
    // What HTTPS is made with; whoever embeds us may have chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = obey(&arguments).and_then(|()| json::all_printed());
    // What still runs after the last word (a second of network) is not waited for.
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if arguments.verb.reports_events() {
                json::print(&Report::Error {
                    message: failure.to_string(),
                    code: failure.exit as u8,
                });
            }
            logging::complain(&failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// The command line as a value: for completions, manuals and whoever wraps the program.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

fn obey(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.verb {
        Verb::Get(get) => verbs::get::run(get, arguments.quiet),
        Verb::Seed(seed) => verbs::seed::run(seed, arguments.quiet),
        Verb::Create(create) => verbs::create::run(create, arguments.quiet),
        Verb::Show(show) => verbs::show::run(show, arguments.quiet),
        Verb::Verify(verify) => verbs::verify::run(verify, arguments.quiet),
        Verb::Magnet(magnet) => verbs::magnet::run(magnet),
        Verb::Announce(announce) => verbs::announce::run(announce),
        Verb::Scrape(scrape) => verbs::scrape::run(scrape),
        Verb::Dht(dht) => verbs::dht::run(dht),
        Verb::Demo(demo) => verbs::demo::run(demo, arguments.quiet),
        Verb::Completions(completions) => verbs::completions::run(completions),
        Verb::Man(man) => verbs::man::run(man, arguments.quiet),
    }
}
