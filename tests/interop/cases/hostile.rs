//! Peers and trackers that mean harm, beside one that does not: the download completes all the
//! same, and memory stays bounded.

use std::{io, time::Duration};

use super::{Entry, MIB, PIECE_LENGTH, get::made_by_libtorrent};
use crate::{
    bt::{self, Bt},
    foreign::libtorrent::{Format, Libtorrent},
    harness::{Case, Outcome, Payload, ensure, wait},
    hostile_peer::{HostilePeer, Victim},
    hostile_tracker::{Asked, CONNECT, HostileTracker},
};

pub(super) const CASES: &[Entry] = &[
    Entry {
        name: "hostile/peer/silent",
        run: |case| peers(case, [boxed(silent)]),
    },
    Entry {
        name: "hostile/peer/slow-handshake",
        run: |case| peers(case, [boxed(slow_handshake)]),
    },
    Entry {
        name: "hostile/peer/closes-in-a-message",
        run: closes_in_a_message,
    },
    Entry {
        name: "hostile/peer/closes-in-a-block",
        run: |case| peers(case, [boxed(closes_in_a_block)]),
    },
    Entry {
        name: "hostile/peer/endless-message",
        run: |case| {
            peers(
                case,
                [5, 7, 9, 20, 200].map(|id| boxed(endless_message(id))),
            )
        },
    },
    Entry {
        name: "hostile/peer/flood",
        run: |case| peers(case, [boxed(flood)]),
    },
    Entry {
        name: "hostile/peer/bitfield-of-wrong-length",
        run: |case| {
            let lengths = [0, BITFIELD_LENGTH - 1, BITFIELD_LENGTH + 1, 300_000];
            peers(case, lengths.map(|length| boxed(wrong_bitfield(length))))
        },
    },
    Entry {
        name: "hostile/peer/promises-everything",
        run: |case| peers(case, [boxed(promises_everything)]),
    },
    Entry {
        name: "hostile/tracker/junk-before-the-answer",
        run: junk_before_the_answer,
    },
    Entry {
        name: "hostile/tracker/only-junk",
        run: only_junk,
    },
    Entry {
        name: "hostile/tracker/refuses-in-eight-bytes",
        run: |case| refuses(case, Asked::head, "empty answer"),
    },
    Entry {
        name: "hostile/tracker/refuses-with-escapes",
        run: |case| refuses(case, |asked| asked.refusal("no\x1b[2J, go\r\naway"), "away"),
    },
];

type Harm = Box<dyn Fn(&mut Victim) -> io::Result<()> + Send + Sync>;

fn boxed(harm: impl Fn(&mut Victim) -> io::Result<()> + Send + Sync + 'static) -> Harm {
    Box::new(harm)
}

/// A download from one good seeder, slow until each of the others has done its worst.
fn peers(case: &Case<'_>, harms: impl IntoIterator<Item = Harm>) -> Outcome {
    let payload = Payload::single(PAYLOAD);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .upload_limit(SLOW)
        .seed()?;
    let mut hostile = Vec::new();
    for harm in harms {
        hostile.push(HostilePeer::start(case, &torrent, harm)?);
    }
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?.peer(seeder.address());
    for peer in &hostile {
        bt = bt.peer(peer.address());
    }
    let mut bt = bt.start()?;
    wait::until("every hostile peer has done its worst", wait::SOON, || {
        bt.ensure_running()?;
        Ok(hostile.iter().all(|peer| peer.harmed() > 0).then_some(()))
    })?;
    seeder.limit_upload(0)?;
    complete_in_little_memory(&mut bt)?;
    payload.compare(&folder)
}

fn complete_in_little_memory(bt: &mut Bt) -> Outcome {
    let peak = bt.wait_complete_and_measure(wait::TRANSFER)?;
    ensure!(peak <= MAX_MEMORY, "bt took {} MiB of memory", peak / MIB);
    Ok(())
}

fn silent(victim: &mut Victim) -> io::Result<()> {
    victim.harmed();
    victim.fall_silent()
}

/// One byte a second.
fn slow_handshake(victim: &mut Victim) -> io::Result<()> {
    for (n, byte) in victim.handshake().into_iter().enumerate() {
        victim.write(&[byte])?;
        if n == 1 {
            victim.harmed();
        }
        victim.pause(Duration::from_secs(1))?;
    }
    victim.fall_silent()
}

fn closes_in_a_message(case: &Case<'_>) -> Outcome {
    let harms = MESSAGES.iter().map(|(id, length)| {
        boxed(move |victim| {
            victim.shake_hands()?;
            let mut message = (length + 1).to_be_bytes().to_vec();
            message.push(*id);
            message.resize(message.len() + *length as usize, 0);
            // Within the length if there is nothing else.
            let half = if *length == 0 {
                3
            } else {
                5 + *length as usize / 2
            };
            victim.write(&message[..half])?;
            victim.harmed();
            Ok(())
        })
    });
    peers(case, harms)
}

/// Of a block that it was asked for, every time.
fn closes_in_a_block(victim: &mut Victim) -> io::Result<()> {
    let request = promise(victim)?;
    let (at, length) = request.split_at(8);
    let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
    victim.write(&(9 + length).to_be_bytes())?;
    victim.write(&[PIECE])?;
    victim.write(at)?;
    victim.write(&vec![0; length as usize / 2])?;
    victim.harmed();
    Ok(())
}

