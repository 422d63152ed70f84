//! Some files of a torrent, and what of them comes first.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Entry, MIB, PIECE_LENGTH, get::made_by_libtorrent};
use crate::{
    bt::{self, Builder, exit},
    foreign::{
        Client, Torrent,
        libtorrent::{Format, Libtorrent},
        transmission::Transmission,
    },
    harness::{Case, Context, Outcome, Payload, ensure, wait},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "choose/then-more/libtorrent",
        run: then_more_from_libtorrent,
    },
    Entry {
        name: "choose/then-more/hybrid",
        run: then_more_of_a_hybrid,
    },
    Entry {
        name: "choose/then-more/transmission",
        run: then_more_from_transmission,
    },
    Entry {
        name: "choose/killed-with-part-names",
        run: killed_with_part_names,
    },
    Entry {
        name: "choose/remembered",
        run: remembered,
    },
    Entry {
        name: "choose/in-order",
        run: in_order,
    },
    Entry {
        name: "choose/ends-first",
        run: ends_first,
    },
    Entry {
        name: "choose/seeds-what-it-has",
        run: seeds_what_it_has,
    },
    Entry {
        name: "choose/names-nothing",
        run: names_nothing,
    },
];

/// The seeder counts what it sends: a part, then only the rest, then nothing.
fn then_more_from_libtorrent(case: &Case<'_>) -> Outcome {
    then_more(case, Format::V1)
}

/// Pad files between the files: no piece is shared, and there is nothing to keep beside them.
fn then_more_of_a_hybrid(case: &Case<'_>) -> Outcome {
    then_more(case, Format::Hybrid)
}

fn then_more(case: &Case<'_>, format: Format) -> Outcome {
    let payload = Payload::multi(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, format, None)?;
    let (seed, folder) = (case.folder("seed")?, case.folder("got")?);
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &seed)?.seed()?;
    let numbers = number_of(case, &torrent, "first.bin")?;
    let address = seeder.address();
    let get = |name: &str, words: &[&str]| -> Outcome {
        let mut bt = get(case, name, &torrent, &folder, words)?
            .peer(address)
            .start()?;
        bt.wait_complete(wait::TRANSFER)
    };

    get("bt-some", &["--select", &numbers, "--select", "*deep*"])?;
    ensure_there(
        &folder,
        &["payload/a/b/c/deep.bin", "payload/a/first.bin"],
        &seed,
    )?;
    let some = seeder.uploaded_when_alone()?;
    let most = 300_001 + 4 * PIECE_LENGTH;
    ensure!(
        some <= most,
        "{some} bytes were sent, {most} were wanted at most"
    );
    let is_shared = matches!(format, Format::V1);
    ensure!(
        part_file(&folder)?.is_some() == is_shared,
        "a part file is for shared pieces"
    );

    get("bt-more", &["--select", "!large.bin"])?;
    ensure!(
        !folder.join("payload/large.bin").exists(),
        "it was not wanted"
    );
    get("bt-all", &[])?;
    payload.compare(&folder)?;
    ensure!(
        part_file(&folder)?.is_none(),
        "the part file is needed by nobody"
    );
    let all = seeder.uploaded_when_alone()?;
    let most = payload.length() + END_GAME_ALLOWANCE;
    ensure!(all <= most, "{all} bytes were sent of {}", payload.length());

    seeder.kill();
    let mut alone = bt::get(case, "bt-alone", &torrent, &folder)?.start()?;
    alone.wait_complete(wait::TRANSFER)
}

