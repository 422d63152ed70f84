use std::{collections::VecDeque, io::IoSliceMut};

use bt_types::Payload as _;
use bt_wire::{DecodeError, Decoded, Decoder, Limits, RawBlock, encode_piece_header};

use super::{Incoming, expected::Expected, gathered::Gathered};
use crate::buffers::{Buffer, BufferPool};

/// Puts what one peer sends where it belongs: payload straight into the buffers of its blocks,
/// everything else into a small buffer of its own, from which messages are decoded.
///
/// One read can take in many blocks without a copy, because most peers answer in the order in
/// which they were asked: each read is laid over the rest of the arriving block, then over header
/// and payload of the blocks that are expected next. Where a header turns out to be another, what
/// lies behind it is copied to the small buffer and sorted from there.
///
/// Does no I/O: the reader reads into [`slices`](Self::slices) and tells
/// [`received`](Self::received) how much came.
pub(super) struct Inbox {
    decoder: Decoder,
    pool: BufferPool,
    expected: Expected,
    unsorted: Unsorted,
    /// The block whose payload comes next; nothing is unsorted while there is one.
    arriving: Option<Arriving>,
    /// The blocks expected after it, where the read is laid over them.
    ahead: VecDeque<Ahead>,
}

struct Arriving {
    block: RawBlock,
    buffer: Buffer,
    filled: usize,
    is_expected: bool,
}

struct Ahead {
    block: RawBlock,
    /// As it will be if the guess is right.
    header: [u8; HEADER_LENGTH],
    /// As it came.
    landed: [u8; HEADER_LENGTH],
    buffer: Buffer,
}

/// Bytes that have not been understood yet.
#[derive(Default)]
struct Unsorted {
    bytes: Vec<u8>,
    /// `start..end` are received and not yet sorted.
    start: usize,
    end: usize,
}

impl Inbox {
    pub(super) fn new(limits: Limits, pool: BufferPool, expected: Expected) -> Self {
        Self {
            decoder: Decoder::new(limits),
            pool,
            expected,
            unsorted: Unsorted::default(),
            arriving: None,
            ahead: VecDeque::new(),
        }
    }

    /// Where the next bytes of the stream belong, in order. Never without room.
    pub(super) fn slices(&mut self) -> [IoSliceMut<'_>; MAX_SLICES] {
        self.look_ahead();
        let mut slices = std::array::from_fn(|_| IoSliceMut::new(&mut []));
        let mut free = slices.iter_mut();
        let mut push = |bytes| {
            if let Some(slot) = free.next() {
                *slot = IoSliceMut::new(bytes);
            }
        };
        if let Some(arriving) = &mut self.arriving {
            push(&mut arriving.buffer.as_mut()[arriving.filled..]);
        }
        if self.ahead.is_empty() {
            push(self.unsorted.room());
        } else {
            // A part of the first header may be here already.
            let mut known = self.unsorted.len();
            for ahead in &mut self.ahead {
                push(&mut ahead.landed[known..]);
                push(ahead.buffer.as_mut());
                known = 0;
            }
        }
        slices
    }

    /// Takes the next `len` bytes, which were put into [`slices`](Self::slices), and adds what is
    /// complete to `batch`. If that is full then, [`sort`](Self::sort) must be called with others
    /// before more is read.
    ///
    /// # Errors
    /// If the peer broke the protocol. What came before is in `batch`.
    pub(super) fn received(&mut self, len: usize, batch: &mut Gathered) -> Result<(), DecodeError> {
        let mut len = len;
        if let Some(arriving) = &mut self.arriving {
            let taken = len.min(arriving.missing());
            arriving.filled += taken;
            len -= taken;
            self.finish_arriving(batch);
        }
        if self.ahead.is_empty() {
            self.unsorted.end += len;
        } else {
            self.sort_ahead(len, batch);
        }
        self.sort(batch)
    }

    /// Lays the coming read over the blocks that are expected next, if no other message has begun.
    fn look_ahead(&mut self) {
        let expected = self.expected.lock();
        let mut still_right = 0;
        for (ahead, block) in self.ahead.iter().zip(expected.in_order()) {
            if ahead.block != block {
                break;
            }
            still_right += 1;
        }
        self.ahead.truncate(still_right);
        for block in expected.in_order().skip(still_right) {
            if self.ahead.len() == MAX_AHEAD {
                break;
            }
            self.ahead.push_back(Ahead {
                block,
                header: encode_piece_header(block),
                landed: [0; HEADER_LENGTH],
                buffer: self.pool.take(block.length as usize),
            });
        }
        let begun = self.unsorted.as_bytes();
        match self.ahead.front_mut() {
            Some(first) if first.header.len() > begun.len() && first.header.starts_with(begun) => {
                first.landed[..begun.len()].copy_from_slice(begun);
            }
            _ => self.ahead.clear(),
        }
    }

