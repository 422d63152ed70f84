use proptest::prelude::*;

use super::*;
use crate::{HashRequest, Hashes, encode_piece_header, tests::unhex};

#[test]
fn golden() {
    let block = RawBlock {
        piece: 1,
        begin: 16_384,
        length: 16_384,
    };
    let bits = Message::Bitfield([0x80, 0x40].into());
    check("00000000", &Message::KeepAlive);
    check("0000000100", &Message::Choke);
    check("0000000101", &Message::Unchoke);
    check("0000000102", &Message::Interested);
    check("0000000103", &Message::NotInterested);
    check("000000050400000005", &Message::Have(5));
    check("00000003058040", &bits);
    check(
        "0000000d06000000010000400000004000",
        &Message::Request(block),
    );
    check(
        "0000000d08000000010000400000004000",
        &Message::Cancel(block),
    );
    check(
        "0000000d10000000010000400000004000",
        &Message::Reject(block),
    );
    check("000000010e", &Message::HaveAll);
    check("000000010f", &Message::HaveNone);
    check("000000050d00000005", &Message::Suggest(5));
    check("000000051100000005", &Message::AllowedFast(5));
    check("00000003091ae1", &Message::Port(6881));
    let done = Message::Extended {
        id: 3,
        payload: [1].into(),
    };
    check("00000003140301", &done);
}

#[test]
fn golden_v2() {
    let request = request();
    let header = "151a49a45d2844ff35d2f294368922a43fb4cee2322fe4a1a87187c89eff4423d3\
                  00000000000000000000000200000002";
    check(
        &format!("00000031{header}"),
        &Message::HashRequest(request.into()),
    );
    check(
        &format!("00000031{}", header.replacen("15", "17", 1)),
        &Message::HashReject(request.into()),
    );
    let hashes = Hashes {
        request,
        hashes: [[1; 32], [2; 32], [3; 32], [4; 32]].into(),
    };
    assert_eq!(request.hash_count(), Some(4));
    let bytes: String = [1, 2, 3, 4]
        .map(|byte| format!("{byte:02x}").repeat(32))
        .concat();
    check(
        &format!("000000b1{}{bytes}", header.replacen("15", "16", 1)),
        &Message::Hashes(hashes.into()),
    );
}

#[test]
fn messages_are_small_values() {
    assert!(size_of::<Message>() <= 24);
}

#[test]
fn the_payload_of_a_block_is_left_to_the_driver() {
    let block = RawBlock {
        piece: 9,
        begin: 0,
        length: 16_384,
    };
    let header = encode_piece_header(block);
    let mut decoder = Decoder::new(Limits::default());
    for length in 5..13 {
        assert_eq!(decoder.decode(&header[..length]), Ok(incomplete(13)));
    }
    let start = Decoded::BlockStart {
        block,
        consumed: 13,
    };
    assert_eq!(decoder.decode(&header), Ok(start));
    let empty = RawBlock { length: 0, ..block };
    assert_eq!(
        decoder.decode(&encode_piece_header(empty)),
        Ok(Decoded::BlockStart {
            block: empty,
            consumed: 13
        })
    );
}

