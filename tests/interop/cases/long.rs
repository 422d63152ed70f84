//! The long tier: what takes minutes.

use super::{
    Entry, MIB,
    get::{from_both, from_libtorrent, from_transmission},
    resume::after_kill,
    seed::{to_libtorrent, to_transmission},
};
use crate::{foreign::libtorrent::Format, harness::Payload};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "long/get/libtorrent/256-mib",
        run: |case| from_libtorrent(case, &Payload::single(256 * MIB), Format::V1),
    },
    Entry {
        name: "long/get/libtorrent/256-mib-hybrid",
        run: |case| from_libtorrent(case, &Payload::multi(256 * MIB), Format::Hybrid),
    },
    Entry {
        name: "long/get/libtorrent/5000-files",
        run: |case| from_libtorrent(case, &five_thousand_files(), Format::V1),
    },
    Entry {
        name: "long/get/transmission/256-mib",
        run: |case| from_transmission(case, &Payload::single(256 * MIB)),
    },
    Entry {
        name: "long/get/transmission/5000-files",
        run: |case| from_transmission(case, &five_thousand_files().without_empty_files()),
    },
    Entry {
        name: "long/get/both/256-mib",
        run: |case| from_both(case, &Payload::multi(256 * MIB)),
    },
    Entry {
        name: "long/resume/256-mib",
        run: |case| after_kill(case, &Payload::single(256 * MIB)),
    },
    Entry {
        name: "long/resume/5000-files",
        run: |case| after_kill(case, &five_thousand_files()),
    },
    Entry {
        name: "long/seed/libtorrent/256-mib",
        run: |case| to_libtorrent(case, &Payload::single(256 * MIB), Format::V1),
    },
    Entry {
        name: "long/seed/libtorrent/5000-files",
        run: |case| to_libtorrent(case, &five_thousand_files(), Format::V1),
    },
    Entry {
        name: "long/seed/transmission/256-mib",
        run: |case| to_transmission(case, &Payload::single(256 * MIB)),
    },
];

/// About 50 MiB: most files lie within a piece.
fn five_thousand_files() -> Payload {
    Payload::many(5_000, 20_000)
}
