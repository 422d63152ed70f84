//! The program; [`bt_cli`] is all of it.

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    bt_cli::run(env::args_os())
}