#[test]
fn what_is_needed_is_said_exactly() {
    let bytes = unhex("0000000d06000000010000400000004000");
    let mut decoder = Decoder::new(Limits::default());
    let needed: Vec<_> = (0..17)
        .map(|length| match decoder.decode(&bytes[..length]) {
            Ok(Decoded::Incomplete { bytes_needed }) => bytes_needed,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(needed[..4], [4; 4]);
    assert_eq!(needed[4], 5);
    assert_eq!(needed[5..], [17; 12]);
}

#[test]
fn wrong_lengths_are_named() {
    for (bytes, error) in [
        ("0000000200", "choke message of 2 bytes, 1 expected"),
        ("0000000404", "have message of 4 bytes, 5 expected"),
        ("0000000e06", "request message of 14 bytes, 13 expected"),
        ("0000000807", "piece message of 8 bytes, at least 9 needed"),
        (
            "0000400a07",
            "piece message of 16394 bytes, at most 16393 allowed",
        ),
        (
            "0000000114",
            "extended message of 1 bytes, at least 2 needed",
        ),
        (
            "0004000205",
            "bitfield message of 262146 bytes, at most 262145 allowed",
        ),
        (
            "0010000263",
            "unknown message of 1048578 bytes, at most 1048577 allowed",
        ),
        (
            "ffffffff",
            "a message of 4294967295 bytes, at most 1048578 allowed",
        ),
        (
            "0000003216",
            "hashes message with 1 bytes of hashes, no multiple of 32",
        ),
    ] {
        let found = Decoder::new(Limits::default()).decode(&unhex(bytes));
        assert_eq!(found.unwrap_err().to_string(), error);
    }
}

/// Whatever it claims to be, and before anybody waits for more of it.
#[test]
fn no_message_is_four_gigabytes_long() {
    for id in 0..=u8::MAX {
        let mut decoder = Decoder::new(Limits::default());
        let begun = [0xff, 0xff, 0xff, 0xff, id];
        assert!(decoder.decode(&begun).is_err(), "id {id}");
        assert!(decoder.decode(&begun[..4]).is_err(), "without id");
    }
}

#[test]
fn limits_can_change_between_messages() {
    let mut decoder = Decoder::new(Limits::default());
    let bitfield = unhex("00000003058040");
    assert!(decoder.decode(&bitfield).is_ok());
    decoder.set_limits(Limits {
        bitfield: 1,
        ..decoder.limits()
    });
    assert_eq!(
        decoder.decode(&bitfield),
        Err(DecodeError::TooLong {
            message: "bitfield",
            length: 3,
            maximum: 2
        })
    );
    // The largest limits do not overflow.
    decoder.set_limits(Limits {
        bitfield: u32::MAX,
        extended: u32::MAX,
        block: u32::MAX,
        hashes: u32::MAX,
        unknown: u32::MAX,
    });
    assert_eq!(
        decoder.decode(&[0xff; 5]),
        Ok(Decoded::Message {
            message: Message::Unknown {
                id: 0xff,
                length: u32::MAX - 1
            },
            consumed: 5
        })
    );
}

#[test]
fn unknown_messages_pass_in_any_pieces() {
    // 18 is none of ours; 1000 bytes, then an unchoke.
    let mut stream = unhex("000003e912");
    stream.resize(5 + 1000, 0xee);
    stream.extend(unhex("0000000101"));
    let unknown = Message::Unknown {
        id: 18,
        length: 1000,
    };
    for size in [1, 4, 5, 6, 100, 1004, 1005, 1006, 2000] {
        let items = items(&stream, std::iter::repeat(size), Limits::default());
        let expected = [
            Item::Message(unknown.clone()),
            Item::Message(Message::Unchoke),
        ];
        assert_eq!(items, Ok(expected.to_vec()), "{size} bytes at a time");
    }
}

/// What a driver makes of a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Item {
    Message(Message),
    Block(RawBlock, Vec<u8>),
}

/// A driver that receives `sizes` bytes at a time. What is left incomplete at the end is dropped.
fn items(
    stream: &[u8],
    sizes: impl IntoIterator<Item = usize>,
    limits: Limits,
) -> Result<Vec<Item>, DecodeError> {
    let mut decoder = Decoder::new(limits);
    let (mut from, mut to) = (0, 0);
    let mut items = Vec::new();
    let mut payload: Option<(RawBlock, Vec<u8>)> = None;
    for size in sizes {
        loop {
            if let Some((block, mut bytes)) = payload.take() {
                let missing = block.length as usize - bytes.len();
                let here = missing.min(to - from);
                bytes.extend_from_slice(&stream[from..from + here]);
                from += here;
                if here < missing {
                    payload = Some((block, bytes));
                    break;
                }
                items.push(Item::Block(block, bytes));
            }
            match decoder.decode(&stream[from..to])? {
                Decoded::Message { message, consumed } => {
                    items.push(Item::Message(message));
                    from += consumed;
                }
                Decoded::BlockStart { block, consumed } => {
                    payload = Some((block, Vec::new()));
                    from += consumed;
                }
                Decoded::Skipped { consumed } => {
                    assert!(consumed > 0);
                    from += consumed;
                }
                Decoded::Incomplete { bytes_needed } => {
                    assert!(bytes_needed > to - from, "more is needed than there is");
                    break;
                }
            }
        }
        if to == stream.len() {
            break;
        }
        to = stream.len().min(to + size);
    }
    Ok(items)
}

proptest! {
    #[test]
    fn round_trip(messages in prop::collection::vec(message(), 0..20)) {
        let mut stream = Vec::new();
        for message in &messages {
            message.encode(&mut stream);
        }
        let expected: Vec<_> = messages.into_iter().map(Item::Message).collect();
        prop_assert_eq!(items(&stream, [stream.len(), 1], Limits::default()), Ok(expected));
    }

    /// What is read and written again is the same bytes: there is one form of each message.
    #[test]
    fn messages_have_one_form(id in 0_u8..24, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = (body.len() as u32 + 1).to_be_bytes().to_vec();
        bytes.push(id);
        bytes.extend_from_slice(&body);
        let decoded = Decoder::new(Limits::default()).decode(&bytes);
        if let Ok(Decoded::Message { message, consumed }) = decoded {
            prop_assert_eq!(consumed, bytes.len());
            if !matches!(message, Message::Unknown { .. }) {
                let mut again = Vec::new();
                message.encode(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }

    /// However the network cuts a stream, the same comes out; also if it is nonsense.
    #[test]
    fn any_split_decodes_the_same(
        stream in stream(),
        sizes in prop::collection::vec(1_usize..40, 1..20),
        unknown in 0_u32..300,
    ) {
        let limits = Limits { unknown, block: 100, ..Limits::default() };
        let whole = items(&stream, [stream.len(), 1], limits);
        let pieces = items(&stream, sizes.into_iter().cycle(), limits);
        prop_assert_eq!(whole.is_err(), pieces.is_err());
        if let (Ok(whole), Ok(pieces)) = (whole, pieces) {
            prop_assert_eq!(whole, pieces);
        }
    }
}

/// Messages, blocks, unknown ids and noise.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let encoded = message().prop_map(|message| {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        bytes
    });
    let block = prop::collection::vec(any::<u8>(), 0..100).prop_map(|payload| {
        let block = RawBlock {
            piece: 1,
            begin: 2,
            length: payload.len() as u32,
        };
        [&encode_piece_header(block)[..], &payload].concat()
    });
    let unknown = (24_u8.., prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(id, body)| {
        let length = (body.len() as u32 + 1).to_be_bytes();
        [&length[..], &[id], &body].concat()
    });
    let noise = prop::collection::vec(any::<u8>(), 0..10);
    let part = prop_oneof![4 => encoded, 2 => block, 2 => unknown, 1 => noise];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

fn message() -> impl Strategy<Value = Message> {
    let block = any::<[u32; 3]>().prop_map(|[piece, begin, length]| RawBlock {
        piece,
        begin,
        length,
    });
    let bytes = prop::collection::vec(any::<u8>(), 0..100);
    let hash_request =
        any::<([u8; 32], [u32; 4])>().prop_map(|(pieces_root, numbers)| HashRequest {
            pieces_root,
            base_layer: numbers[0],
            index: numbers[1],
            length: numbers[2],
            proof_layers: numbers[3],
        });
    let hashes = prop::collection::vec(any::<[u8; 32]>(), 0..10);
    prop_oneof![
        Just(Message::KeepAlive),
        Just(Message::Choke),
        Just(Message::Unchoke),
        Just(Message::Interested),
        Just(Message::NotInterested),
        any::<u32>().prop_map(Message::Have),
        bytes
            .clone()
            .prop_map(|bits| Message::Bitfield(bits.into())),
        block.clone().prop_map(Message::Request),
        block.clone().prop_map(Message::Cancel),
        any::<u16>().prop_map(Message::Port),
        any::<u32>().prop_map(Message::Suggest),
        Just(Message::HaveAll),
        Just(Message::HaveNone),
        block.prop_map(Message::Reject),
        any::<u32>().prop_map(Message::AllowedFast),
        (any::<u8>(), bytes).prop_map(|(id, payload)| Message::Extended {
            id,
            payload: payload.into()
        }),
        hash_request
            .clone()
            .prop_map(|request| Message::HashRequest(request.into())),
        (hash_request.clone(), hashes).prop_map(|(request, hashes)| {
            let hashes = hashes.into();
            Message::Hashes(Hashes { request, hashes }.into())
        }),
        hash_request.prop_map(|request| Message::HashReject(request.into())),
    ]
}

fn request() -> HashRequest {
    let root = unhex("1a49a45d2844ff35d2f294368922a43fb4cee2322fe4a1a87187c89eff4423d3");
    HashRequest {
        pieces_root: root.try_into().unwrap(),
        base_layer: 0,
        index: 0,
        length: 2,
        proof_layers: 2,
    }
}

/// Both ways, and nothing of what follows is taken.
fn check(hex: &str, message: &Message) {
    let bytes = unhex(hex);
    let mut encoded = Vec::new();
    message.encode(&mut encoded);
    assert_eq!(encoded, bytes, "{message:?}");
    let followed = [&bytes[..], &[0xff; 3]].concat();
    let expected = Decoded::Message {
        message: message.clone(),
        consumed: bytes.len(),
    };
    assert_eq!(
        Decoder::new(Limits::default()).decode(&followed),
        Ok(expected)
    );
}
