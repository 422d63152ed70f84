//! Peers that dial a `bt seed`.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
};

use super::{
    AtWork, BLOCK, Named, PAYLOAD, PIECES, complete_in_little_memory, ensure_modest, until_dropped,
    wait_for_the_worst,
};
use crate::{
    bt::{self, Bt},
    cases::{Entry, get::made_by_libtorrent},
    foreign::{
        Torrent,
        libtorrent::{Format, Libtorrent},
    },
    harness::{Case, Outcome, Payload, wait},
    hostile_peer::{Door, HostilePeer, Victim, id, message, numbers},
};

pub(in crate::cases) const CASES: &[Entry] = &[
    Entry {
        name: "hostile/stranger/closes-at-every-byte",
        run: |case| strangers(case, [harm("closes", closes_at_every_byte)]),
    },
    Entry {
        name: "hostile/stranger/closes-at-every-byte-of-a-download",
        run: closes_on_a_download,
    },
    Entry {
        name: "hostile/stranger/half-open",
        run: |case| strangers(case, [harm("says nothing", half_open)]),
    },
    Entry {
        name: "hostile/stranger/requests",
        run: |case| strangers(case, requests()),
    },
    Entry {
        name: "hostile/stranger/takes-our-name",
        run: |case| strangers(case, [harm("takes our name", takes_our_name)]),
    },
];

type Harm = Named<Box<dyn FnOnce(&Door) -> io::Result<()> + Send>>;

fn harm(name: &'static str, harm: impl FnOnce(&Door) -> io::Result<()> + Send + 'static) -> Harm {
    (name, Box::new(harm))
}

/// While the strangers go on, somebody good gets everything.
fn strangers(case: &Case<'_>, harms: impl IntoIterator<Item = Harm>) -> Outcome {
    let payload = Payload::single(PAYLOAD);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let content = bt::content(&case.folder("seed")?, &payload.name);
    let mut bt = bt::seed(case, "bt-seed", &torrent, &content)?.start()?;
    bt.wait_progress("is seeding", wait::TRANSFER, |progress| {
        progress.bytes_done == payload.length()
    })?;
    let door = bt.wait_listening()?;
    let hostile = let_loose(case, &torrent, &mut bt, door, harms)?;

    let folder = case.folder("got")?;
    let mut leecher = Libtorrent::peer(case, "leecher", &torrent, &folder)?
        .connect(door)
        .leech()?;
    leecher.wait_finished(wait::TRANSFER)?;
    leecher.stop()?;
    payload.compare(&folder)?;
    drop(hostile);
    bt.ensure_running()?;
    ensure_modest(&bt, bt.peak_memory()?)
}

fn let_loose(
    case: &Case<'_>,
    torrent: &Torrent,
    bt: &mut Bt,
    door: SocketAddrV4,
    harms: impl IntoIterator<Item = Harm>,
) -> Outcome<Vec<AtWork>> {
    let mut hostile = Vec::new();
    for (name, harm) in harms {
        hostile.push((name, HostilePeer::visit(case, torrent, door, harm)?));
    }
    wait_for_the_worst(bt, &hostile)?;
    Ok(hostile)
}

/// A session with everything in it, from its first byte to its last: one connection for each
/// byte after which it can break off.
fn closes_at_every_byte(door: &Door) -> io::Result<()> {
    let first_block = numbers(&[0, 0, BLOCK]);
    let session = [
        door.connect()?.handshake(),
        message(
            id::EXTENDED,
            b"\0d1:md11:ut_metadatai1ee1:pi6881e1:v1:x4:reqqi100ee",
        ),
        message(id::HAVE_NONE, &[]),
        message(id::ALLOWED_FAST, &numbers(&[1])),
        message(id::INTERESTED, &[]),
        message(id::HAVE, &numbers(&[3])),
        vec![0; 4],
        message(id::REQUEST, &first_block),
        message(id::REQUEST, &numbers(&[1, BLOCK, BLOCK])),
        message(id::CANCEL, &first_block),
        message(id::PORT, &[1, 2]),
        message(id::PIECE, &[numbers(&[0, 0]), vec![7; 20]].concat()),
        message(id::REJECT, &first_block),
        message(id::UNKNOWN, b"who knows?"),
        message(id::HASH_REQUEST, &[0; 48]),
        message(id::UNCHOKE, &[]),
        message(id::CHOKE, &[]),
        message(id::NOT_INTERESTED, &[]),
    ]
    .concat();
    let mut last = door.connect()?;
    for end in 0..=session.len() {
        last = door.connect()?;
        last.write(&session[..end])?;
    }
    last.harmed();
    Ok(())
}

