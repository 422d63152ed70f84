use std::{collections::VecDeque, io::IoSlice};

use bt_swarm::Outgoing;
use bt_types::Block;
use bt_wire::{RawBlock, encode_piece_header};

use crate::buffers::Buffer;

/// Gathers what is to be sent to one peer, so that many messages and blocks go out by one
/// vectored write. Does no I/O.
#[derive(Default)]
pub(super) struct Outbox {
    /// Messages and block headers, one behind the other.
    encoded: Vec<u8>,
    /// How many bytes of `encoded` belong to parts that are already written.
    encoded_before: usize,
    parts: VecDeque<Part>,
    /// How many bytes of the first part are written.
    written: usize,
}

enum Part {
    /// As many bytes of `encoded`.
    Encoded(usize),
    Payload(Block, Buffer),
}

impl Outbox {
    pub(super) fn push(&mut self, outgoing: Outgoing<Buffer>) {
        let start = self.encoded.len();
        let payload = match outgoing {
            Outgoing::Message(message) => {
                message.encode(&mut self.encoded);
                None
            }
            Outgoing::Block(block, payload) => {
                let header = encode_piece_header(RawBlock::from(block));
                self.encoded.extend_from_slice(&header);
                Some(Part::Payload(block, payload))
            }
        };
        let added = self.encoded.len() - start;
        match self.parts.back_mut() {
            Some(Part::Encoded(len)) => *len += added,
            _ => self.parts.push_back(Part::Encoded(added)),
        }
        self.parts.extend(payload);
    }

    /// Takes out a block of which nothing is written yet, header included; returns whether there
    /// was one.
    pub(super) fn take_back(&mut self, block: Block) -> bool {
        let mut end = self.encoded_before;
        let mut found = None;
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Part::Encoded(len) => end += len,
                Part::Payload(queued, _) if *queued == block => {
                    found = Some(index);
                    break;
                }
                Part::Payload(..) => {}
            }
        }
        // Each payload follows the part that ends with its header.
        let Some(index) = found.filter(|&index| index > 0) else {
            return false;
        };
        let written = if index == 1 { self.written } else { 0 };
        let Some(Part::Encoded(len)) = self.parts.get_mut(index - 1) else {
            return false;
        };
        if written + HEADER_LENGTH > *len {
            return false;
        }
        *len -= HEADER_LENGTH;
        let is_used_up = *len == written;
        self.encoded.drain(end - HEADER_LENGTH..end);
        self.parts.remove(index);
        if is_used_up {
            self.parts.remove(index - 1);
            self.encoded_before += written;
            self.written -= written;
        }
        if self.parts.is_empty() {
            self.clear();
        }
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Bytes of messages and block headers in memory.
    pub(super) fn encoded_bytes(&self) -> usize {
        self.encoded.len()
    }

    /// What to write next, in order; as much of it as one system call takes.
    pub(super) fn slices(&self) -> ([IoSlice<'_>; MAX_SLICES], usize) {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut encoded = &self.encoded[self.encoded_before..];
        let mut skip = self.written;
        let used = self.parts.len().min(MAX_SLICES);
        for (slot, part) in slices.iter_mut().zip(&self.parts) {
            let bytes = match part {
                Part::Encoded(len) => {
                    let (bytes, rest) = encoded.split_at(*len);
                    encoded = rest;
                    bytes
                }
                Part::Payload(_, buffer) => buffer.as_ref(),
            };
            *slot = IoSlice::new(&bytes[skip..]);
            skip = 0;
        }
        (slices, used)
    }

    /// Takes note that the next `len` bytes are written, and calls `sent` for each block that is
    /// now on its way.
    pub(super) fn advance(&mut self, len: usize, mut sent: impl FnMut(Block)) {
        self.written += len;
        while let Some(part) = self.parts.front() {
            let part_len = part.len();
            if self.written < part_len {
                return;
            }
            self.written -= part_len;
            match self.parts.pop_front() {
                Some(Part::Encoded(len)) => self.encoded_before += len,
                Some(Part::Payload(block, _)) => sent(block),
                None => {}
            }
        }
        self.clear();
    }

    /// Everything is written.
    fn clear(&mut self) {
        self.encoded.clear();
        self.encoded.shrink_to(USUAL_ENCODED);
        self.encoded_before = 0;
    }
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Encoded(len) => *len,
            Self::Payload(_, buffer) => buffer.as_ref().len(),
        }
    }
}

/// Of a block: length prefix, id, piece, begin.
const HEADER_LENGTH: usize = 13;
/// Half a megabyte of blocks; longer writes gain nothing.
const MAX_SLICES: usize = 64;
/// For a hundred messages. A connection that is idle holds no more than this.
const USUAL_ENCODED: usize = 2048;