fn then_more_from_transmission(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(4 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let (seed, folder) = (case.folder("seed")?, case.folder("got")?);
    let client: &dyn Client = &Transmission;
    let seeder = client.seed(case, &torrent, &seed, None)?;
    for (name, words) in [
        ("bt-some", &["--select", "z.txt", "--select", "a/b"][..]),
        ("bt-all", &[]),
    ] {
        let mut bt = get(case, name, &torrent, &folder, words)?
            .peer(seeder.address())
            .start()?;
        bt.wait_complete(wait::TRANSFER)?;
        let complete = bt.latest("complete")?;
        if words.is_empty() {
            ensure!(complete["files_left_out"] == 0, "{complete}");
        } else {
            ensure!(complete["files_left_out"] == 3, "{complete}");
            let expected = [
                "payload/a/b/c/deep.bin",
                "payload/a/b/empty",
                "payload/z.txt",
            ];
            ensure_there(&folder, &expected, &seed)?;
        }
    }
    payload.compare(&folder)
}

/// `kill -9` in the middle of a selection, then the rest of it, then everything.
fn killed_with_part_names(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(16 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let (seed, folder) = (case.folder("seed")?, case.folder("got")?);
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &seed)?
        .upload_limit(payload.length() / 20)
        .seed()?;
    let select = ["--select", "large.bin", "--part-names"];
    let mut first = get(case, "bt-first", &torrent, &folder, &select)?
        .peer(seeder.address())
        .start()?;
    let before = first.wait_middle(payload.length() / 4)?;
    first.kill();
    let (large, part) = ("payload/large.bin", "payload/large.bin.part");
    ensure!(folder.join(part).is_file(), "no {part}");
    ensure!(!folder.join(large).exists(), "{large} is not complete");
    let uploaded_before = seeder.uploaded_when_alone()?;

    seeder.limit_upload(0)?;
    // Whoever goes on without the option finds it as well.
    let mut second = get(case, "bt-second", &torrent, &folder, &select[..2])?
        .peer(seeder.address())
        .start()?;
    second.wait_complete(wait::TRANSFER)?;
    ensure_there(&folder, &[large], &seed)?;
    let fetched = seeder.uploaded_when_alone()? - uploaded_before;
    let missing = payload.length() - before.bytes_done;
    ensure!(
        fetched <= missing + END_GAME_ALLOWANCE,
        "{fetched} bytes fetched where at most {missing} were missing"
    );
    let mut third = get(case, "bt-third", &torrent, &folder, &["--part-names"])?
        .peer(seeder.address())
        .start()?;
    third.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;
    ensure!(
        part_file(&folder)?.is_none(),
        "the part file is needed by nobody"
    );
    let all = seeder.uploaded_when_alone()?;
    let most = payload.length() + uploaded_before - before.bytes_done + 2 * END_GAME_ALLOWANCE;
    ensure!(all <= most, "{all} bytes were sent of {}", payload.length());
    Ok(())
}

/// The same again, more, and less: nothing is hashed for that. When the part file has gone, or was
/// changed, what lies in it is in doubt, and nothing else.
fn remembered(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let (seed, folder) = (case.folder("seed")?, case.folder("got")?);
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &seed)?.seed()?;
    let address = seeder.address();
    // Returns what was hashed.
    let get = |name: &str, words: &[&str]| -> Outcome<u64> {
        let mut bt = get(case, name, &torrent, &folder, words)?
            .peer(address)
            .start()?;
        bt.wait_complete(wait::TRANSFER)?;
        bt.latest("complete")?["bytes_hashed"]
            .as_u64()
            .context("no bytes_hashed")
    };
    let (some, more) = (["--select", "first.bin"], ["--select", "!*deep*"]);
    get("bt-some", &some)?;
    let sent = seeder.uploaded_when_alone()?;
    let hashed = get("bt-again", &some)?;
    ensure!(hashed == 0, "{hashed} bytes were hashed of what is known");
    ensure!(seeder.uploaded_when_alone()? == sent, "more was fetched");

    // No more than a piece at each end of the file lies in it.
    let most = 2 * PIECE_LENGTH;
    let in_part_file = part_file(&folder)?.context("no part file")?;
    let bytes = read(&in_part_file)?;
    fs::remove_file(&in_part_file).context("removing the part file")?;
    fs::write(&in_part_file, bytes).context("writing the part file")?;
    let hashed = get("bt-replaced", &some)?;
    ensure!(hashed <= most, "{hashed} bytes were hashed");
    ensure!(seeder.uploaded_when_alone()? == sent, "all was there");

    fs::remove_file(&in_part_file).context("removing the part file")?;
    let hashed = get("bt-without", &some)?;
    ensure!(hashed <= most, "{hashed} bytes were hashed");
    let again = seeder.uploaded_when_alone()? - sent;
    ensure!(again <= most, "{again} bytes were fetched again");
    ensure_there(&folder, &["payload/a/first.bin"], &seed)?;

    for (name, words) in [("bt-more", &more[..]), ("bt-less", &some), ("bt-all", &[])] {
        let hashed = get(name, words)?;
        ensure!(hashed == 0, "{name}: {hashed} bytes were hashed");
    }
    payload.compare(&folder)?;
    let all = seeder.uploaded_when_alone()?;
    let most = payload.length() + most + END_GAME_ALLOWANCE;
    ensure!(all <= most, "{all} bytes were sent of {}", payload.length());
    let words = [Path::new("verify"), &torrent.path, &folder];
    bt::run(case, words, wait::SOON)?.ensure_exit(exit::DONE)?;
    Ok(())
}

/// What has come in the middle is the beginning.
fn in_order(case: &Case<'_>) -> Outcome {
    let good = pieces_in_the_middle(case, "--sequential")?;
    let count = good.iter().filter(|good| **good).count();
    let last = good.iter().rposition(|good| *good).unwrap_or(0);
    // Some pieces are under way at a time.
    ensure!(last < count + 8, "piece {last} is there among {count}");
    Ok(())
}

/// A hundredth of a file of 256 pieces is three.
fn ends_first(case: &Case<'_>) -> Outcome {
    let good = pieces_in_the_middle(case, "--first-last")?;
    let is_whole = |mut part: std::slice::Iter<'_, bool>| part.all(|good| *good);
    ensure!(
        is_whole(good[..3].iter()),
        "the first pieces did not come first"
    );
    ensure!(
        is_whole(good[good.len() - 3..].iter()),
        "the last pieces did not come first"
    );
    Ok(())
}

