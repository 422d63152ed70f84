//! Interop: the `bt` binary against clients and trackers that nobody here wrote.
//!
//! Run by `cargo xtask interop`, or by hand:
//!
//! ```text
//! cargo build --release -p bt-cli
//! cargo run -p bt-tests --bin interop -- [--list] [--long] [--jobs N] [--bt PATH] [--keep-on-failure] [CASE…]
//! ```
//!
//! A case is a function over a [`harness::Case`]: its own folder, its own loopback addresses, its
//! processes ended whatever happens; so several run at a time. Cases wait on conditions with a
//! deadline and assert results, never speed. Adding one means writing the function in `cases/` and a
//! line in that file's table; adding a client to the matrix, a file in `foreign/` and a line in
//! [`foreign::CLIENTS`].
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test driver: it reads the clock, opens sockets beside the product's and reports to people"
)]

mod arguments;
mod bt;
mod cases;
mod certificates;
mod fault_fs;
mod foreign;
mod hostile_peer;
mod hostile_tracker;
mod local_network;
mod own_dht;
mod own_tracker;
mod pieces;
mod power_fs;
mod runner;
mod web_server;

use std::{env, process::ExitCode};

use bt_tests::{harness, tracker_client};

use crate::{
    arguments::{Arguments, USAGE},
    harness::interrupt,
};

fn main() -> ExitCode {
    let arguments = match Arguments::parse(env::args().skip(1)) {
        Ok(arguments) if arguments.help => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(arguments) => arguments,
        Err(mistake) => {
            eprintln!("interop: {mistake}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let selected = match cases::select(&arguments.cases, arguments.long) {
        Ok(selected) => selected,
        Err(mistake) => {
            eprintln!("interop: {mistake}");
            return ExitCode::from(2);
        }
    };
    if arguments.list {
        for planned in selected {
            println!("{}", planned.name);
        }
        return ExitCode::SUCCESS;
    }
    if let Err(error) = interrupt::install() {
        eprintln!("interop: cannot watch for signals: {error}");
        return ExitCode::FAILURE;
    }
    if runner::run(&selected, &arguments.settings) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
