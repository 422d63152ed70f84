//! Decoding and encoding, beside `serde_bencode`, and the scanner beside one whose tokens are read
//! by nom: the hand-written one stays as long as it is the faster.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::hint::black_box;

use bt_bencoding::{Document, Encoder, Lenient, Limits, Strict};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_bencode::value::Value;

/// A torrent of many files and a message of the DHT (BEP 5's find_node).
fn inputs() -> [(&'static str, Vec<u8>); 2] {
    let mut dht = b"d1:rd2:id20:mnopqrstuvwxyz1234565:nodes208:".to_vec();
    dht.extend((0..208).map(|i| i as u8));
    dht.extend_from_slice(b"e1:t2:aa1:y1:re");
    [("20k_files", torrent(20_000)), ("find_node_reply", dht)]
}

fn torrent(files: u32) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::new(&mut out).dict(|torrent| {
        torrent.bytes("announce", "http://tracker.example.org/announce");
        torrent.dict("info", |info| {
            info.list("files", |list| {
                for file in 0..files {
                    list.dict(|entry| {
                        entry.int("length", 100_000 + file);
                        entry.list("path", |path| {
                            path.bytes(format!("folder {}", file / 100))
                                .bytes(format!("a file with a name {file}.bin"));
                        });
                    });
                }
            });
            info.bytes("name", "bench").int("piece length", 262_144);
            info.bytes("pieces", [0x5a; 20 * 4_000]);
        });
    });
    out
}

fn decode(c: &mut Criterion) {
    for (name, input) in inputs() {
        let mut group = c.benchmark_group(format!("bencoding/decode/{name}"));
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function(BenchmarkId::from_parameter("strict"), |b| {
            b.iter(|| Document::<Strict>::parse(black_box(&input), Limits::default()).is_ok());
        });
        group.bench_function(BenchmarkId::from_parameter("lenient"), |b| {
            b.iter(|| Document::<Lenient>::parse(black_box(&input), Limits::default()).is_ok());
        });
        group.bench_function(BenchmarkId::from_parameter("tokens_by_nom"), |b| {
            b.iter(|| with_nom::scan(black_box(&input)).is_some());
        });
        group.bench_function(BenchmarkId::from_parameter("serde_bencode"), |b| {
            b.iter(|| serde_bencode::from_bytes::<Value>(black_box(&input)).is_ok());
        });
        group.finish();
    }
}

fn walk(c: &mut Criterion) {
    let input = torrent(20_000);
    let document = Document::<Strict>::parse(&input, Limits::default()).expect("canonical");
    let mut group = c.benchmark_group("bencoding/walk");
    group.throughput(Throughput::Elements(20_000));
    group.bench_function("20k_files", |b| {
        b.iter(|| {
            let files = document.root().get("info")?.get("files")?.as_list()?;
            files
                .map(|file| file.get("length")?.as_u64())
                .sum::<Option<u64>>()
        });
    });
}

fn encode(c: &mut Criterion) {
    let length = torrent(20_000).len() as u64;
    let mut group = c.benchmark_group("bencoding/encode");
    group.throughput(Throughput::Bytes(length));
    group.bench_function("20k_files", |b| b.iter(|| torrent(20_000)));
    let value: Value = serde_bencode::from_bytes(&torrent(20_000)).expect("canonical");
    group.bench_function("20k_files_serde_bencode", |b| {
        b.iter(|| serde_bencode::to_bytes(black_box(&value)));
    });
}

/// The lenient scanner with the same tape, its numbers and strings read by nom.
mod with_nom {
    use nom::{
        IResult, Parser,
        bytes::complete::take,
        character::complete::{char, i64, u32},
        combinator::consumed,
        multi::length_data,
        sequence::{delimited, terminated},
    };

    pub(super) struct Token(u32, u32, u32);

    pub(super) fn scan(input: &[u8]) -> Option<Vec<Token>> {
        let at = |rest: &[u8]| (input.len() - rest.len()) as u32;
        let mut tokens: Vec<Token> = Vec::with_capacity(32);
        let mut rest = input;
        let (mut open, mut depth, mut in_dict, mut key_waits) = (u32::MAX, 0, false, false);
        loop {
            let start = at(rest);
            match rest.first()? {
                b'e' if open != u32::MAX && !key_waits => {
                    rest = take::<_, _, nom::error::Error<_>>(1_usize)(rest).ok()?.0;
                    let behind = tokens.len() as u32;
                    let token = &mut tokens[open as usize];
                    open = token.2;
                    (token.1, token.2) = (at(rest), behind);
                    depth -= 1;
                    in_dict = open != u32::MAX && input[tokens[open as usize].0 as usize] == b'd';
                }
                b'0'..=b'9' => {
                    let (behind, content) = string(rest).ok()?;
                    let end = at(behind);
                    tokens.push(Token(start, end, end - content.len() as u32));
                    rest = behind;
                    if in_dict && !key_waits {
                        key_waits = true;
                        continue;
                    }
                }
                _ if in_dict && !key_waits => return None,
                b'i' => {
                    let (behind, (raw, _)) = consumed(integer).parse(rest).ok()?;
                    tokens.push(Token(start, start + raw.len() as u32, 0));
                    rest = behind;
                }
                b'l' | b'd' if depth < 100 && tokens.len() < 3_000_000 => {
                    in_dict = rest[0] == b'd';
                    tokens.push(Token(start, u32::MAX, open));
                    open = tokens.len() as u32 - 1;
                    depth += 1;
                    key_waits = false;
                    rest = &rest[1..];
                    continue;
                }
                _ => return None,
            }
            key_waits = false;
            if open == u32::MAX {
                return Some(tokens);
            }
        }
    }

    fn integer(input: &[u8]) -> IResult<&[u8], i64> {
        delimited(char('i'), i64, char('e')).parse(input)
    }

    fn string(input: &[u8]) -> IResult<&[u8], &[u8]> {
        length_data(terminated(u32, char(':'))).parse(input)
    }
}

criterion_group!(benches, decode, walk, encode);
criterion_main!(benches);
