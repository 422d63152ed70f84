//! All of them, in the order of the first round.

mod aria2;
mod bt;
pub(crate) mod libtorrent;
mod qbittorrent;
mod rqbit;
mod tools;
mod transmission;

use std::process::Command;

use bt_tests::harness::{Context, Outcome, Program, ensure};

use crate::client::Client;

pub(crate) const ALL: &[Client] = &[
    bt::BT,
    libtorrent::LIBTORRENT_2_0,
    libtorrent::LIBTORRENT_2_1,
    qbittorrent::QBITTORRENT,
    rqbit::RQBIT,
    aria2::ARIA2,
    transmission::TRANSMISSION,
    tools::MKTORRENT,
    tools::TRANSMISSION_CREATE,
];

/// The first line that says something about a version, without the program's name.
fn version_of(program: Program, option: &str) -> Outcome<String> {
    version_by(program.command()?, option)
}

fn version_by(mut command: Command, option: &str) -> Outcome<String> {
    let output = command
        .arg(option)
        .output()
        .context(format_args!("running {command:?}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let words = said.lines().next().unwrap_or_default().split(' ');
    let is_number = |word: &&str| {
        word.trim_start_matches('v')
            .starts_with(|c: char| c.is_ascii_digit())
    };
    let version = words.clone().find(is_number);
    let version = version.context(format_args!("{command:?} told no version: {said}"))?;
    ensure!(version.len() < 20, "{version} is no version");
    Ok(version.trim_start_matches('v').to_owned())
}
