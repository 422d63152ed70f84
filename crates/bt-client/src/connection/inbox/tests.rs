use std::mem;

use bt_types::BLOCK_LENGTH;
use bt_wire::Message;
use proptest::prelude::*;

use super::*;

/// What the inbox made of a stream, in a form that can be compared.
#[derive(Debug, PartialEq)]
enum Seen {
    Message(Message),
    Block(RawBlock, Vec<u8>),
    Unrequested(RawBlock),
}

struct Fixture {
    expected: Expected,
    inbox: Inbox,
    incoming: Vec<Incoming>,
}

impl Fixture {
    fn expecting(blocks: &[RawBlock]) -> Self {
        let expected = Expected::default();
        for block in blocks {
            expected.note_sent(&Message::Request(*block));
        }
        let pool = BufferPool::new(1 << 20);
        Self {
            inbox: Inbox::new(Limits::default(), pool, expected.clone()),
            expected,
            incoming: Vec::new(),
        }
    }

    /// Shows `stream` in reads of at most `read_length` bytes.
    fn feed(&mut self, mut stream: &[u8], read_length: usize) -> Result<(), DecodeError> {
        while !stream.is_empty() {
            let mut read = 0;
            for slice in &mut self.inbox.slices() {
                let len = slice.len().min(stream.len()).min(read_length - read);
                slice[..len].copy_from_slice(&stream[..len]);
                stream = &stream[len..];
                read += len;
            }
            assert_ne!(read, 0, "no room was offered");
            let mut batch = Gathered::default();
            let mut outcome = self.inbox.received(read, &mut batch);
            while outcome.is_ok() && batch.is_full() {
                self.incoming.extend(mem::take(&mut batch).into_incoming());
                outcome = self.inbox.sort(&mut batch);
            }
            self.incoming.extend(batch.into_incoming());
            outcome?;
        }
        Ok(())
    }

    fn seen(&mut self) -> Vec<Seen> {
        let seen = self.incoming.drain(..).map(|incoming| match incoming {
            Incoming::Message(message) => Seen::Message(message),
            Incoming::Block(block, buffer) => Seen::Block(block, buffer.as_ref().to_vec()),
            Incoming::UnrequestedBlock(block) => Seen::Unrequested(block),
            other => panic!("{other:?} does not come from the inbox"),
        });
        seen.collect()
    }
}

fn block(number: u32) -> RawBlock {
    RawBlock {
        piece: number / 4,
        begin: number % 4 * BLOCK_LENGTH,
        length: BLOCK_LENGTH - 7 * (number % 3),
    }
}

fn payload(block: RawBlock) -> Vec<u8> {
    let seed = block.piece * 31 + block.begin / 1000;
    (0..block.length).map(|i| (i * 7 + seed) as u8).collect()
}

fn push_block(stream: &mut Vec<u8>, block: RawBlock) {
    stream.extend(encode_piece_header(block));
    stream.extend(payload(block));
}

fn blocks(numbers: impl IntoIterator<Item = u32>) -> Vec<RawBlock> {
    numbers.into_iter().map(block).collect()
}

const READ_LENGTHS: [usize; 6] = [1, 12, 13, 1000, 40_000, usize::MAX];

#[test]
fn blocks_in_the_order_asked_arrive_whole() {
    for read_length in READ_LENGTHS {
        let asked = blocks(0..20);
        let mut stream = Vec::new();
        asked
            .iter()
            .for_each(|&block| push_block(&mut stream, block));
        let mut fixture = Fixture::expecting(&asked);
        fixture.feed(&stream, read_length).unwrap();
        let whole: Vec<_> = asked
            .iter()
            .map(|&block| Seen::Block(block, payload(block)))
            .collect();
        assert_eq!(fixture.seen(), whole, "reads of {read_length}");
        assert_eq!(fixture.expected.lock().in_order().count(), 0);
    }
}

