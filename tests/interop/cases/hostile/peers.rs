//! Peers that `bt get` dials.

use std::{io, time::Duration};

use super::{
    AtWork, BITFIELD_LENGTH, BLOCK, Named, PAYLOAD, PIECES, SLOW, as_request,
    complete_in_little_memory, until_dropped, wait_for_the_worst,
};
use crate::{
    bt,
    cases::{Entry, get::made_by_libtorrent},
    foreign::libtorrent::{Format, Libtorrent},
    harness::{Case, Outcome, Payload},
    hostile_peer::{HostilePeer, Victim, id, message, numbers},
};

pub(in crate::cases) const CASES: &[Entry] = &[
    Entry {
        name: "hostile/peer/stalls",
        run: |case| peers(case, stalls()),
    },
    Entry {
        name: "hostile/peer/one-byte-a-second",
        run: |case| peers(case, drips()),
    },
    Entry {
        name: "hostile/peer/closes-in-a-message",
        run: |case| peers(case, closes()),
    },
    Entry {
        name: "hostile/peer/endless-message",
        run: |case| {
            let ids = [5, 7, 9, 20, 200];
            peers(case, ids.map(|id| harm("endless", endless_message(id))))
        },
    },
    Entry {
        name: "hostile/peer/floods",
        run: |case| peers(case, floods()),
    },
    Entry {
        name: "hostile/peer/breaches",
        run: |case| peers(case, breaches()),
    },
    Entry {
        name: "hostile/peer/wrong-blocks",
        run: |case| peers(case, wrong_blocks()),
    },
];

type Harm = Named<Box<dyn Fn(&mut Victim) -> io::Result<()> + Send + Sync>>;

fn harm(
    name: &'static str,
    harm: impl Fn(&mut Victim) -> io::Result<()> + Send + Sync + 'static,
) -> Harm {
    (name, Box::new(harm))
}

/// A download from one good seeder, slow until each of the others has done its worst.
fn peers(case: &Case<'_>, harms: impl IntoIterator<Item = Harm>) -> Outcome {
    let payload = Payload::single(PAYLOAD);
    let torrent = made_by_libtorrent(case, &payload, Format::V1, None)?;
    let mut seeder = Libtorrent::peer(case, "seeder", &torrent, &case.folder("seed")?)?
        .upload_limit(SLOW)
        .seed()?;
    let mut hostile: Vec<AtWork> = Vec::new();
    for (name, harm) in harms {
        hostile.push((name, HostilePeer::start(case, &torrent, harm)?));
    }
    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?.peer(seeder.address());
    for (_, peer) in &hostile {
        bt = bt.peer(peer.address());
    }
    let mut bt = bt.start()?;
    wait_for_the_worst(&mut bt, &hostile)?;
    seeder.limit_upload(0)?;
    complete_in_little_memory(&mut bt)?;
    payload.compare(&folder)
}

/// Silence after every step of a connection.
fn stalls() -> Vec<Harm> {
    vec![
        stall("accepts", |_| Ok(())),
        stall("half a handshake", |victim| {
            let handshake = victim.handshake();
            victim.write(&handshake[..34])
        }),
        stall("a handshake", Victim::shake_hands),
        stall("half a length", |victim| {
            victim.shake_hands()?;
            victim.write(&[0, 0])
        }),
        stall("half a message", |victim| {
            victim.shake_hands()?;
            victim.write(&message(id::REQUEST, &[0; 12])[..9])
        }),
        stall("never unchokes", |victim| {
            victim.shake_hands()?;
            victim.write(&message(id::HAVE_ALL, &[]))
        }),
        stall("never answers", |victim| promise(victim).map(drop)),
        stall("half the header of a block", |victim| {
            let request = promise(victim)?;
            victim.write(&block_message(&request)[..7])
        }),
        stall("half a block", |victim| {
            let request = promise(victim)?;
            victim.write(&block_message(&request)[..8000])
        }),
    ]
}

fn stall(
    name: &'static str,
    begin: impl Fn(&mut Victim) -> io::Result<()> + Send + Sync + 'static,
) -> Harm {
    harm(name, move |victim| {
        begin(victim)?;
        victim.harmed();
        victim.fall_silent()
    })
}

fn drips() -> Vec<Harm> {
    vec![
        harm("a handshake", |victim| victim.drip(&victim.handshake())),
        harm("a bitfield", |victim| {
            victim.shake_hands()?;
            victim.drip(&message(id::BITFIELD, &[0xff; BITFIELD_LENGTH as usize]))
        }),
        harm("an extended handshake", |victim| {
            victim.shake_hands()?;
            victim.drip(&message(id::EXTENDED, &[0; 60_000]))
        }),
        harm("an unknown message", |victim| {
            victim.shake_hands()?;
            victim.drip(&message(id::UNKNOWN, &[0; 60_000]))
        }),
        harm("a block", |victim| {
            let request = promise(victim)?;
            let message = block_message(&request);
            victim.write(&message[..13])?;
            victim.drip(&message[13..])
        }),
    ]
}

