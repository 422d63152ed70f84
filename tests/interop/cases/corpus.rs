//! Every torrent of the corpus is shown, verified and fetched, and ends as `docs/corpus.md` says.
//!
//! Nothing is left to trust: each command runs with 256 MiB of memory, says one line at most, and
//! writes what it should and nothing else, wherever it could.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, SystemTime},
};

use bt_tests::corpus::{Deed, Ending, Fate, Sample, Torrent, samples};

use super::Entry;
use crate::{
    bt,
    foreign::{self, libtorrent::Libtorrent},
    harness::{Case, Context, Exit, Failure, Outcome, Process, ensure, interrupt, wait},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "corpus/all",
        run: |case| try_out_all(case, &samples(), is_quick),
    },
    Entry {
        name: "corpus/from-libtorrent",
        run: |case| from_libtorrent(case, SEEDED_BY_LIBTORRENT),
    },
];

pub(super) const LONG_CASES: &[Entry] = &[
    Entry {
        name: "long/corpus/slow-ones",
        run: |case| {
            let all = samples().into_iter();
            let slow: Vec<_> = all.filter(|sample| !is_quick(sample)).collect();
            try_out_all(case, &slow, |_| true)
        },
    },
    Entry {
        name: "long/corpus/twenty-thousand-from-libtorrent",
        run: |case| from_libtorrent(case, &["files/twenty-thousand"]),
    },
];

/// Those of which libtorrent says the same names, and that show most.
const SEEDED_BY_LIBTORRENT: &[&str] = &[
    "bencode/keys-unsorted",
    "bencode/key-of-any-bytes",
    "info/unknown-keys",
    "numbers/piece-length-odd",
    "files/empty-within",
    "files/hundreds-in-a-piece",
    "names/beyond-ascii",
    "pads/of-any-length",
    "encoding/gbk-with-utf-8-beside",
    "hybrid/folder",
];

fn is_quick(sample: &Sample) -> bool {
    !matches!(sample.fate, Fate::FetchedSlowly(_))
}