/// The same, while the victim downloads.
fn closes_on_a_download(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(PAYLOAD);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .upload_limit(super::SLOW)
        .seed()?;
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .peer(seeder.address())
        .start()?;
    let port = bt.wait_listening()?.port();
    bt.wait_progress("has begun", wait::TRANSFER, |progress| {
        progress.bytes_done > 0
    })?;
    let door = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let harms = [harm("closes", closes_at_every_byte)];
    let _hostile = let_loose(case, &torrent, &mut bt, door, harms)?;
    seeder.limit_upload(0)?;
    complete_in_little_memory(&mut bt)?;
    payload.compare(&folder)
}

/// Many connections on which little or nothing is ever said.
fn half_open(door: &Door) -> io::Result<()> {
    let mut open = Vec::new();
    for number in 0..400 {
        let mut victim = door.connect()?;
        let handshake = victim.handshake();
        victim.write(&handshake[..number % handshake.len()])?;
        open.push(victim);
    }
    if let Some(last) = open.last_mut() {
        last.harmed();
        last.fall_silent()?;
    }
    // The last one has been given up; the others are kept until the case is over.
    open.first().map_or(Ok(()), Victim::wait_for_the_end)
}

fn takes_our_name(door: &Door) -> io::Result<()> {
    let name = door.connect()?.introduce_itself()?;
    let mut victim = door.connect()?;
    let handshake = victim.handshake_as(name);
    victim.write(&handshake)?;
    until_dropped(&mut victim, Victim::fall_silent)
}

/// Those who ask for too much, or too often, or do not take what they have asked for.
fn requests() -> Vec<Harm> {
    vec![
        harm("though choked", |door| {
            let mut victim = door.connect()?;
            victim.introduce_itself()?;
            repeat(&mut victim, &all_requests())
        }),
        harm("what is not there", |door| {
            let mut victim = unchoked(door)?;
            let beyond = message(id::REQUEST, &numbers(&[PIECES, 0, BLOCK]));
            repeat(&mut victim, &beyond)
        }),
        harm("too much at once", |door| {
            let mut victim = unchoked(door)?;
            let huge = message(id::REQUEST, &numbers(&[0, 0, 2 * BLOCK]));
            repeat(&mut victim, &huge)
        }),
        harm("the same again and again", |door| {
            let mut victim = unchoked(door)?;
            let requests = all_requests();
            repeat(&mut victim, &requests[..17 * 8])
        }),
        harm("and cancels", |door| {
            let mut victim = unchoked(door)?;
            let storm = storm_of_cancels();
            for round in 0.. {
                victim.write(&storm)?;
                victim.read_away()?;
                if round == 100 {
                    victim.harmed();
                }
            }
            Ok(())
        }),
        harm("and cancels, and does not read", |door| {
            let mut victim = unchoked(door)?;
            let storm = storm_of_cancels();
            until_dropped(&mut victim, |victim| victim.write(&storm))
        }),
        harm("and does not read", |door| {
            let mut victim = unchoked(door)?;
            victim.write(&all_requests())?;
            victim.harmed();
            victim.wait_for_the_end()
        }),
    ]
}

fn unchoked(door: &Door) -> io::Result<Victim> {
    let mut victim = door.connect()?;
    victim.introduce_itself()?;
    victim.write(&message(id::INTERESTED, &[]))?;
    while victim.read_message()?.0 != id::UNCHOKE {}
    Ok(victim)
}

/// Until dropped.
fn repeat(victim: &mut Victim, messages: &[u8]) -> io::Result<()> {
    until_dropped(victim, |victim| {
        victim.write(messages)?;
        victim.read_away()
    })
}

/// Every block of the torrent.
fn all_requests() -> Vec<u8> {
    blocks()
        .flat_map(|block| message(id::REQUEST, &block))
        .collect()
}

fn storm_of_cancels() -> Vec<u8> {
    let pairs = blocks().flat_map(|block| {
        let request = message(id::REQUEST, &block);
        [request, message(id::CANCEL, &block)].concat()
    });
    pairs.collect()
}

fn blocks() -> impl Iterator<Item = Vec<u8>> {
    let blocks_per_piece = super::PIECE_LENGTH as u32 / BLOCK;
    (0..PIECES * blocks_per_piece).map(move |n| {
        let (piece, slot) = (n / blocks_per_piece, n % blocks_per_piece);
        numbers(&[piece, slot * BLOCK, BLOCK])
    })
}