/// Which pieces are there when a quarter is.
fn pieces_in_the_middle(case: &Case<'_>, option: &str) -> Outcome<Vec<bool>> {
    let payload = Payload::single(16 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let (seed, folder) = (case.folder("seed")?, case.folder("got")?);
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &seed)?
        .upload_limit(payload.length() / 20)
        .seed()?;
    let mut bt = get(case, "bt-get", &torrent, &folder, &[option])?
        .peer(seeder.address())
        .start()?;
    bt.wait_middle(payload.length() / 4)?;
    bt.kill();
    let right = read(&seed.join(&payload.name))?;
    let mut found = read(&folder.join(&payload.name))?;
    found.resize(right.len(), 0);
    let length = PIECE_LENGTH as usize;
    let pieces = right.chunks(length).zip(found.chunks(length));
    Ok(pieces.map(|(right, found)| right == found).collect())
}

/// Who has all that it wants serves it, and takes no part in fetching the rest (BEP 21).
fn seeds_what_it_has(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(8 * MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let (seed, folder) = (case.folder("seed")?, case.folder("got")?);
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &seed)?.seed()?;
    let words = ["--select", "a/first.bin", "--seed"];
    let mut bt = get(case, "bt-get", &torrent, &folder, &words)?
        .peer(seeder.address())
        .start()?;
    let address = bt.wait_listening()?;
    bt.wait_said("complete", wait::TRANSFER)?;
    // The two want nothing of each other, and part.
    let sent = seeder.uploaded_when_alone()?;
    let leecher = Libtorrent::peer(case, "leecher", &torrent, &case.folder("leech")?)?
        .connect(address)
        .leech()?;
    wait::until("a peer has got what bt has", wait::TRANSFER, || {
        bt.ensure_running()?;
        Ok((leecher.downloaded() >= 300_000).then_some(()))
    })?;
    ensure!(
        seeder.uploaded() == sent,
        "more was fetched than was wanted"
    );
    bt.interrupt()?;
    bt.wait_exit(exit::DONE, wait::SOON)
}

/// Wrong usage, and one line that says what there is.
fn names_nothing(case: &Case<'_>) -> Outcome {
    let payload = Payload::multi(MIB);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    for words in [
        ["--select", "7"],
        ["--select", "*.mp3"],
        ["--priority", "9=high"],
    ] {
        let command = [Path::new("get").as_os_str(), torrent.path.as_os_str()]
            .into_iter()
            .chain(words.map(AsRef::as_ref));
        let finished = bt::run(case, command, wait::SOON)?.ensure_exit(exit::USAGE)?;
        let line = finished.one_line()?;
        ensure!(
            line.contains("has 6 files") && line.contains(words[1].trim_end_matches("=high")),
            "{line}"
        );
    }
    Ok(())
}

fn get<'a>(
    case: &'a Case<'a>,
    name: &str,
    torrent: &Torrent,
    folder: &Path,
    words: &[&str],
) -> Outcome<Builder<'a>> {
    let builder = bt::get(case, name, torrent, folder)?;
    Ok(builder.with(|command| {
        command.args(words);
    }))
}

/// By which `bt show` lists the file with this end of its path.
fn number_of(case: &Case<'_>, torrent: &Torrent, end: &str) -> Outcome<String> {
    let words = [Path::new("show"), &torrent.path, Path::new("--json")];
    let shown = bt::run(case, words, wait::SOON)?
        .ensure_exit(exit::DONE)?
        .json()?;
    let files = shown["files"].as_array().context("no files")?;
    let ends_so = |path: &serde_json::Value| path.as_str().is_some_and(|path| path.ends_with(end));
    let file = files.iter().find(|file| ends_so(&file["path"]));
    Ok(file.context("no such file")?["number"].to_string())
}

/// Fails unless these files and no others are there, as they are in `right`.
fn ensure_there(folder: &Path, expected: &[&str], right: &Path) -> Outcome {
    let mut found = Vec::new();
    list(&folder.join("payload"), &mut found)?;
    found.sort();
    let mut wanted: Vec<_> = expected.iter().map(|path| folder.join(path)).collect();
    wanted.sort();
    ensure!(found == wanted, "{found:?} instead of {wanted:?}");
    for path in expected {
        let is_right = read(&folder.join(path))? == read(&right.join(path))?;
        ensure!(is_right, "{path} is not right");
    }
    Ok(())
}

/// All files below a folder, in which there is no empty folder.
fn list(folder: &Path, found: &mut Vec<PathBuf>) -> Outcome {
    let entries = fs::read_dir(folder).context(format_args!("{}", folder.display()))?;
    let before = found.len();
    for entry in entries {
        let path = entry.context("an entry")?.path();
        if path.is_dir() {
            list(&path, found)?;
        } else {
            found.push(path);
        }
    }
    ensure!(found.len() > before, "{} is empty", folder.display());
    Ok(())
}

fn part_file(folder: &Path) -> Outcome<Option<PathBuf>> {
    let entries = fs::read_dir(folder).context("the download folder")?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    Ok(paths.find(|path| path.to_string_lossy().ends_with(".parts")))
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).context(format_args!("{}", path.display()))
}

/// The last blocks may be asked of, or sent by, a peer twice.
const END_GAME_ALLOWANCE: u64 = 256 * 1024;