/// 2^32 - 1 bytes are announced, and sent for as long as anybody listens.
fn endless_message(id: u8) -> impl Fn(&mut Victim) -> io::Result<()> {
    move |victim| {
        victim.shake_hands()?;
        victim.write(&[0xff, 0xff, 0xff, 0xff, id])?;
        // Some kinds are refused at once; what nobody knows may be skipped.
        let begun = (0..32).try_for_each(|_| victim.send_zeros());
        victim.harmed();
        begun?;
        loop {
            victim.send_zeros()?;
        }
    }
}

/// `have`, `interested` and `not interested` without end.
fn flood(victim: &mut Victim) -> io::Result<()> {
    victim.shake_hands()?;
    let mut messages = Vec::new();
    for piece in (0..PIECES).cycle().take(4096) {
        messages.extend([0, 0, 0, 5, HAVE]);
        messages.extend(piece.to_be_bytes());
        messages.extend([0, 0, 0, 1, INTERESTED]);
        messages.extend([0, 0, 0, 1, NOT_INTERESTED]);
    }
    for _ in 0..10 {
        victim.write(&messages)?;
    }
    victim.harmed();
    loop {
        victim.write(&messages)?;
    }
}

/// For which it must be dropped.
fn wrong_bitfield(length: u32) -> impl Fn(&mut Victim) -> io::Result<()> {
    move |victim| {
        victim.shake_hands()?;
        victim.write(&(1 + length).to_be_bytes())?;
        victim.write(&[BITFIELD])?;
        let written = victim.write(&vec![0xff; length as usize]);
        let dropped = written.and_then(|()| victim.fall_silent());
        victim.harmed();
        dropped
    }
}

/// Has everything, unchokes, takes requests, and delivers nothing.
fn promises_everything(victim: &mut Victim) -> io::Result<()> {
    promise(victim)?;
    victim.harmed();
    victim.fall_silent()
}

/// Promises every piece, and returns the first request.
fn promise(victim: &mut Victim) -> io::Result<Vec<u8>> {
    victim.shake_hands()?;
    victim.write(&[0, 0, 0, 1, HAVE_ALL])?;
    victim.write(&[0, 0, 0, 1, UNCHOKE])?;
    loop {
        match victim.read_message()? {
            (REQUEST, request) if request.len() == 12 => return Ok(request),
            _ => {}
        }
    }
}

/// Everything that a tracker can get wrong, and then the right answer: it must be found.
fn junk_before_the_answer(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(PAYLOAD);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?.seed()?;
    let peer = seeder.address();
    let tracker = HostileTracker::start(case, move |asked| {
        let mut answers = junk(asked);
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

/// The download does without, and its end does not wait for such a tracker.
fn only_junk(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(PAYLOAD);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .upload_limit(SLOW)
        .seed()?;
    let tracker = HostileTracker::start(case, junk)?;
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

/// People are told, in one line that cannot move the cursor; the download goes on.
fn refuses(case: &Case<'_>, refusal: fn(Asked) -> Vec<u8>, says: &str) -> Outcome {
    let payload = Payload::single(PAYLOAD);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .upload_limit(SLOW)
        .seed()?;
    let peer = seeder.address();
    let tracker = HostileTracker::start(case, move |asked| match asked.action {
        CONNECT => vec![asked.right(peer)],
        _ => vec![refusal(*asked)],
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
    seeder.limit_upload(0)?;
    complete_in_little_memory(&mut bt)?;
    payload.compare(&folder)
}

/// Wrong from the transaction id to the length.
pub(super) fn junk(asked: &Asked) -> Vec<Vec<u8>> {
    let nobody = "127.0.0.1:1".parse().expect("an address");
    let other_id = Asked {
        transaction_id: !asked.transaction_id,
        ..*asked
    };
    let other_action = Asked {
        action: asked.action ^ 1,
        ..*asked
    };
    vec![
        Vec::new(),
        vec![0],
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![0xff; 2000],
        asked.head()[..7].to_vec(),
        other_id.right(nobody),
        other_id.refusal("not meant for you"),
        other_action.right(nobody)[..12].to_vec(),
    ]
}

const PAYLOAD: u64 = 4 * MIB;
const PIECES: u32 = (PAYLOAD / PIECE_LENGTH) as u32;
const BITFIELD_LENGTH: u32 = PIECES / 8;
/// Bytes per second: the payload takes half a minute, unless the limit is lifted.
const SLOW: u64 = PAYLOAD / 30;
/// bt holds 32 MiB of payload; the rest is code, threads and what peers take.
const MAX_MEMORY: u64 = 128 * MIB;

const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const NOT_INTERESTED: u8 = 3;
const HAVE: u8 = 4;
const BITFIELD: u8 = 5;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;
const HAVE_ALL: u8 = 14;

/// Every message's id, and how much follows it.
const MESSAGES: &[(u8, u32)] = &[
    (0, 0),
    (UNCHOKE, 0),
    (INTERESTED, 0),
    (NOT_INTERESTED, 0),
    (HAVE, 4),
    (BITFIELD, BITFIELD_LENGTH),
    (REQUEST, 12),
    (PIECE, 8 + 16 * 1024),
    (8, 12), // cancel
    (9, 2),  // port
    (13, 4), // suggest piece
    (HAVE_ALL, 0),
    (15, 0),       // have none
    (16, 12),      // reject request
    (17, 4),       // allowed fast
    (20, 60),      // extended
    (21, 48),      // hash request
    (22, 48 + 64), // hashes
    (23, 48),      // hash reject
    (99, 1000),    // nobody's
];