    /// Sorts `len` bytes that came in behind the arriving block.
    fn sort_ahead(&mut self, mut len: usize, batch: &mut Gathered) {
        let mut known = self.unsorted.len();
        let mut is_right = true;
        while len > 0
            && let Some(ahead) = self.ahead.pop_front()
        {
            let header_end = HEADER_LENGTH.min(known + len);
            len -= header_end - known;
            let filled = len.min(ahead.buffer.len());
            len -= filled;
            is_right &= header_end == HEADER_LENGTH && ahead.landed == ahead.header;
            if is_right {
                self.unsorted.clear();
                self.arriving = Some(Arriving {
                    block: ahead.block,
                    buffer: ahead.buffer,
                    filled,
                    is_expected: self.expected.lock().take(ahead.block),
                });
                self.finish_arriving(batch);
            } else {
                self.unsorted.extend(&ahead.landed[known..header_end]);
                self.unsorted.extend(&ahead.buffer.as_ref()[..filled]);
            }
            known = 0;
        }
    }

    /// Sorts what has been received, as much as goes into `batch`.
    ///
    /// # Errors
    /// As [`received`](Self::received).
    pub(super) fn sort(&mut self, batch: &mut Gathered) -> Result<(), DecodeError> {
        while !batch.is_full() {
            if let Some(arriving) = &mut self.arriving {
                let room = &mut arriving.buffer.as_mut()[arriving.filled..];
                let taken = room.len().min(self.unsorted.len());
                room[..taken].copy_from_slice(&self.unsorted.as_bytes()[..taken]);
                arriving.filled += taken;
                self.unsorted.consume(taken);
                if arriving.missing() > 0 {
                    return Ok(());
                }
                self.finish_arriving(batch);
            }
            match self.decoder.decode(self.unsorted.as_bytes())? {
                Decoded::Incomplete { bytes_needed } => {
                    self.unsorted.make_room(bytes_needed);
                    return Ok(());
                }
                Decoded::Message { message, consumed } => {
                    self.unsorted.consume(consumed);
                    self.expected.note_received(&message);
                    batch.push_message(message, consumed);
                }
                Decoded::BlockStart { block, consumed } => {
                    self.unsorted.consume(consumed);
                    self.arriving = Some(Arriving {
                        block,
                        // Bounded by the decoder's limit, also for a block that nobody asked for.
                        buffer: self.pool.take(block.length as usize),
                        filled: 0,
                        is_expected: self.expected.lock().take(block),
                    });
                }
                Decoded::Skipped { consumed } => self.unsorted.consume(consumed),
            }
        }
        Ok(())
    }

    /// Hands over the arriving block if it is complete.
    fn finish_arriving(&mut self, batch: &mut Gathered) {
        let is_whole = |arriving: &mut Arriving| arriving.missing() == 0;
        if let Some(done) = self.arriving.take_if(is_whole) {
            batch.push_block(if done.is_expected {
                Incoming::Block(done.block, done.buffer)
            } else {
                Incoming::UnrequestedBlock(done.block)
            });
        }
    }
}

impl Arriving {
    fn missing(&self) -> usize {
        self.buffer.len() - self.filled
    }
}

impl Unsorted {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn len(&self) -> usize {
        self.end - self.start
    }

    /// Where the next bytes may be read to; never empty.
    fn room(&mut self) -> &mut [u8] {
        if self.end == self.bytes.len() {
            self.make_room(self.len() + 1);
        }
        &mut self.bytes[self.end..]
    }

    fn consume(&mut self, len: usize) {
        self.start += len;
        debug_assert!(self.start <= self.end, "more consumed than received");
        if self.start == self.end {
            self.clear();
        }
    }

    fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
        if self.bytes.len() > USUAL_ROOM {
            self.bytes = Vec::new();
        }
    }

    /// Moves what is there to the front and grows for a message of `needed` bytes: at most to
    /// double, since `needed` is only what the peer says.
    fn make_room(&mut self, needed: usize) {
        // Only what has moved: a long message that comes byte by byte would be copied each time.
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.len());
        }
        if self.end == self.bytes.len() || self.bytes.len() < USUAL_ROOM {
            let wanted = needed.clamp(USUAL_ROOM, USUAL_ROOM.max(2 * self.end));
            self.bytes.resize(wanted.max(self.end + 1), 0);
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        let end = self.end + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[self.end..end].copy_from_slice(bytes);
        self.end = end;
    }
}

/// Length prefix, id, piece, begin.
const HEADER_LENGTH: usize = 13;
/// 128 KiB: reads that long cost half as much a byte as those of one block; more gains little.
const MAX_AHEAD: usize = 8;
/// The arriving block, or the small buffer, and header and payload of each block ahead.
const MAX_SLICES: usize = 2 + 2 * MAX_AHEAD;
/// For a hundred small messages. A connection that is idle holds no more than this.
const USUAL_ROOM: usize = 2048;

#[cfg(test)]
mod tests;
