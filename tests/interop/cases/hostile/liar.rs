//! A peer that serves as others do, but for a wrong byte now and then.

use std::{fs, time::Duration};

use super::{MIB, PAYLOAD};
use crate::{
    bt,
    cases::Entry,
    foreign::libtorrent::{self, Format, Libtorrent},
    harness::{Case, Context, Failure, Outcome, Payload, ensure, wait},
    hostile_peer::{HostilePeer, Victim, id, message, numbers},
};

pub(in crate::cases) const CASES: &[Entry] = &[Entry {
    name: "hostile/peer/one-wrong-block",
    run: one_wrong_block,
}];

/// All of the payload is one piece, to which both have to contribute: the liar alone would need
/// longer for it than the other takes to begin. When the piece has come from the other alone, it is
/// known which block was wrong, and whose it was.
fn one_wrong_block(case: &Case<'_>) -> Outcome {
    let payload = Payload::single(PAYLOAD);
    let folder = case.folder("seed")?;
    payload.write_to(&folder)?;
    let content = folder.join(&payload.name);
    let torrent = libtorrent::create(case, "one-piece", &content, Format::V1, PAYLOAD, &[])?;
    let seeder = Libtorrent::peer(case, "seeder", &torrent, &folder)?
        .upload_limit(MIB)
        .seed()?;
    let bytes = fs::read(&content).context("reading the payload")?;
    let liar = HostilePeer::start(case, &torrent, move |victim| lie_once(victim, &bytes))?;

    let folder = case.folder("got")?;
    let mut bt = bt::get(case, "bt-get", &torrent, &folder)?
        .peer(seeder.address())
        .peer(liar.address())
        .with(|command| {
            command.arg("-v");
        })
        .start()?;
    bt.wait_complete(wait::TRANSFER)?;
    payload.compare(&folder)?;

    ensure!(liar.harmed() > 0, "the liar was not asked for anything");
    let log = bt.stderr();
    let bans: Vec<_> = log.iter().filter(|line| line.contains("banned")).collect();
    let [ban] = bans[..] else {
        return Err(Failure::new(format!("not one ban, but {bans:?}")));
    };
    for said in [&format!("peer={}", liar.address()), "piece=0", "begin="] {
        ensure!(ban.contains(said), "no {said:?} in {ban:?}");
    }
    Ok(())
}

/// Serves a one-piece torrent of which `bytes` are the content, and changes a byte of the fourth
/// block.
fn lie_once(victim: &mut Victim, bytes: &[u8]) -> std::io::Result<()> {
    victim.shake_hands()?;
    victim.write(&message(id::HAVE_ALL, &[]))?;
    victim.write(&message(id::UNCHOKE, &[]))?;
    let mut served = 0;
    loop {
        let Some([piece, begin, length]) = super::as_request(&victim.read_message()?) else {
            continue;
        };
        let first = begin as usize;
        let block = bytes
            .get(first..first + length as usize)
            .unwrap_or_default();
        let mut block = block.to_vec();
        served += 1;
        if served == 4 {
            block.iter_mut().take(1).for_each(|byte| *byte ^= 1);
            victim.harmed();
        }
        victim.write(&message(
            id::PIECE,
            &[numbers(&[piece, begin]), block].concat(),
        ))?;
        victim.pause(BLOCK_TIME)?;
    }
}

/// For all blocks together 38 s.
const BLOCK_TIME: Duration = Duration::from_millis(150);
