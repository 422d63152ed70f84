//! UDP trackers that `bt get` asks.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use super::{PAYLOAD, SLOW, complete_in_little_memory};
use crate::{
    bt,
    cases::{Entry, get::made_by_libtorrent},
    foreign::libtorrent::{Format, Libtorrent},
    harness::{Case, Context, Outcome, Payload, ensure, wait},
    hostile_tracker::{Asked, CONNECT, HostileTracker},
};

pub(in crate::cases) const CASES: &[Entry] = &[
    Entry {
        name: "hostile/tracker/junk-before-the-answer",
        run: |case| answers_in_the_end(case, |asked, _| junk(asked)),
    },
    Entry {
        name: "hostile/tracker/every-length-before-the-answer",
        run: |case| answers_in_the_end(case, |asked, _| cut_short(asked)),
    },
    Entry {
        name: "hostile/tracker/flood-before-the-answer",
        run: |case| answers_in_the_end(case, |asked, _| flood(asked)),
    },
    Entry {
        name: "hostile/tracker/impostors-before-the-answer",
        run: impostors,
    },
    Entry {
        name: "hostile/tracker/too-many-peers",
        run: |case| answers_in_the_end(case, too_many_peers),
    },
    Entry {
        name: "hostile/tracker/only-junk",
        run: |case| does_without(case, junk),
    },
    Entry {
        name: "hostile/tracker/stalls-at-connect",
        run: |case| does_without(case, |_| vec![]),
    },
    Entry {
        name: "hostile/tracker/stalls-at-announce",
        run: |case| {
            does_without(case, |asked| match asked.action {
                CONNECT => vec![asked.right(NOBODY)],
                _ => vec![],
            })
        },
    },
    Entry {
        name: "hostile/tracker/intervals",
        run: intervals,
    },
    Entry {
        name: "hostile/tracker/refuses-in-eight-bytes",
        run: |case| refuses(case, Asked::head, "empty answer"),
    },
    Entry {
        name: "hostile/tracker/refuses-with-escapes",
        run: |case| refuses(case, |asked| asked.refusal("no\x1b[2J, go\r\naway"), "away"),
    },
    Entry {
        name: "hostile/tracker/refuses-in-64-kib",
        run: |case| {
            refuses(
                case,
                |asked| asked.refusal(&"no\x1b[2J\r\n".repeat(8_000)),
                "no",
            )
        },
    },
];

/// Everything that a tracker can get wrong, and then the right answer: it must be found.
fn answers_in_the_end(
    case: &Case<'_>,
    wrong: impl Fn(&Asked, SocketAddrV4) -> Vec<Vec<u8>> + Send + 'static,
) -> Outcome {
    let payload = Payload::single(PAYLOAD);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let peer = seeder.address();
    let tracker = HostileTracker::start(case, move |asked| {
        let mut answers = wrong(asked, peer);
        answers.push(asked.right(peer));
        answers
    })?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .tracker(&tracker.url())
        .start()?;
    complete_in_little_memory(&mut bt)?;
    payload.compare(&folder)
}

/// Somebody else answers first, and knows everything but where the tracker lives.
fn impostors(case: &Case<'_>) -> Outcome {
    let address = case.address()?;
    let impostor = UdpSocket::bind(address).context(format_args!("binding {address}"))?;
    answers_in_the_end(case, move |asked, _| {
        for answer in [asked.refusal("go away"), asked.right(NOBODY)] {
            let _ = impostor.send_to(&answer, asked.from);
        }
        vec![]
    })
}

/// The download does without, and its end does not wait for such a tracker.
fn does_without(
    case: &Case<'_>,
    answer: impl Fn(&Asked) -> Vec<Vec<u8>> + Send + 'static,
) -> Outcome {
    let payload = Payload::single(PAYLOAD);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .upload_limit(SLOW)
        .seed()?;
    let tracker = HostileTracker::start(case, answer)?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .tracker(&tracker.url())
        .peer(seeder.address())
        .start()?;
    wait::until("the tracker has been asked", wait::SOON, || {
        bt.ensure_running()?;
        Ok((tracker.asked() > 0).then_some(()))
    })?;
    seeder.limit_upload(0)?;
    complete_in_little_memory(&mut bt)?;
    payload.compare(&folder)
}