#[test]
fn messages_between_blocks_and_another_order_change_nothing() {
    for read_length in READ_LENGTHS {
        let asked = blocks(0..6);
        let mut stream = Vec::new();
        let mut whole = Vec::new();
        for number in [3, 0, 1, 5, 4, 2] {
            let message = Message::Have(number);
            message.encode(&mut stream);
            whole.push(Seen::Message(message));
            push_block(&mut stream, block(number));
            whole.push(Seen::Block(block(number), payload(block(number))));
        }
        let mut fixture = Fixture::expecting(&asked);
        fixture.feed(&stream, read_length).unwrap();
        assert_eq!(fixture.seen(), whole, "reads of {read_length}");
    }
}

#[test]
fn a_block_that_nobody_asked_for_is_told_and_thrown_away() {
    for read_length in READ_LENGTHS {
        let mut stream = Vec::new();
        push_block(&mut stream, block(7));
        Message::Unchoke.encode(&mut stream);
        let mut fixture = Fixture::expecting(&blocks([1]));
        fixture.feed(&stream, read_length).unwrap();
        let seen = [Seen::Unrequested(block(7)), Seen::Message(Message::Unchoke)];
        assert_eq!(fixture.seen(), seen, "reads of {read_length}");
        assert_eq!(
            fixture.expected.lock().in_order().collect::<Vec<_>>(),
            blocks([1])
        );
    }
}

#[test]
fn a_block_cancelled_while_it_is_read_ahead_is_unrequested() {
    let mut fixture = Fixture::expecting(&blocks([0, 1]));
    let mut stream = Vec::new();
    push_block(&mut stream, block(0));
    fixture.feed(&stream[..5], usize::MAX).unwrap();
    fixture.expected.note_sent(&Message::Cancel(block(0)));
    fixture.feed(&stream[5..], usize::MAX).unwrap();
    assert_eq!(fixture.seen(), [Seen::Unrequested(block(0))]);
}

#[test]
fn rejected_requests_are_no_longer_expected() {
    let mut fixture = Fixture::expecting(&blocks([0, 1, 2]));
    let mut stream = Vec::new();
    Message::Reject(block(1)).encode(&mut stream);
    Message::Choke.encode(&mut stream);
    fixture.feed(&stream, usize::MAX).unwrap();
    assert_eq!(
        fixture.expected.lock().in_order().collect::<Vec<_>>(),
        blocks([0, 2]),
        "a choke is for the torrent's task to follow"
    );
}

#[test]
fn a_request_that_is_passed_over_does_not_end_reading_ahead() {
    let mut fixture = Fixture::expecting(&blocks(0..10));
    let mut stream = Vec::new();
    push_block(&mut stream, block(1));
    fixture.feed(&stream, usize::MAX).unwrap();
    fixture.inbox.slices();
    let ahead = fixture.inbox.ahead.iter().map(|ahead| ahead.block);
    assert_eq!(ahead.collect::<Vec<_>>(), blocks(2..2 + MAX_AHEAD as u32));
}

#[test]
fn a_batch_of_messages_is_bounded_in_bytes() {
    // Read ahead over blocks that do not come: more than a hundred thousand bytes at once.
    let mut fixture = Fixture::expecting(&blocks(0..8));
    let stream = [0; 100_000];
    let mut rest = &stream[..];
    for slice in &mut fixture.inbox.slices() {
        let (now, later) = rest.split_at(slice.len().min(rest.len()));
        slice[..now.len()].copy_from_slice(now);
        rest = later;
    }
    let mut received = stream.len() - rest.len();
    let mut keep_alives = 0;
    loop {
        let mut batch = Gathered::default();
        match mem::take(&mut received) {
            0 => fixture.inbox.sort(&mut batch).unwrap(),
            len => fixture.inbox.received(len, &mut batch).unwrap(),
        }
        let was_full = batch.is_full();
        let incoming = batch.into_incoming();
        assert!(incoming.len() < 1000, "{} in one batch", incoming.len());
        keep_alives += incoming.len();
        if !was_full {
            break;
        }
    }
    assert_eq!(keep_alives, (stream.len() - rest.len()) / 4);
    assert!(keep_alives > 10_000, "the read was long");
}