/// In the middle of every kind of message, and of a block that it was asked for, every time.
fn closes() -> Vec<Harm> {
    let in_a_message = MESSAGES.iter().map(|(id, length)| {
        harm("in a message", move |victim| {
            victim.shake_hands()?;
            let message = message(*id, &vec![0; *length as usize]);
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
    let in_a_block = harm("in a block", |victim| {
        let request = promise(victim)?;
        victim.write(&block_message(&request)[..8000])?;
        victim.harmed();
        Ok(())
    });
    in_a_message.chain([in_a_block]).collect()
}

/// 2^32 - 1 bytes are announced, and sent for as long as anybody listens.
fn endless_message(id: u8) -> impl Fn(&mut Victim) -> io::Result<()> {
    move |victim| {
        victim.shake_hands()?;
        victim.write(&[0xff, 0xff, 0xff, 0xff, id])?;
        until_dropped(victim, Victim::send_zeros)
    }
}

/// Without end, though not as fast as the machine could.
fn floods() -> Vec<Harm> {
    use Promise::{Everything, Nothing};
    vec![
        flood("keep-alives", Nothing, vec![0; 4000]),
        flood(
            "haves",
            Nothing,
            each(PIECES, |piece| message(id::HAVE, &numbers(&[piece]))),
        ),
        flood(
            "bitfields",
            Nothing,
            each(500, |_| {
                message(id::BITFIELD, &[0xff; BITFIELD_LENGTH as usize])
            }),
        ),
        flood(
            "interest",
            Nothing,
            each(500, |_| {
                let interested = message(id::INTERESTED, &[]);
                [interested, message(id::NOT_INTERESTED, &[])].concat()
            }),
        ),
        flood(
            "chokes",
            Everything,
            each(500, |_| {
                let unchoke = message(id::UNCHOKE, &[]);
                [unchoke, message(id::CHOKE, &[])].concat()
            }),
        ),
        flood(
            "rejects",
            Everything,
            each(PIECES, |piece| message(id::REJECT, &first_block_of(piece))),
        ),
        flood(
            "cancels",
            Nothing,
            each(PIECES, |piece| message(id::CANCEL, &first_block_of(piece))),
        ),
        flood(
            "hints",
            Nothing,
            each(PIECES, |piece| {
                let suggest = message(id::SUGGEST, &numbers(&[piece]));
                [suggest, message(id::ALLOWED_FAST, &numbers(&[piece]))].concat()
            }),
        ),
    ]
}

fn each(pieces: u32, messages: fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..pieces).flat_map(messages).collect()
}

fn first_block_of(piece: u32) -> Vec<u8> {
    numbers(&[piece, 0, BLOCK])
}

/// Sends `messages` again and again, perhaps after a promise of every piece. What comes back is read
/// and thrown away.
fn flood(name: &'static str, promise: Promise, messages: Vec<u8>) -> Harm {
    let burst = messages.repeat((256 * 1024) / messages.len());
    harm(name, move |victim| {
        victim.shake_hands()?;
        if promise == Promise::Everything {
            victim.write(&message(id::HAVE_ALL, &[]))?;
        }
        for round in 0.. {
            victim.write(&burst)?;
            victim.read_away()?;
            if round == 8 {
                victim.harmed();
            }
            victim.pause(Duration::from_millis(40))?;
        }
        Ok(())
    })
}

/// For each of which a peer is dropped.
fn breaches() -> Vec<Harm> {
    let bitfield = |length: u32| message(id::BITFIELD, &vec![0xff; length as usize]);
    let long_name = format!("d1:v60000:{}e", "x".repeat(60_000));
    vec![
        harm("another torrent", |victim| {
            victim.read(&mut [0; 68])?;
            victim.write(&victim.wrong_handshake())?;
            until_dropped(victim, Victim::fall_silent)
        }),
        harm("ourselves", |victim| {
            let mut handshake = [0; 68];
            victim.read(&mut handshake)?;
            victim.write(&handshake)?;
            until_dropped(victim, Victim::fall_silent)
        }),
        harm("another protocol", |victim| {
            victim.read(&mut [0; 68])?;
            victim.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")?;
            until_dropped(victim, Victim::fall_silent)
        }),
        breach("an empty bitfield", bitfield(0)),
        breach("a short bitfield", bitfield(BITFIELD_LENGTH - 1)),
        breach("a long bitfield", bitfield(BITFIELD_LENGTH + 1)),
        breach("a huge bitfield", bitfield(300_000)),
        breach("a piece too many", message(id::HAVE, &numbers(&[PIECES]))),
        breach("piece 2^32 - 1", message(id::HAVE, &[0xff; 4])),
        repeated("unknown messages", message(id::UNKNOWN, b"what?")),
        repeated("extended handshakes", {
            message(id::EXTENDED, &[b"\0", long_name.as_bytes()].concat())
        }),
        repeated("extensions that were not offered", {
            message(id::EXTENDED, b"\x63de")
        }),
        repeated("requests", {
            message(id::REQUEST, &numbers(&[0, 0, BLOCK]))
        }),
        repeated("huge requests", message(id::REQUEST, &[0xff; 12])),
        repeated("blocks that nobody asked for", {
            let header = numbers(&[0, 0]);
            message(id::PIECE, &[header, vec![0; BLOCK as usize]].concat())
        }),
        repeated("empty blocks", message(id::PIECE, &numbers(&[0, 0]))),
        repeated("blocks of no piece", {
            message(id::PIECE, &[[0xff; 8], [0; 8]].concat())
        }),
    ]
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Promise {
    Everything,
    Nothing,
}

fn breach(name: &'static str, messages: Vec<u8>) -> Harm {
    harm(name, move |victim| {
        victim.shake_hands()?;
        // It may be dropped before all is written.
        let _ = victim.write(&messages);
        until_dropped(victim, Victim::fall_silent)
    })
}

/// Sooner or later.
fn repeated(name: &'static str, message: Vec<u8>) -> Harm {
    harm(name, move |victim| {
        victim.shake_hands()?;
        until_dropped(victim, |victim| {
            victim.write(&message)?;
            victim.read_away()
        })
    })
}

/// The first request is answered again and again, but with something else.
fn wrong_blocks() -> Vec<Harm> {
    let answer = |name, wrong: fn([u32; 3]) -> [u32; 3]| {
        harm(name, move |victim| {
            let request = promise(victim)?;
            until_dropped(victim, |victim| {
                let [piece, begin, length] = wrong(request);
                let body = [numbers(&[piece, begin]), vec![0; length as usize]].concat();
                victim.write(&message(id::PIECE, &body))?;
                victim.read_away()
            })
        })
    };
    vec![
        answer("another begin", |[piece, begin, length]| {
            [piece, begin + 1, length]
        }),
        answer("a piece that is not there", |[_, begin, length]| {
            [PIECES, begin, length]
        }),
        answer("fewer bytes", |[piece, begin, length]| {
            [piece, begin, length - 1]
        }),
        answer("more bytes", |[piece, begin, length]| {
            [piece, begin, length + 1]
        }),
        answer("beyond the end", |[piece, _, length]| {
            [piece, u32::MAX, length]
        }),
    ]
}

/// Promises every piece, and returns the first request: piece, begin, length.
fn promise(victim: &mut Victim) -> io::Result<[u32; 3]> {
    victim.shake_hands()?;
    victim.write(&message(id::HAVE_ALL, &[]))?;
    victim.write(&message(id::UNCHOKE, &[]))?;
    loop {
        if let Some(request) = as_request(&victim.read_message()?) {
            return Ok(request);
        }
    }
}

/// The right answer, but for its bytes.
fn block_message(&[piece, begin, length]: &[u32; 3]) -> Vec<u8> {
    let header = numbers(&[piece, begin]);
    message(id::PIECE, &[header, vec![0; length as usize]].concat())
}

/// Every message's id, and how much follows it.
const MESSAGES: &[(u8, u32)] = &[
    (id::CHOKE, 0),
    (id::UNCHOKE, 0),
    (id::INTERESTED, 0),
    (id::NOT_INTERESTED, 0),
    (id::HAVE, 4),
    (id::BITFIELD, BITFIELD_LENGTH),
    (id::REQUEST, 12),
    (id::PIECE, 8 + BLOCK),
    (id::CANCEL, 12),
    (id::PORT, 2),
    (id::SUGGEST, 4),
    (id::HAVE_ALL, 0),
    (id::HAVE_NONE, 0),
    (id::REJECT, 12),
    (id::ALLOWED_FAST, 4),
    (id::EXTENDED, 60),
    (id::HASH_REQUEST, 48),
    (id::HASHES, 48 + 64),
    (id::HASH_REJECT, 48),
    (id::UNKNOWN, 1000),
];