/// "Ask again at once", "never ask again", "before now": each is asked as often as decency allows.
fn intervals(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(PAYLOAD);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .upload_limit(SLOW)
        .seed()?;
    let mut trackers = Vec::new();
    for interval in [0, 1, i32::MAX as u32, 1 << 31, u32::MAX] {
        let answer = move |asked: &Asked| vec![asked.right_with(interval, &[])];
        trackers.push(HostileTracker::start(case, answer)?);
    }
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?.peer(seeder.address());
    for tracker in &trackers {
        bt = bt.tracker(&tracker.url());
    }
    let mut bt = bt.start()?;
    // Some seconds, in which who obeyed would have asked again.
    bt.wait_middle(PAYLOAD / 4)?;
    for tracker in &trackers {
        let asked = tracker.asked();
        ensure!(
            asked == 2,
            "asked {asked} times: to connect and to announce"
        );
    }
    seeder.limit_upload(0)?;
    complete_in_little_memory(&mut bt)?;
    payload.compare(&folder)
}

/// People are told, in one line that cannot move the cursor; the download goes on.
fn refuses(case: &Case<'_>, refusal: fn(&Asked) -> Vec<u8>, says: &str) -> Outcome {
    let payload = Payload::single(PAYLOAD);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .upload_limit(SLOW)
        .seed()?;
    let peer = seeder.address();
    let tracker = HostileTracker::start(case, move |asked| match asked.action {
        CONNECT => vec![asked.right(peer)],
        _ => vec![refusal(asked)],
    })?;
    let folder = case.folder("got")?;
    let url = tracker.url();
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .tracker(&url)
        .peer(peer)
        .start()?;
    let line = wait::until("bt tells of the refusal", wait::SOON, || {
        bt.ensure_running()?;
        let mut lines = bt.stderr().into_iter();
        Ok(lines.find(|line| line.contains(&url) && line.contains(says)))
    })?;
    ensure!(
        !line.chars().any(char::is_control),
        "control characters in {line:?}"
    );
    let length = line.len();
    ensure!(length < 4000, "a line of {length} bytes");
    seeder.limit_upload(0)?;
    complete_in_little_memory(&mut bt)?;
    payload.compare(&folder)
}

/// Wrong from the transaction id to the length.
pub(in crate::cases) fn junk(asked: &Asked) -> Vec<Vec<u8>> {
    let other_action = Asked {
        action: asked.action ^ 1,
        ..asked.clone()
    };
    vec![
        Vec::new(),
        vec![0],
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![0xff; 2000],
        asked.head()[..7].to_vec(),
        other_id(asked).right(NOBODY),
        other_id(asked).refusal("not meant for you"),
        other_action.right(NOBODY)[..12].to_vec(),
    ]
}

/// The right answer in every length that makes no sense: all but the eight bytes with which some
/// trackers refuse.
fn cut_short(asked: &Asked) -> Vec<Vec<u8>> {
    let without_peers = asked.right_with(1800, &[]);
    let lengths = (0..without_peers.len()).filter(|&length| length != 8);
    lengths
        .map(|length| without_peers[..length].to_vec())
        .collect()
}

/// Right but for the transaction id: as many as the system keeps for a socket, since what it drops
/// is nothing that bt could do anything about.
fn flood(asked: &Asked) -> Vec<Vec<u8>> {
    let other = other_id(asked);
    let answers = [other.right(NOBODY), other.refusal("no")];
    answers.into_iter().cycle().take(80).collect()
}

/// As many as a datagram takes, ten times, and hardly any of them a peer: the one that is comes
/// first in the first.
fn too_many_peers(asked: &Asked, good: SocketAddrV4) -> Vec<Vec<u8>> {
    let ip = |ip: [u8; 4]| SocketAddrV4::new(Ipv4Addr::from(ip), 6881);
    let mut peers = vec![
        SocketAddrV4::new(*good.ip(), 0),
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, asked.port), // that is who asks
        ip([0, 0, 0, 0]),
        ip([224, 0, 0, 1]),
        ip([239, 255, 255, 255]),
        ip([255, 255, 255, 255]),
        good,
        good,
    ];
    let others = (1..).map(|n: u32| {
        let [_, a, b, c] = n.to_be_bytes();
        SocketAddrV4::new(Ipv4Addr::new(127, 254 - a, b, c), 1)
    });
    peers.extend(others.take(MAX_PEERS - peers.len()));
    vec![asked.right_with(1800, &peers); 10]
}

fn other_id(asked: &Asked) -> Asked {
    Asked {
        transaction_id: !asked.transaction_id,
        ..asked.clone()
    }
}

const NOBODY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1);
/// Of six bytes, behind twenty, in 65,507 bytes.
const MAX_PEERS: usize = 10_914;