#[test]
fn a_long_message_is_collected_and_its_memory_given_back() {
    for read_length in READ_LENGTHS {
        let message = Message::Bitfield(vec![0xa5; 100_000].into());
        let mut stream = Vec::new();
        message.encode(&mut stream);
        let mut fixture = Fixture::expecting(&blocks([0]));
        fixture.feed(&stream, read_length).unwrap();
        assert_eq!(
            fixture.seen(),
            [Seen::Message(message)],
            "reads of {read_length}"
        );
        assert!(fixture.inbox.unsorted.bytes.len() <= USUAL_ROOM);
    }
}

#[test]
fn memory_grows_with_what_arrives_not_with_what_is_announced() {
    let mut stream = Vec::new();
    Message::Bitfield(vec![0; 200_000].into()).encode(&mut stream);
    let mut fixture = Fixture::expecting(&[]);
    fixture.feed(&stream[..100], usize::MAX).unwrap();
    fixture.inbox.slices();
    assert_eq!(fixture.inbox.unsorted.bytes.len(), USUAL_ROOM);
}

#[test]
fn a_broken_stream_is_an_error_behind_what_came_before() {
    let mut stream = Vec::new();
    push_block(&mut stream, block(0));
    stream.extend([0xff; 64]);
    for read_length in READ_LENGTHS {
        let mut fixture = Fixture::expecting(&blocks([0, 1]));
        assert!(fixture.feed(&stream, read_length).is_err());
        assert_eq!(fixture.seen(), [Seen::Block(block(0), payload(block(0)))]);
    }
}

/// What happens to a connection between two of its pauses.
#[derive(Clone, Debug)]
struct Step {
    /// Blocks that we ask for.
    asks: Vec<u32>,
    /// What the peer sends then: a block of this number, or a `have` if there is none.
    sends: Vec<Option<u32>>,
    read_length: usize,
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0_u32..12;
    let read_length = prop_oneof![1_usize..40, 1_usize..40_000, Just(usize::MAX)];
    let asks = prop::collection::vec(number.clone(), 0..6);
    let sends = prop::collection::vec(prop::option::weighted(0.8, number), 0..6);
    (asks, sends, read_length).prop_map(|(asks, sends, read_length)| Step {
        asks,
        sends,
        read_length,
    })
}

proptest! {
    /// However a stream is cut, and whatever was guessed of it: every message comes out once and
    /// in order, every block that was asked for with its own bytes, every other one is told.
    #[test]
    fn any_stream_is_sorted_alike(steps in prop::collection::vec(step(), 1..8)) {
        let mut fixture = Fixture::expecting(&[]);
        let mut owed: Vec<RawBlock> = Vec::new();
        for step in steps {
            for asked in step.asks.into_iter().map(block) {
                if !owed.contains(&asked) {
                    fixture.expected.note_sent(&Message::Request(asked));
                    owed.push(asked);
                }
            }
            let (mut stream, mut whole) = (Vec::new(), Vec::new());
            for sent in step.sends {
                let Some(sent) = sent.map(block) else {
                    Message::Have(7).encode(&mut stream);
                    whole.push(Seen::Message(Message::Have(7)));
                    continue;
                };
                push_block(&mut stream, sent);
                match owed.iter().position(|&block| block == sent) {
                    Some(index) => {
                        owed.remove(index);
                        whole.push(Seen::Block(sent, payload(sent)));
                    }
                    None => whole.push(Seen::Unrequested(sent)),
                }
            }
            fixture.feed(&stream, step.read_length).unwrap();
            prop_assert_eq!(fixture.seen(), whole);
        }
    }
}