/// Tries several samples at a time, since most of them wait for something, and reports all that
/// failed.
fn try_out_all(case: &Case<'_>, samples: &[Sample], may_get: fn(&Sample) -> bool) -> Outcome {
    let (bt, folder) = (case.bt()?, case.path());
    for path in ELSEWHERE {
        ensure!(
            !Path::new(path).exists(),
            "{path} is there already; remove it, so that we see whether a sample writes it"
        );
    }
    let left = Mutex::new(samples.iter());
    let failures = Mutex::new(Vec::new());
    let work = || {
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
        while !interrupt::requested()
            && let Some(sample) = next()
        {
            if let Err(failure) = try_out(bt, folder, sample, may_get) {
                let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                failures.push(format!("{}: {failure}", sample.name));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    let failures = failures
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    ensure!(!interrupt::requested(), "interrupted");
    Ok(())
}

/// One sample and a folder of its own with nothing else in it.
struct Yard<'a> {
    bt: &'a Path,
    sample: &'a Sample,
    made: Torrent,
    path: PathBuf,
}

fn try_out(bt: &Path, folder: &Path, sample: &Sample, may_get: fn(&Sample) -> bool) -> Outcome {
    let path = folder.join(sample.file_stem());
    fs::create_dir_all(path.join("work/nothing")).context("making a folder")?;
    let made = sample.make();
    fs::write(path.join("x.torrent"), &made.bytes).context("writing a torrent")?;
    let yard = Yard {
        bt,
        sample,
        made,
        path,
    };
    if yard.has_data() {
        yard.write_data()?;
    }
    let before = yard.inventory()?;
    for deed in Deed::ALL {
        if let Some(ending) = sample
            .ending(deed)
            .filter(|_| deed != Deed::Get || may_get(sample))
        {
            yard.run(deed, ending).context(format_args!("{deed:?}"))?;
        }
    }
    let after = yard.inventory()?;
    ensure!(
        before == after,
        "things came, went or changed: {:?}",
        difference(&before, &after)
    );
    let escaped = yard.path.with_file_name("escaped");
    for escaped in ELSEWHERE.iter().map(Path::new).chain([&*escaped]) {
        ensure!(!escaped.exists(), "{} was written", escaped.display());
    }
    fs::remove_dir_all(&yard.path).context("tidying up")
}

impl Yard<'_> {
    fn has_data(&self) -> bool {
        self.sample.ending(Deed::VerifyData).is_some()
    }

    fn write_data(&self) -> Outcome {
        for file in &self.made.data {
            let path = self.path.join("data").join(&file.path);
            let folder = path.parent().context("a file without a folder")?;
            fs::create_dir_all(folder).context("making a folder of the data")?;
            fs::write(&path, &file.bytes).context(format_args!("writing {}", path.display()))?;
        }
        Ok(())
    }

    fn run(&self, deed: Deed, ending: Ending) -> Outcome {
        match deed {
            Deed::Show => self.show(ending),
            Deed::VerifyNothing => self.say(ending, &["verify", "../x.torrent", "nothing"]),
            Deed::VerifyData => self.say(ending, &["verify", "../x.torrent", "../data"]),
            Deed::Get => self.get(ending),
        }
    }

    /// To people, and to programs, who get whole paths. One of the two says the words.
    fn show(&self, ending: Ending) -> Outcome {
        let any = Ending { says: "", ..ending };
        let people = self.finish(any, &["show", "../x.torrent"])?;
        let programs = self.finish(any, &["show", "../x.torrent", "--json"])?;
        if ending.exit_code != 0 {
            ensure!(
                people == programs,
                "people are told {people:?}, programs {programs:?}"
            );
        }
        let says = |said: &String| said.contains(ending.says);
        ensure!(
            says(&people) || says(&programs),
            "expected the words {:?}, not {people:?}",
            ending.says
        );
        Ok(())
    }

    fn say(&self, ending: Ending, words: &[&str]) -> Outcome {
        self.finish(ending, words).map(drop)
    }

    /// From a seeder if there can be one; from nobody for a second if not.
    fn get(&self, ending: Ending) -> Outcome {
        let seeder = match ending.exit_code {
            0 => Some(self.seed()?),
            _ => None,
        };
        let mut words = vec!["get", "../x.torrent", "-q", "-o", "../got", "--port", "0"];
        let address = seeder.as_ref().map(|(_, port)| format!("127.0.0.1:{port}"));
        match &address {
            Some(address) => words.extend(["--peer", address]),
            None => words.extend(["--timeout", "1"]),
        }
        self.finish(ending, &words)?;
        let got = self.path.join("got");
        match ending.exit_code {
            0 => self.compare(&got),
            // The folders and empty files of what could not be fetched may be there.
            3 => Ok(()),
            _ => {
                ensure!(
                    !got.exists(),
                    "something was made for a torrent that was refused"
                );
                Ok(())
            }
        }
    }

    fn seed(&self) -> Outcome<(Process, u64)> {
        let words = [
            "seed",
            "../x.torrent",
            "../data",
            "-q",
            "--json",
            "--port",
            "0",
        ];
        let mut process = self.spawn(&words)?;
        let port = process.wait_event("listens", wait::SOON, |event| {
            (event["event"] == "listening").then(|| event["port"].as_u64())
        })?;
        process.wait_event("seeds", wait::TRANSFER, |event| {
            (event["state"] == "seeding").then_some(())
        })?;
        Ok((process, port.context("no port in `listening`")?))
    }

    /// Exactly the data, and nothing beside it.
    fn compare(&self, got: &Path) -> Outcome {
        for file in &self.made.data {
            let found = fs::read(got.join(&file.path));
            let found = found.context(format_args!("reading {}", file.path))?;
            ensure!(found == file.bytes, "{} is not as it should be", file.path);
        }
        let mut files = BTreeMap::new();
        list(got, &mut files)?;
        files.retain(|path, _| !path.is_dir());
        ensure!(
            files.len() == self.made.data.len(),
            "got more: {:?}",
            files.keys()
        );
        Ok(())
    }

    /// Runs a command to its end, looks at how it ends, and returns what it said.
    fn finish(&self, ending: Ending, words: &[&str]) -> Outcome<String> {
        let mut process = self.spawn(words)?;
        let exit = process.wait_exit(self.patience(words[0]))?;
        let log = process.log();
        let (stdout, stderr) = (log.stdout(), log.stderr());
        let fail = |what: &str| {
            let stdout: Vec<_> = stdout.iter().take(30).collect();
            Failure::new(format!(
                "{what}; {exit}, stdout {stdout:?}, stderr {stderr:?}"
            ))
        };
        if exit != Exit::Code(ending.exit_code.into()) {
            return Err(fail(&format!("expected exit code {}", ending.exit_code)));
        }
        let (said, lines) = if ending.exit_code == 0 {
            (&stdout, 0)
        } else {
            (&stderr, 1)
        };
        if stderr.len() != lines {
            return Err(fail(&format!("expected {lines} lines on stderr")));
        }
        let is_plain = |line: &String| !line.contains(char::is_control);
        if !stdout.iter().chain(&stderr).all(is_plain) {
            return Err(fail("control characters reached the terminal"));
        }
        let said = said.join("\n");
        if !said.contains(ending.says) {
            return Err(fail(&format!("expected the words {:?}", ending.says)));
        }
        Ok(said)
    }

    /// What is slow is not hidden by what may be.
    fn patience(&self, verb: &str) -> Duration {
        match verb {
            _ if !is_quick(self.sample) => LONG,
            "get" => wait::TRANSFER,
            _ => wait::SOON,
        }
    }

    /// Not only touching memory is limited but reserving it, by a number that a torrent claims.
    fn spawn(&self, words: &[&str]) -> Outcome<Process> {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("ulimit -d {MEMORY_KIB} && exec \"$0\" \"$@\""));
        command
            .arg(self.bt)
            .args(words)
            .current_dir(self.path.join("work"));
        if bt::transfers(words[0].as_ref()) {
            command.args(bt::AT_HOME);
        }
        Process::spawn(words[0], command)
    }

    /// Everything but what is downloaded.
    fn inventory(&self) -> Outcome<Inventory> {
        let mut inventory = Inventory::new();
        list(&self.path, &mut inventory)?;
        inventory.retain(|path, _| !path.starts_with(self.path.join("got")));
        inventory.remove(&self.path); // it changes when `got` is made
        Ok(inventory)
    }
}

