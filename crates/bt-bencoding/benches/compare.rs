//! This crate beside `librqbit-bencode`, `bt_bencode` and `serde_bencode`: the same bytes, and where
//! types are read, the same struct and fields for each.
//!
//! Rounds are interleaved: in each, every parser has its turn, so that a noisy minute of the
//! machine hits all alike. What counts is the minimum, and its ratio to that of librqbit-bencode.
//! Where valgrind is installed, instructions are counted too; they do not depend on the machine's
//! mood. `cargo xtask bench bt-bencoding` prints the tables.
#![allow(clippy::print_stdout, reason = "a bench prints its results")]
#![allow(
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and runs itself under valgrind"
)]

use std::{
    env,
    hint::black_box,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use bt_bencoding::{Document, Encoder, Lenient, Limits, Strict, serde::from_bytes};
use librqbit_bencode as librqbit;
use serde::Deserialize;
use serde_bytes::ByteBuf;

/// What a client reads of a torrent; the bytes borrowed from it (`&[u8]`) or owned (`ByteBuf`).
#[derive(Debug, Deserialize, PartialEq)]
struct Torrent<B> {
    announce: Option<B>,
    #[serde(rename = "announce-list")]
    announce_list: Option<Vec<Vec<B>>>,
    comment: Option<B>,
    #[serde(rename = "created by")]
    created_by: Option<B>,
    #[serde(rename = "creation date")]
    creation_date: Option<i64>,
    info: Info<B>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Info<B> {
    files: Option<Vec<File<B>>>,
    length: Option<u64>,
    name: B,
    #[serde(rename = "piece length")]
    piece_length: u64,
    pieces: B,
    // A number, since serde_bencode reads no bool.
    private: Option<u8>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct File<B> {
    length: u64,
    path: Vec<B>,
}

type Borrowed<'a> = Torrent<&'a [u8]>;
type Owned = Torrent<ByteBuf>;

/// Whether it could be parsed; what it made is dropped within the time that is taken.
type Parse = fn(&[u8]) -> bool;

struct Contest {
    name: &'static str,
    parsers: &'static [(&'static str, Parse)],
}

const CONTESTS: &[Contest] = &[
    Contest {
        name: "typed, borrowed",
        parsers: &[
            (OURS, |input| {
                from_bytes::<Lenient, Borrowed<'_>>(input, Limits::default()).is_ok()
            }),
            ("bt-bencoding, strict", |input| {
                from_bytes::<Strict, Borrowed<'_>>(input, Limits::default()).is_ok()
            }),
            (LIBRQBIT, |input| {
                librqbit::from_bytes::<Borrowed<'_>>(input).is_ok()
            }),
            (BT_BENCODE, |input| {
                bt_bencode::from_slice::<Borrowed<'_>>(input).is_ok()
            }),
        ],
    },
    Contest {
        name: "typed, owned",
        parsers: &[
            (OURS, |input| {
                from_bytes::<Lenient, Owned>(input, Limits::default()).is_ok()
            }),
            (LIBRQBIT, |input| {
                librqbit::from_bytes::<Owned>(input).is_ok()
            }),
            (BT_BENCODE, |input| {
                bt_bencode::from_slice::<Owned>(input).is_ok()
            }),
            (SERDE_BENCODE, |input| {
                serde_bencode::from_bytes::<Owned>(input).is_ok()
            }),
        ],
    },
    Contest {
        name: "document or value",
        parsers: &[
            (OURS, |input| {
                Document::<Lenient>::parse(input, Limits::default()).is_ok()
            }),
            ("bt-bencoding, strict", |input| {
                Document::<Strict>::parse(input, Limits::default()).is_ok()
            }),
            (LIBRQBIT, |input| {
                librqbit::dyn_from_bytes::<librqbit::ByteBuf<'_>>(input).is_ok()
            }),
            (BT_BENCODE, |input| {
                bt_bencode::from_slice::<bt_bencode::Value>(input).is_ok()
            }),
            (SERDE_BENCODE, |input| {
                serde_bencode::from_bytes::<serde_bencode::value::Value>(input).is_ok()
            }),
        ],
    },
];

const OURS: &str = "bt-bencoding";
const LIBRQBIT: &str = "librqbit-bencode";
const BT_BENCODE: &str = "bt_bencode";
const SERDE_BENCODE: &str = "serde_bencode";

/// How many files and pieces.
const INPUTS: [(&str, u32, usize); 3] = [
    ("1 KB", 3, 35),
    ("100 KB, 1 file", 0, 5_000),
    ("4.3 MB, 60,000 files", 60_000, 30_000),
];

/// Canonical; of one file if `files` is 0.
fn torrent(files: u32, pieces: usize) -> Vec<u8> {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut out = Vec::new();
    Encoder::new(&mut out).dict(|torrent| {
        torrent.bytes("announce", "http://tracker.example.org:6969/announce");
        torrent.list("announce-list", |tiers| {
            tiers.list(|tier| {
                tier.bytes("http://tracker.example.org:6969/announce");
            });
        });
        torrent
            .bytes("created by", "bt")
            .int("creation date", 1_700_000_000);
        torrent.dict("info", |info| {
            if files == 0 {
                info.int("length", 5_000 * 262_144_i64 - 17);
            } else {
                info.list("files", |list| {
                    for file in 0..files {
                        // Lengths of one to nine digits, as there are in the wild.
                        let length = (next() % 900_000_000) >> (next() % 30);
                        list.dict(|entry| {
                            entry.int("length", length as i64).list("path", |path| {
                                path.bytes(format!("folder {}", file / 100));
                                path.bytes(format!("a file named {file}.bin"));
                            });
                        });
                    }
                });
            }
            let pieces: Vec<u8> = (0..20 * pieces).map(|_| next() as u8).collect();
            info.bytes("name", "a torrent to be measured");
            info.int("piece length", 262_144)
                .bytes("pieces", pieces)
                .int("private", 1);
        });
    });
    out
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == COUNTED) {
        return run_counted(&args[at + 1..]);
    }
    let inputs = INPUTS.map(|(size, files, pieces)| (size, torrent(files, pieces)));
    for (size, input) in &inputs {
        for Contest { name, parsers } in CONTESTS {
            for (parser, parse) in *parsers {
                assert!(parse(input), "{parser} refuses {size} ({name})");
            }
        }
        all_read_the_same(input);
    }
    // Criterion's convention: without `--bench`, benches only show that they work.
    if !args.iter().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    let has_valgrind = Command::new("valgrind").arg("--version").output().is_ok();
    if !has_valgrind {
        println!("valgrind is not installed: instructions are not counted");
    }
    // As in criterion, other words choose.
    let words: Vec<_> = args
        .iter()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    for (contest_index, contest) in CONTESTS.iter().enumerate() {
        if !words
            .iter()
            .all(|word| contest.name.contains(word.as_str()))
        {
            continue;
        }
        for (input_index, (size, input)) in inputs.iter().enumerate() {
            println!("\n{}, {size} ({} bytes)\n", contest.name, input.len());
            let counts: Vec<_> = (0..contest.parsers.len())
                .map(|parser| {
                    has_valgrind.then(|| instructions(contest_index, input_index, parser))?
                })
                .collect();
            print_table(contest, input.len(), &measure(contest, input), &counts);
        }
    }
    ExitCode::SUCCESS
}

