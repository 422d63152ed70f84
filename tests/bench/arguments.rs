use std::path::PathBuf;

use bt_tests::harness::{Settings, default_bt};

use crate::table::Table;

pub(crate) const USAGE: &str = "\
usage: bench --out FILE [--size BYTES] [--rounds N] [--clients A,B] [--bt PATH] [TABLE…]

  TABLE          download, files, verify, create, swarm, magnet; all of them without one
  --out FILE     where the results go, as JSON
  --size BYTES   of the payload, instead of 2 GiB (verify, create: 4 GiB, swarm: 32 MiB, magnet:
                 256 MiB); not for files
  --rounds N     how often each client runs (7; swarm: 3)
  --clients A,B  these only, by the names in the tables
  --bt PATH      the binary to measure (default: $BT_BIN, then target/release/bt)

The payload lies in $TMPDIR, or /tmp.
";

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) tables: Vec<Table>,
    pub(crate) out: PathBuf,
    pub(crate) size: Option<u64>,
    /// Each table knows best, if nobody says.
    pub(crate) rounds: Option<usize>,
    /// All, if empty.
    pub(crate) clients: Vec<String>,
    pub(crate) settings: Settings,
}

impl Arguments {
    /// Nothing if help is wanted.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut out = None;
        let mut arguments = Self {
            tables: Vec::new(),
            out: PathBuf::new(),
            size: None,
            rounds: None,
            clients: Vec::new(),
            settings: Settings {
                bt: default_bt(),
                keep_on_failure: false,
                jobs: 1,
            },
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} wants a value"));
            match word.as_str() {
                "-h" | "--help" => return Ok(None),
                "--out" => out = Some(PathBuf::from(value()?)),
                "--size" => arguments.size = Some(number(&value()?)?),
                "--rounds" => arguments.rounds = Some(number(&value()?)? as usize),
                "--clients" => arguments
                    .clients
                    .extend(value()?.split(',').map(str::to_owned)),
                "--bt" => arguments.settings.bt = PathBuf::from(value()?),
                option if option.starts_with('-') => {
                    return Err(format!("unknown option {option}"));
                }
                name => arguments.tables.push(
                    Table::named(name).ok_or_else(|| format!("there is no table called {name}"))?,
                ),
            }
        }
        if arguments.tables.is_empty() {
            arguments.tables.extend(Table::ALL);
        }
        arguments.out = out.ok_or("--out is missing")?;
        Ok(Some(arguments))
    }
}

fn number(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("{text} is no number above 0")),
        Ok(number) => Ok(number),
    }
}
