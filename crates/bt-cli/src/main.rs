//! `bt`: a BitTorrent client for the command line.
//!
//! Arguments, progress and exit codes; everything else is `bt-client` and the crates below it.
#![allow(
    clippy::disallowed_methods,
    reason = "a program that shows progress to people may look at the clock"
)]

mod arguments;
mod data_path;
mod exit;
mod format;
mod interrupt;
mod json;
mod logging;
mod progress;
mod torrent_file;
mod transfer;
mod verbs;

use std::process::ExitCode;

use bt_client::report::Report;
use clap::Parser;

use crate::{
    arguments::{Arguments, Verb},
    exit::Failure,
};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logging::start(&arguments);
    let result = run(&arguments);
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

fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.verb {
        Verb::Get(get) => verbs::get::run(get, arguments.quiet),
        Verb::Seed(seed) => verbs::seed::run(seed, arguments.quiet),
        Verb::Show(show) => verbs::show::run(show),
        Verb::Verify(verify) => verbs::verify::run(verify, arguments.quiet),
        Verb::Demo(demo) => verbs::demo::run(demo, arguments.quiet),
    }
}