#[cfg(test)]
mod tests {
    use bt_types::PieceIndex;
    use bt_wire::Message;

    use super::*;
    use crate::buffers::BufferPool;

    fn block(begin: u32, length: u32) -> Block {
        Block {
            piece: PieceIndex::new(3),
            begin,
            length,
        }
    }

    #[test]
    fn everything_is_written_in_order_whatever_the_network_takes() {
        let pool = BufferPool::new(1 << 20);
        for step in [1, 7, 20_000] {
            let mut outbox = Outbox::default();
            let mut whole = Vec::new();
            for number in 0..100 {
                let block = block(number, 1 + number % 50);
                let message = Message::Have(number);
                message.encode(&mut whole);
                outbox.push(Outgoing::Message(message));
                let mut payload = pool.take(block.length as usize);
                payload.as_mut().fill(number as u8);
                whole.extend(encode_piece_header(RawBlock::from(block)));
                whole.extend(payload.as_ref());
                outbox.push(Outgoing::Block(block, payload));
            }
            let (mut written, mut sent) = (Vec::<u8>::new(), Vec::new());
            while !outbox.is_empty() {
                let (slices, used) = outbox.slices();
                let offered: Vec<u8> = slices[..used].concat_bytes();
                let taken = offered.len().min(step);
                written.extend(&offered[..taken]);
                outbox.advance(taken, |block| sent.push(block.begin));
            }
            assert_eq!(written, whole);
            assert_eq!(sent, (0..100).collect::<Vec<_>>());
            assert!(outbox.encoded.is_empty());
        }
    }

    #[test]
    fn a_block_is_sent_when_its_last_byte_is_written() {
        let pool = BufferPool::new(1 << 20);
        let mut outbox = Outbox::default();
        outbox.push(Outgoing::Block(block(0, 10), pool.take(10)));
        let mut sent = 0;
        outbox.advance(22, |_| sent += 1);
        assert_eq!((sent, outbox.is_empty()), (0, false));
        outbox.advance(1, |_| sent += 1);
        assert_eq!((sent, outbox.is_empty()), (1, true));
    }

    /// Whatever has been written when it is asked for: what comes out is what would have come out
    /// without the block, or with all of it.
    #[test]
    fn a_block_is_taken_back_whole_or_not_at_all() {
        let pool = BufferPool::new(1 << 20);
        let fill = |outbox: &mut Outbox, left_out: Option<u32>| {
            for number in 0..4 {
                if number % 2 == 0 {
                    outbox.push(Outgoing::Message(Message::Have(number)));
                }
                if Some(number) != left_out {
                    let mut payload = pool.take(20);
                    payload.as_mut().fill(number as u8);
                    outbox.push(Outgoing::Block(block(number, 20), payload));
                }
            }
            outbox.push(Outgoing::Message(Message::Choke));
        };
        let drain = |outbox: &mut Outbox, step: usize| {
            let mut written = Vec::new();
            while !outbox.is_empty() {
                written.extend(write(outbox, step));
            }
            written
        };
        let with_all = {
            let mut outbox = Outbox::default();
            fill(&mut outbox, None);
            drain(&mut outbox, 1000)
        };
        for number in 0..4 {
            let mut without = Outbox::default();
            fill(&mut without, Some(number));
            let without = drain(&mut without, 1000);
            let begin = 33 * number as usize + 9 * (number as usize / 2 + 1);
            for before in 0..with_all.len() {
                let mut outbox = Outbox::default();
                fill(&mut outbox, None);
                let mut written = Vec::new();
                while written.len() < before {
                    written.extend(write(&mut outbox, 1));
                }
                let is_taken = outbox.take_back(block(number, 20));
                assert_eq!(is_taken, before <= begin, "{number} after {before} bytes");
                assert!(!outbox.take_back(block(number, 20)));
                written.extend(drain(&mut outbox, 7));
                assert_eq!(&written, if is_taken { &without } else { &with_all });
                assert!(outbox.encoded.is_empty());
            }
        }
        assert!(!Outbox::default().take_back(block(0, 20)));
    }

    fn write(outbox: &mut Outbox, step: usize) -> Vec<u8> {
        let (slices, used) = outbox.slices();
        let mut offered = slices[..used].concat_bytes();
        offered.truncate(step);
        outbox.advance(offered.len(), |_| {});
        offered
    }

    trait ConcatBytes {
        fn concat_bytes(&self) -> Vec<u8>;
    }

    impl ConcatBytes for [IoSlice<'_>] {
        fn concat_bytes(&self) -> Vec<u8> {
            self.iter()
                .flat_map(|slice| slice.iter().copied())
                .collect()
        }
    }
}
