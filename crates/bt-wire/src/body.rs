use nom::{
    IResult, Parser,
    bytes::complete::take,
    combinator::{fail, rest, success},
    number::complete::{be_u8, be_u16, be_u32},
};

use crate::{HashRequest, Hashes, Message, RawBlock, message::id};

/// Reads what follows the id. Fails only if `body` has a length that [`Limits`](crate::Limits) refuse for it.
pub(crate) fn message(id: u8, body: &[u8]) -> IResult<&[u8], Message> {
    match id {
        id::CHOKE => success(Message::Choke).parse(body),
        id::UNCHOKE => success(Message::Unchoke).parse(body),
        id::INTERESTED => success(Message::Interested).parse(body),
        id::NOT_INTERESTED => success(Message::NotInterested).parse(body),
        id::HAVE => be_u32.map(Message::Have).parse(body),
        id::BITFIELD => rest
            .map(|bits| Message::Bitfield(Box::from(bits)))
            .parse(body),
        id::REQUEST => raw_block.map(Message::Request).parse(body),
        id::CANCEL => raw_block.map(Message::Cancel).parse(body),
        id::PORT => be_u16.map(Message::Port).parse(body),
        id::SUGGEST => be_u32.map(Message::Suggest).parse(body),
        id::HAVE_ALL => success(Message::HaveAll).parse(body),
        id::HAVE_NONE => success(Message::HaveNone).parse(body),
        id::REJECT => raw_block.map(Message::Reject).parse(body),
        id::ALLOWED_FAST => be_u32.map(Message::AllowedFast).parse(body),
        id::EXTENDED => extended.parse(body),
        id::HASH_REQUEST => hash_request
            .map(|request| Message::HashRequest(request.into()))
            .parse(body),
        id::HASHES => hashes
            .map(|hashes| Message::Hashes(hashes.into()))
            .parse(body),
        id::HASH_REJECT => hash_request
            .map(|request| Message::HashReject(request.into()))
            .parse(body),
        _ => fail().parse(body),
    }
}

/// The piece and the begin of a block, if so much is there.
pub(crate) fn piece_header(input: &[u8]) -> IResult<&[u8], (u32, u32)> {
    (be_u32, be_u32).parse(input)
}

fn raw_block(input: &[u8]) -> IResult<&[u8], RawBlock> {
    (be_u32, be_u32, be_u32)
        .map(|(piece, begin, length)| RawBlock {
            piece,
            begin,
            length,
        })
        .parse(input)
}

fn extended(input: &[u8]) -> IResult<&[u8], Message> {
    (be_u8, rest)
        .map(|(id, payload): (_, &[u8])| Message::Extended {
            id,
            payload: payload.into(),
        })
        .parse(input)
}

fn hash_request(input: &[u8]) -> IResult<&[u8], HashRequest> {
    (hash, be_u32, be_u32, be_u32, be_u32)
        .map(
            |(pieces_root, base_layer, index, length, proof_layers)| HashRequest {
                pieces_root,
                base_layer,
                index,
                length,
                proof_layers,
            },
        )
        .parse(input)
}

fn hashes(input: &[u8]) -> IResult<&[u8], Hashes> {
    let (mut input, request) = hash_request(input)?;
    let mut hashes = Vec::with_capacity(input.len() / 32);
    while !input.is_empty() {
        let (rest, hash) = hash(input)?;
        hashes.push(hash);
        input = rest;
    }
    let hashes = hashes.into();
    Ok((input, Hashes { request, hashes }))
}

fn hash(input: &[u8]) -> IResult<&[u8], [u8; 32]> {
    let (input, hash) = take(32_usize)(input)?;
    Ok((input, hash.try_into().expect("holds because 32 were taken")))
}
