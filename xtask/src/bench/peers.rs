//! `bt` beside other clients: builds and runs `tests/bench`, keeps what it finds and shows it.

use std::{fs, path::PathBuf};

use super::{
    results::{Measured, Outcome, Results, Table},
    table::NAMES,
};
use crate::{Result, cmd::Cmd, origin, run::release_binary, workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which of them; all of them without one
    #[arg(value_parser = ["download", "files", "verify", "create", "swarm", "magnet", "all"])]
    tables: Vec<String>,
    /// Bytes of the payload, as in 512M, instead of 2G (verify, create: 4G; swarm: 32M; magnet:
    /// 256M); not for files
    #[arg(long, value_parser = parse_size)]
    size: Option<u64>,
    /// How often each client runs, instead of 7 times (swarm: 3)
    #[arg(long)]
    rounds: Option<u32>,
    /// Only these, by their names in the tables
    #[arg(long, value_delimiter = ',')]
    clients: Vec<String>,
    /// A folder on a disk for the payload
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// Where the results go; tables that are there already and were not measured stay
    #[arg(long, value_name = "FILE", default_value = "target/bench-peers.json")]
    out: PathBuf,
}

/// # Errors
/// If a client is missing that a package has, if one fails, or if `bt` misses a bound.
pub(crate) fn run(args: &Args) -> Result {
    let build = ["build", "--release", "-p", "bt-cli", "-p", "bt-tests"];
    Cmd::cargo(&build)
        .args(&["--bin", "bt", "--bin", "bench"])
        .run()?;
    let commit = origin::commit()?;
    let changed_files = origin::changed_files()?;
    let measured = measure(args)?;

    let out = workspace::root().join(&args.out);
    let mut results = Results::read(&out)?;
    let mut problems = Vec::new();
    for mut table in measured.tables {
        table.machine = Some(measured.machine.clone());
        table.commit.clone_from(&commit);
        table.changed_files = changed_files;
        table.unix_time = origin::unix_time();
        show(&table);
        problems.extend(problems_of(&table));
        results.tables.insert(table.name.clone(), table);
    }
    results.write(&out)?;
    println!("\nresults: {}", args.out.display());
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n  ").into())
    }
}

fn measure(args: &Args) -> Result<Measured> {
    let raw = workspace::target_dir().join("bench-peers-raw.json");
    let mut bench = Cmd::new(release_binary("bench"))
        .env("TMPDIR", args.dir.display().to_string())
        .args(&["--out", &workspace::short(&raw)]);
    if let Some(rounds) = args.rounds {
        bench = bench.args(&["--rounds", &rounds.to_string()]);
    }
    if let Some(size) = args.size {
        bench = bench.args(&["--size", &size.to_string()]);
    }
    if !args.clients.is_empty() {
        bench = bench.args(&["--clients", &args.clients.join(",")]);
    }
    let is_all = args.tables.is_empty() || args.tables.iter().any(|table| table == "all");
    let tables = NAMES.iter().filter(|name| {
        let is_named = args.tables.iter().any(|table| table == *name);
        is_all || is_named
    });
    bench.args(&tables.collect::<Vec<_>>()).run()?;
    Ok(serde_json::from_slice(&fs::read(&raw)?)?)
}

fn show(table: &Table) {
    println!("\n{}\n", table.caption());
    println!("{}", table.to_markdown());
    println!("{}", table.origin());
    for missing in &table.missing {
        println!("{} took no part: {}", missing.name, missing.reason);
    }
    for verdict in table.verdicts() {
        println!("{verdict}");
    }
}

fn problems_of(table: &Table) -> Vec<String> {
    let missing = table.missing.iter().filter(|client| !client.is_optional);
    let missing = missing.map(|client| format!("{} is missing: {}", client.name, client.reason));
    let is_optional = |name: &str| {
        let mut clients = table.clients.iter();
        clients.any(|client| client.name == name && client.is_optional)
    };
    let failed = table.runs.iter().filter_map(|run| match &run.outcome {
        Outcome::Failed { failed } if !is_optional(&run.client) => Some(format!(
            "{} failed in round {}: {failed}",
            run.client, run.round
        )),
        _ => None,
    });
    let verdicts = table.verdicts();
    let missed = verdicts.iter().filter(|verdict| !verdict.holds());
    let missed = missed.map(ToString::to_string);
    let all = missing.chain(failed).chain(missed);
    all.map(|problem| format!("{}: {problem}", table.name))
        .collect()
}

fn parse_size(text: &str) -> std::result::Result<u64, String> {
    let (number, shift) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (&text[..at], 10),
        Some((at, 'M' | 'm')) => (&text[..at], 20),
        Some((at, 'G' | 'g')) => (&text[..at], 30),
        _ => (text, 0),
    };
    let size = number.parse::<u64>().ok();
    let size = size.and_then(|number| number.checked_mul(1 << shift));
    size.filter(|size| *size > 0)
        .ok_or_else(|| "a size is a number, and K, M or G".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("7"), Ok(7));
        assert_eq!(parse_size("512M"), Ok(512 << 20));
        assert_eq!(parse_size("2G"), Ok(2 << 30));
        for wrong in ["", "0", "G", "1T", "99999999999G"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