/// By path: the length and the time of the last change.
type Inventory = BTreeMap<PathBuf, (u64, SystemTime)>;

fn list(folder: &Path, inventory: &mut Inventory) -> Outcome {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).context(format_args!("listing {}", folder.display()))? {
            let path = entry.context("listing a folder")?.path();
            let found = fs::symlink_metadata(&path).context("looking at a file")?;
            let changed = found.modified().context("reading the time of a change")?;
            if found.is_dir() {
                folders.push(path.clone());
            }
            inventory.insert(path, (found.len(), changed));
        }
    }
    Ok(())
}

fn difference(before: &Inventory, after: &Inventory) -> Vec<PathBuf> {
    let all = before.keys().chain(after.keys());
    let changed = all.filter(|path| before.get(*path) != after.get(*path));
    changed.take(10).cloned().collect()
}

/// That they are found at all shows that the info hashes are the same.
fn from_libtorrent(case: &Case<'_>, names: &[&str]) -> Outcome {
    let all = samples().into_iter();
    let chosen: Vec<_> = all.filter(|sample| names.contains(&sample.name)).collect();
    ensure!(chosen.len() == names.len(), "some samples are not there");
    for sample in chosen {
        get_from_libtorrent(case, &sample).context(sample.name)?;
    }
    Ok(())
}

fn get_from_libtorrent(case: &Case<'_>, sample: &Sample) -> Outcome {
    let made = sample.make();
    let stem = sample.file_stem();
    let path = case.folder(&stem)?;
    let bt = case.bt()?;
    let yard = Yard {
        bt,
        sample,
        made,
        path,
    };
    yard.write_data()?;
    let torrent = foreign::Torrent {
        path: yard.path.join("x.torrent"),
        info_hash: None,
        info_hash_v2: None,
    };
    fs::write(&torrent.path, &yard.made.bytes).context("writing a torrent")?;
    let seeder = Libtorrent::peer(case, &stem, &torrent, &yard.path.join("data"))?.seed()?;
    let got = yard.path.join("got");
    let mut bt = bt::get(case, "bt-get", &torrent, &got)?
        .peer(seeder.address())
        .start()?;
    bt.wait_complete(wait::TRANSFER)?;
    yard.compare(&got)
}

/// Where names of samples lead that go up from the folder of a download, or begin at the root.
const ELSEWHERE: [&str; 2] = ["/tmp/escaped", "/tmpescaped"];
/// Most of them wait for a second, or for each other.
const AT_ONCE: usize = 16;
/// Far more than any command should take.
const MEMORY_KIB: u32 = 256 * 1024;
/// Ten times what the slowest takes, two million pieces of a byte, each requested and written by
/// itself.
const LONG: Duration = Duration::from_secs(900);
