//! The stream of a peer: however the network cuts it, the same messages come out, and each of
//! them is written again as the same bytes.

use bt_wire::{
    DecodeError, Decoded, DecodedHandshake, Decoder, Handshake, Limits, Message, RawBlock,
    encode_piece_header,
};

/// The first byte says how many bytes arrive at a time, the others are the stream. It may begin
/// with a handshake.
pub fn run(data: &[u8]) {
    let Some((&step, stream)) = data.split_first() else {
        return;
    };
    let stream = &stream[check_handshake(stream)..];
    let (whole, whole_result) = drive(stream, stream.len().max(1));
    let (cut, cut_result) = drive(stream, usize::from(step) + 1);
    assert_eq!(whole, cut, "{} bytes at a time", usize::from(step) + 1);
    assert_eq!(whole_result.is_err(), cut_result.is_err());
    check_encoding(stream, &whole);
}

/// What a driver makes of a stream.
#[derive(Debug, Eq, PartialEq)]
enum Item {
    Message(Message),
    /// The part of the payload that arrived.
    Block(RawBlock, Vec<u8>),
}

/// Returns where the messages begin.
fn check_handshake(stream: &[u8]) -> usize {
    let decoded = Handshake::decode(stream);
    let first = &stream[..stream.len().min(Handshake::LENGTH)];
    for length in 0..first.len() {
        let prefix = Handshake::decode(&first[..length]);
        if decoded.is_ok() {
            let bytes_needed = Handshake::LENGTH;
            assert_eq!(prefix, Ok(DecodedHandshake::Incomplete { bytes_needed }));
        } else {
            assert!(!matches!(prefix, Ok(DecodedHandshake::Complete { .. })));
        }
    }
    let Ok(DecodedHandshake::Complete {
        handshake,
        consumed,
    }) = decoded
    else {
        return 0;
    };
    assert_eq!(handshake.encode()[..], stream[..consumed]);
    let swarm_id = Handshake::peek_swarm_id(&stream[..48]);
    assert_eq!(swarm_id, Ok(Some(handshake.swarm_id)));
    consumed
}

/// Receives `step` bytes at a time.
fn drive(stream: &[u8], step: usize) -> (Vec<Item>, Result<(), DecodeError>) {
    let mut decoder = Decoder::new(Limits::default());
    let mut items = Vec::new();
    let (mut from, mut missing) = (0, 0);
    for arrived in (step..stream.len()).step_by(step).chain([stream.len()]) {
        loop {
            if let (1.., Some(Item::Block(_, payload))) = (missing, items.last_mut()) {
                let here = missing.min(arrived - from);
                payload.extend_from_slice(&stream[from..from + here]);
                from += here;
                missing -= here;
                if missing > 0 {
                    break;
                }
            }
            match decoder.decode(&stream[from..arrived]) {
                Ok(Decoded::Message { message, consumed }) => {
                    items.push(Item::Message(message));
                    from += consumed;
                }
                Ok(Decoded::BlockStart { block, consumed }) => {
                    items.push(Item::Block(block, Vec::new()));
                    from += consumed;
                    missing = block.length as usize;
                }
                Ok(Decoded::Skipped { consumed }) => {
                    assert!(consumed > 0, "no progress");
                    from += consumed;
                }
                Ok(Decoded::Incomplete { bytes_needed }) => {
                    assert!(bytes_needed > arrived - from, "asks for what is there");
                    assert!(bytes_needed <= LONGEST, "asks for {bytes_needed} bytes");
                    break;
                }
                Err(error) => return (items, Err(error)),
            }
            assert!(from <= arrived, "consumed more than there was");
        }
    }
    (items, Ok(()))
}

/// The items one after the other are the stream.
fn check_encoding(mut stream: &[u8], items: &[Item]) {
    for item in items {
        let mut encoded = Vec::new();
        match item {
            Item::Message(Message::Unknown { id, length }) => {
                encoded.extend((length + 1).to_be_bytes());
                encoded.push(*id);
                let body = stream.len().min(5 + *length as usize);
                encoded.extend_from_slice(&stream[5..body]);
            }
            Item::Message(message) => message.encode(&mut encoded),
            Item::Block(block, payload) => {
                encoded.extend(encode_piece_header(*block));
                encoded.extend_from_slice(payload);
            }
        }
        let (found, rest) = stream.split_at(encoded.len());
        assert_eq!(found, encoded, "{item:?}");
        stream = rest;
    }
}

/// The default limit of extended messages, and what is around them.
const LONGEST: usize = (1 << 20) + 6;