fn all_read_the_same(input: &[u8]) {
    let ours = from_bytes::<Strict, Borrowed<'_>>(input, Limits::default()).expect("canonical");
    assert_eq!(Some(&ours), librqbit::from_bytes(input).ok().as_ref());
    assert_eq!(Some(&ours), bt_bencode::from_slice(input).ok().as_ref());
    let ours = from_bytes::<Strict, Owned>(input, Limits::default()).expect("canonical");
    assert_eq!(Some(&ours), serde_bencode::from_bytes(input).ok().as_ref());
}

/// The times of one parse in each round, for each parser.
fn measure(contest: &Contest, input: &[u8]) -> Vec<Vec<Duration>> {
    let mut times = vec![Vec::new(); contest.parsers.len()];
    let batches: Vec<u32> = contest
        .parsers
        .iter()
        .map(|(_, parse)| {
            let once = time(*parse, input, 1).max(Duration::from_nanos(1));
            (TURN.as_nanos() / once.as_nanos()).clamp(1, 100_000) as u32
        })
        .collect();
    for _ in 0..ROUNDS {
        for (parser, (_, parse)) in contest.parsers.iter().enumerate() {
            times[parser].push(time(*parse, input, batches[parser]));
        }
    }
    times
}

fn time(parse: Parse, input: &[u8], repeats: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..repeats {
        black_box(parse(black_box(input)));
    }
    start.elapsed() / repeats
}

fn print_table(
    contest: &Contest,
    bytes: usize,
    times: &[Vec<Duration>],
    instructions: &[Option<u64>],
) {
    let minimum = |parser: usize| {
        times[parser]
            .iter()
            .min()
            .map_or(0.0, Duration::as_secs_f64)
    };
    let reference = contest
        .parsers
        .iter()
        .position(|(name, _)| *name == LIBRQBIT);
    let reference = reference.map_or(f64::NAN, minimum);
    println!("| parser | best | median | MB/s | time beside {LIBRQBIT} | instructions |");
    println!("|---|---|---|---|---|---|");
    for (parser, (name, _)) in contest.parsers.iter().enumerate() {
        let mut sorted = times[parser].clone();
        sorted.sort();
        let best = minimum(parser);
        println!(
            "| {name} | {} | {} | {:.0} | {:.2} | {} |",
            shown(best),
            shown(sorted[sorted.len() / 2].as_secs_f64()),
            bytes as f64 / best / 1e6,
            best / reference,
            instructions[parser].map_or_else(|| "–".to_owned(), |count| count.to_string()),
        );
    }
}

fn shown(seconds: f64) -> String {
    if seconds < 1e-4 {
        format!("{:.0} ns", seconds * 1e9)
    } else {
        format!("{:.2} ms", seconds * 1e3)
    }
}

/// Of one parse: what three more of them cost a process, divided.
fn instructions(contest: usize, input: usize, parser: usize) -> Option<u64> {
    let count = |repeats: u64| {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        valgrind.arg(env::current_exe().ok()?).arg(COUNTED);
        let which = [contest, input, parser].map(|index| index.to_string());
        let output = valgrind
            .args(which)
            .arg(repeats.to_string())
            .output()
            .ok()?;
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        let (_, collected) = report.split_once("Collected : ")?;
        collected.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some((count(4)? - count(1)?) / 3)
}

/// What [`instructions`] runs under valgrind.
fn run_counted(args: &[String]) -> ExitCode {
    let numbers: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let [contest, input, parser, repeats] = numbers[..] else {
        return ExitCode::FAILURE;
    };
    let (_, files, pieces) = INPUTS[input];
    let input = torrent(files, pieces);
    let (_, parse) = CONTESTS[contest].parsers[parser];
    for _ in 0..repeats {
        black_box(parse(black_box(&input)));
    }
    ExitCode::SUCCESS
}

/// How often each parser has its turn.
const ROUNDS: usize = 25;
/// How long one takes, about.
const TURN: Duration = Duration::from_millis(10);
/// By which this program tells that it runs under valgrind.
const COUNTED: &str = "--count-instructions";
