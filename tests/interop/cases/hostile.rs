//! Peers and trackers that mean harm, beside one that does not: the transfer completes all the
//! same, memory stays bounded, and nobody's disk is filled with complaints. What `bt` does about
//! each, and which test shows it, is the table in `docs/hostile.md`.

pub(super) mod http;
pub(super) mod liar;
pub(super) mod peers;
pub(super) mod strangers;
pub(super) mod trackers;

use std::io;

use super::{MIB, PIECE_LENGTH};
use crate::{
    bt::Bt,
    harness::{Failure, Outcome, ensure, wait},
    hostile_peer::{HostilePeer, Victim, id},
};

/// What somebody does, and what it is called in a report.
type Named<T> = (&'static str, T);

/// Somebody at work.
type AtWork = Named<HostilePeer>;

/// Waits until each of them has done its worst to `bt`, which stands it.
fn wait_for_the_worst(bt: &mut Bt, hostile: &[AtWork]) -> Outcome {
    let idle = || hostile.iter().filter(|(_, peer)| peer.harmed() == 0);
    let done = wait::until("all have done their worst", wait::TRANSFER, || {
        bt.ensure_running()?;
        Ok(idle().next().is_none().then_some(()))
    });
    done.map_err(|failure| {
        let names: Vec<_> = idle().map(|(name, _)| *name).collect();
        Failure::new(format!("{failure}: not {names:?}"))
    })
}

fn complete_in_little_memory(bt: &mut Bt) -> Outcome {
    let peak = bt.wait_complete_and_measure(wait::TRANSFER)?;
    ensure_modest(bt, peak)
}

fn ensure_modest(bt: &Bt, peak_memory: u64) -> Outcome {
    let taken = peak_memory / MIB;
    ensure!(peak_memory <= MAX_MEMORY, "bt took {taken} MiB of memory");
    let lines = bt.stderr().len();
    ensure!(lines <= MAX_LINES, "bt complained in {lines} lines");
    Ok(())
}

/// Does harm again and again; the worst is done when the victim has had enough and closes.
fn until_dropped(
    victim: &mut Victim,
    mut harm: impl FnMut(&mut Victim) -> io::Result<()>,
) -> io::Result<()> {
    loop {
        if let Err(error) = harm(victim) {
            victim.harmed();
            return Err(error);
        }
    }
}

/// Piece, begin, length, if it is a request.
fn as_request((id, body): &(u8, Vec<u8>)) -> Option<[u32; 3]> {
    let number = |at: usize| {
        let bytes = body.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    (*id == id::REQUEST).then_some(())?;
    Some([number(0)?, number(4)?, number(8)?])
}

const PAYLOAD: u64 = 4 * MIB;
const PIECES: u32 = (PAYLOAD / PIECE_LENGTH) as u32;
const BITFIELD_LENGTH: u32 = PIECES / 8;
const BLOCK: u32 = 16 * 1024;
/// Bytes per second: the payload takes half a minute, unless the limit is lifted.
const SLOW: u64 = PAYLOAD / 30;
/// bt holds 32 MiB of payload; the rest is code, threads and what peers take.
const MAX_MEMORY: u64 = 128 * MIB;
/// A few things are worth a word: a tracker that fails, a peer that is banned.
const MAX_LINES: usize = 10;
