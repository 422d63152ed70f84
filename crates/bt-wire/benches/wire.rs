//! What a connection costs beside its payload.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::hint::black_box;

use bt_wire::{
    Decoded, Decoder, ExtendedHandshake, Extension, ExtensionIds, Limits, Message, RawBlock,
    encode_piece_header,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// 64 KiB of what a seeder receives: requests, and now and then a `have`.
fn messages(c: &mut Criterion) {
    let mut stream = Vec::new();
    let mut count = 0;
    while stream.len() < 65_536 {
        Message::Request(block(count)).encode(&mut stream);
        if count % 8 == 0 {
            Message::Have(count).encode(&mut stream);
        }
        count += 1;
    }
    let mut group = c.benchmark_group("wire/decode");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("requests_64k", |b| {
        b.iter(|| drain(black_box(&stream)));
    });
    group.finish();

    let mut group = c.benchmark_group("wire/encode");
    group.throughput(Throughput::Elements(256));
    let mut out = Vec::new();
    group.bench_function("requests_256", |b| {
        b.iter(|| {
            out.clear();
            for piece in 0..256 {
                Message::Request(block(black_box(piece))).encode(&mut out);
            }
            out.len()
        });
    });
}

/// 1 MiB of what a downloader receives: blocks. The payload is stepped over.
fn blocks(c: &mut Criterion) {
    let mut stream = Vec::new();
    for piece in 0..64 {
        stream.extend(encode_piece_header(block(piece)));
        stream.resize(stream.len() + 16_384, 0x5a);
    }
    let mut group = c.benchmark_group("wire/decode");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("blocks_1m", |b| {
        b.iter(|| drain(black_box(&stream)));
    });
}

fn extended(c: &mut Criterion) {
    let handshake = ExtendedHandshake {
        ids: ExtensionIds::default()
            .with(Extension::Metadata, 1)
            .with(Extension::Pex, 2)
            .with(Extension::DontHave, 3),
        port: Some(6881),
        client: Some("demo 0.1".to_owned()),
        reqq: Some(500),
        metadata_size: Some(31_235),
        ..ExtendedHandshake::default()
    };
    let mut payload = Vec::new();
    handshake.encode(&mut payload);
    let mut group = c.benchmark_group("wire/extended_handshake");
    group.throughput(Throughput::Bytes(payload.len() as u64));
    group.bench_function("decode", |b| {
        b.iter(|| ExtendedHandshake::decode(black_box(&payload)));
    });
}

/// The driver's loop; how much it found.
fn drain(mut stream: &[u8]) -> u64 {
    let mut decoder = Decoder::new(Limits::default());
    let mut found = 0;
    loop {
        match decoder.decode(stream).expect("a good stream") {
            Decoded::Message { message, consumed } => {
                found += u64::from(matches!(message, Message::Request(_)));
                stream = &stream[consumed..];
            }
            Decoded::BlockStart { block, consumed } => {
                found += u64::from(block.length);
                stream = &stream[consumed + block.length as usize..];
            }
            Decoded::Skipped { consumed } => stream = &stream[consumed..],
            Decoded::Incomplete { .. } => return found,
        }
    }
}

fn block(piece: u32) -> RawBlock {
    RawBlock {
        piece,
        begin: 0,
        length: 16_384,
    }
}

criterion_group!(benches, messages, blocks, extended);
criterion_main!(benches);
