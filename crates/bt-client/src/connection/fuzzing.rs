//! The way in for the fuzz target `client_inbox`. No part of the API.

use std::mem;

use bt_types::Payload as _;
use bt_wire::{Limits, Message, RawBlock, encode_piece_header};

use super::{Incoming, expected::Expected, gathered::Gathered, inbox::Inbox};
use crate::buffers::BufferPool;

/// What happens to a connection.
#[derive(Debug)]
pub enum Op {
    /// We ask for a block.
    Ask(u8),
    /// And no longer want it.
    Cancel(u8),
    /// The peer, which has no fast extension, chokes us.
    Choke,
    /// The peer sends a block, in reads of this length.
    Block(u8, u16),
    /// The peer sends anything, in reads of this length.
    Bytes(Vec<u8>, u16),
}

/// Lets it happen; panics if a block comes out that was never asked for, or of another length.
pub fn inbox(ops: &[Op]) {
    let expected = Expected::default();
    let pool = BufferPool::new(1 << 20);
    let mut inbox = Inbox::new(Limits::default(), pool, expected.clone());
    let mut asked = Vec::new();
    for op in ops {
        let (stream, read_length) = match op {
            Op::Ask(number) => {
                asked.push(block(*number));
                expected.note_sent(&Message::Request(block(*number)));
                continue;
            }
            Op::Cancel(number) => {
                expected.note_sent(&Message::Cancel(block(*number)));
                continue;
            }
            Op::Choke => {
                expected.forget_all();
                continue;
            }
            Op::Block(number, read_length) => {
                let sent = block(*number);
                let mut stream = encode_piece_header(sent).to_vec();
                stream.resize(stream.len() + sent.length as usize, *number);
                (stream, read_length)
            }
            Op::Bytes(bytes, read_length) => (bytes.clone(), read_length),
        };
        if feed(&mut inbox, &stream, *read_length, &asked).is_none() {
            return; // The peer has broken the protocol: nothing more is read from it.
        }
    }
}

/// One of a few blocks, so that what is sent is often what was asked for.
fn block(number: u8) -> RawBlock {
    let number = u32::from(number % 16);
    RawBlock {
        piece: number / 4,
        begin: number % 4 * 16_384,
        length: 1 + number * 37,
    }
}

fn feed(inbox: &mut Inbox, mut stream: &[u8], read_length: u16, asked: &[RawBlock]) -> Option<()> {
    let read_length = usize::from(read_length).max(1);
    while !stream.is_empty() {
        let mut read = 0;
        for slice in &mut inbox.slices() {
            let length = slice.len().min(stream.len()).min(read_length - read);
            slice[..length].copy_from_slice(&stream[..length]);
            stream = &stream[length..];
            read += length;
        }
        assert_ne!(read, 0, "no room was offered");
        let mut batch = Gathered::default();
        let mut outcome = inbox.received(read, &mut batch);
        while outcome.is_ok() && batch.is_full() {
            judge(mem::take(&mut batch), asked);
            outcome = inbox.sort(&mut batch);
        }
        judge(batch, asked);
        outcome.ok()?;
    }
    Some(())
}

fn judge(batch: Gathered, asked: &[RawBlock]) {
    for incoming in batch.into_incoming() {
        if let Incoming::Block(block, buffer) = incoming {
            assert_eq!(buffer.len(), block.length as usize);
            assert!(asked.contains(&block), "{block:?} was never asked for");
        }
    }
}
