//! Lengths, and pieces of every size and number.

use super::{
    Fate, Sample,
    content::{int, raw, text},
    draft::Draft,
};

pub(super) const SAMPLES: &[Sample] = &[
    Sample::refused(
        "numbers/piece-length-0",
        "Pieces of nothing",
        "piece length 0 is not between",
        || Draft::single(10).info("piece length", int(0)).torrent(),
    ),
    Sample::refused(
        "numbers/piece-length-negative",
        "Pieces of less than nothing",
        "info.piece length is negative (-16384)",
        || {
            Draft::single(10)
                .info("piece length", int(-16_384))
                .torrent()
        },
    ),
    Sample::refused(
        "numbers/piece-length-2-to-the-31",
        "Pieces larger than a message can number",
        "piece length 2147483648 is not between",
        || {
            Draft::single(10)
                .info("piece length", int(1 << 31))
                .torrent()
        },
    ),
    Sample::refused(
        "numbers/piece-length-2-to-the-63",
        "The largest number",
        "piece length 9223372036854775807 is not between",
        || {
            Draft::single(10)
                .info("piece length", int(i64::MAX))
                .torrent()
        },
    ),
    Sample::fetched(
        "numbers/piece-length-1",
        "A hash for each byte",
        "100 of 1 B",
        || Draft::single(100).piece_length(1).torrent(),
    ),
    Sample::fetched(
        "numbers/piece-length-odd",
        "Pieces of 10,007 bytes",
        "4 of 9.8 KiB",
        || {
            Draft::folder()
                .piece_length(10_007)
                .file("a", 20_000)
                .file("b", 15_000)
                .torrent()
        },
    ),
    Sample::fetched(
        "numbers/piece-length-largest",
        "One piece of just under 512 MiB, of which there are 100 bytes",
        "1 of 512.0 MiB",
        || {
            Draft::single(100)
                .info("piece length", int(0x7fff * 16_384))
                .torrent()
        },
    ),
    Sample::fetched(
        "numbers/last-piece-short",
        "A last piece of one byte",
        "3 of 16.0 KiB",
        || Draft::single(2 * 16_384 + 1).torrent(),
    ),
    Sample::fetched(
        "numbers/last-piece-whole",
        "An exact multiple of the pieces",
        "2 of 16.0 KiB",
        || Draft::single(2 * 16_384).torrent(),
    ),
    Sample::fetched(
        "numbers/one-byte",
        "The smallest that there is",
        "1 of 16.0 KiB",
        || Draft::single(1).torrent(),
    ),
    Sample::refused(
        "numbers/length-0",
        "One file of nothing",
        "the files hold no data",
        || Draft::single(0).torrent(),
    ),
    Sample::refused(
        "numbers/length-negative",
        "Less than nothing",
        "info.length is negative (-1)",
        || Draft::single(10).info("length", int(-1)).torrent(),
    ),
    Sample::refused(
        "numbers/length-2-to-the-63",
        "The largest number",
        "more than 281474976710656 bytes together",
        || Draft::single(10).info("length", int(i64::MAX)).torrent(),
    ),
    Sample::refused(
        "numbers/length-of-20-digits",
        "A length beyond 64 bits",
        "does not fit into 64 bits",
        || {
            Draft::single(10)
                .info("length", raw("i99999999999999999999e"))
                .torrent()
        },
    ),
    Sample::refused(
        "numbers/sum-wraps-around",
        "Two files whose lengths are 2^64 together, and 0 to a careless program",
        "more than 281474976710656 bytes together",
        || {
            let half = || int(i64::MAX);
            let folder = Draft::folder().file("a", 10).key("length", half());
            folder
                .file("b", 10)
                .key("length", half())
                .file("c", 12)
                .torrent()
        },
    ),
    Sample::refused(
        "numbers/file-length-negative",
        "Two files that make up for one another",
        "info.files[1].length is negative (-10)",
        || {
            Draft::folder()
                .file("a", 20)
                .file("b", 10)
                .key("length", int(-10))
                .torrent()
        },
    ),
    Sample::refused(
        "numbers/256-terabytes-in-small-pieces",
        "More pieces than anybody numbers",
        "at most 2097152 are supported",
        || Draft::single(10).info("length", int(1 << 48)).torrent(),
    ),
    Sample::fetched(
        "numbers/large-file",
        "8 TiB that nobody has",
        "8.0 TiB",
        || {
            let vast = Draft::single(10).info("length", int(8 << 40));
            let pieces = (8_u64 << 40) / (256 << 20);
            let vast = vast.info("piece length", int(256 << 20));
            vast.info("pieces", text(vec![7; pieces as usize * 20]))
                .torrent()
        },
    )
    .but(Fate::Unfetchable("8.0 TiB")),
    Sample::fetched(
        "numbers/two-million-pieces",
        "2^21 pieces of a byte",
        "2097152 of 1 B",
        || Draft::single(1 << 21).piece_length(1).torrent(),
    )
    .but(Fate::FetchedSlowly("2097152 of 1 B")),
    Sample::refused(
        "numbers/two-million-and-one-pieces",
        "One piece more",
        "2097153 pieces, at most 2097152 are supported",
        || Draft::single((1 << 21) + 1).piece_length(1).torrent(),
    ),
];
