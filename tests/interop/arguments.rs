use crate::harness::{Settings, default_bt};

pub(crate) const USAGE: &str = "\
usage: interop [--list] [--long] [--jobs N] [--bt PATH] [--keep-on-failure] [CASE…]

  CASE               a case, or the first parts of the names of several: get, get/libtorrent
                     (selftest: the harness with foreign clients alone)
  --list             print the names of the selected cases and end
  --long             the long tier too: 256 MiB and 5,000 files
  --jobs N           how many cases run at a time (default: 4: most of them mostly wait)
  --bt PATH          the binary to test (default: $BT_BIN, then target/release/bt)
  --keep-on-failure  leave the folder and the logs of a failed case

Python with the newest libtorrent: $BT_PYTHON, or target/tools/venv/bin/python.
";

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) help: bool,
    pub(crate) list: bool,
    pub(crate) long: bool,
    pub(crate) cases: Vec<String>,
    pub(crate) settings: Settings,
}

impl Arguments {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self {
            help: false,
            list: false,
            long: false,
            cases: Vec::new(),
            settings: Settings {
                bt: default_bt(),
                keep_on_failure: false,
                jobs: 4,
            },
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "-h" | "--help" => arguments.help = true,
                "--list" => arguments.list = true,
                "--long" => arguments.long = true,
                "--keep-on-failure" => arguments.settings.keep_on_failure = true,
                "--bt" => {
                    let path = words.next().ok_or("--bt wants a path")?;
                    arguments.settings.bt = std::path::absolute(&path)
                        .map_err(|error| format!("--bt {path}: {error}"))?;
                }
                "--jobs" => {
                    let jobs = words.next().and_then(|word| word.parse().ok());
                    arguments.settings.jobs = jobs
                        .filter(|jobs| *jobs > 0)
                        .ok_or("--jobs wants a number of at least 1")?;
                }
                option if option.starts_with('-') => {
                    return Err(format!("unknown option {option}"));
                }
                _ => arguments.cases.push(word),
            }
        }
        Ok(arguments)
    }
}
