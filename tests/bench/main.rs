//! What `bt` costs beside the clients that people know, on one machine.
//!
//! Run by `cargo xtask bench peers`, which builds it, gives it a network of its own and makes
//! tables of what it writes. One table is one piece of work (a download, a check, a swarm of its
//! kind) that every client does in turn, round by round; nothing is measured twice in a row.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test driver: it reads the clock, opens sockets beside the product's and reports to people"
)]

mod arguments;
mod client;
mod clients;
mod dht;
mod lines;
mod machine;
mod measure;
mod network;
mod source;
mod swarm;
mod table;

use std::{env, fs, process::ExitCode};

use bt_tests::harness::{Context, Outcome, interrupt};
use serde_json::json;

use crate::arguments::{Arguments, USAGE};

fn main() -> ExitCode {
    let arguments = match Arguments::parse(env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(mistake) => {
            eprintln!("bench: {mistake}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("bench: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Outcome {
    network::enter()?;
    interrupt::install().context("watching for signals")?;
    let mut tables = Vec::new();
    for table in &arguments.tables {
        tables.push(table::run(*table, arguments)?);
    }
    let report = json!({ "machine": machine::describe()?, "tables": tables });
    fs::write(&arguments.out, format!("{report:#}\n"))
        .context(format_args!("writing {}", arguments.out.display()))
}
