use std::ops::RangeInclusive;

use bt_types::BLOCK_LENGTH;

use crate::{
    Message, RawBlock, body,
    message::{PIECE_HEADER_LENGTH, PIECE_OVERHEAD, id},
};

/// Cuts the stream of one peer into messages.
///
/// It holds no bytes: the driver keeps what it has received, shows it, and drops what was
/// `consumed`. The payload of blocks never passes through here, so that it can be read from the
/// socket straight to where it belongs.
///
/// ```
/// use bt_wire::{Decoded, Decoder, Limits, Message, RawBlock};
///
/// let mut decoder = Decoder::new(Limits::default());
/// let mut buffer: &[u8] = b"\0\0\0\x01\x01\0\0\0\x0c\x07\0\0\0\x05\0\0\x40\0abc\0\0";
/// let (mut messages, mut blocks) = (Vec::new(), Vec::new());
/// loop {
///     match decoder.decode(buffer)? {
///         Decoded::Message { message, consumed } => {
///             messages.push(message);
///             buffer = &buffer[consumed..];
///         }
///         Decoded::BlockStart { block, consumed } => {
///             // A driver takes what it has of the payload, and reads the rest past the decoder.
///             let (payload, rest) = buffer[consumed..].split_at(block.length as usize);
///             blocks.push((block, payload));
///             buffer = rest;
///         }
///         Decoded::Skipped { consumed } => buffer = &buffer[consumed..],
///         Decoded::Incomplete { bytes_needed } => {
///             // Here a driver reads more, until it has `bytes_needed` at least.
///             assert_eq!((buffer.len(), bytes_needed), (2, 4));
///             break;
///         }
///     }
/// }
/// assert_eq!(messages, [Message::Unchoke]);
/// let block = RawBlock { piece: 5, begin: 16_384, length: 3 };
/// assert_eq!(blocks, [(block, &b"abc"[..])]);
/// # Ok::<(), bt_wire::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Decoder {
    limits: Limits,
    /// What is still to come of the body of an unknown message.
    skip: usize,
}

/// How long messages may be. What is longer is refused when its first five bytes are there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of a bitfield. Once the metadata is known, an eighth of the number of pieces; the
    /// default suits the largest torrent that this family of crates accepts.
    pub bitfield: u32,
    /// Bytes of an extended message behind its id. By default 1 MiB, as in libtorrent.
    pub extended: u32,
    /// Bytes of a block. By default 16 KiB; more must have been requested, and 128 KiB is what
    /// other clients bear at most.
    pub block: u32,
    /// Hashes in one message. By default the 512 that BEP 52 allows to ask for, and a proof.
    pub hashes: u32,
    /// Bytes of a message that we do not know. They cost no memory.
    pub unknown: u32,
}

/// What [`Decoder::decode`] found at the start of the input.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decoded {
    /// The beginning of a message, good so far: call again with the same bytes and more.
    Incomplete {
        /// How long the input must be, counted from its start, for the next step. Within the
        /// [`Limits`], and yet a number that the peer chose: let buffers grow with what arrives.
        bytes_needed: usize,
    },
    /// A message.
    Message {
        /// It.
        message: Message,
        /// How many bytes of the input to drop.
        consumed: usize,
    },
    /// The header of a `piece` message. The next `block.length` bytes of the stream are payload:
    /// they are for the driver to take, and must not be shown to the decoder.
    BlockStart {
        /// Which bytes of the torrent follow, as the peer says. 0 bytes are how BitComet rejects
        /// a request.
        block: RawBlock,
        /// How many bytes of the input to drop: 13.
        consumed: usize,
    },
    /// More of the body of a message that was reported as [`Message::Unknown`].
    Skipped {
        /// How many bytes of the input to drop.
        consumed: usize,
    },
}

/// Why the stream cannot be followed any further: the peer broke the protocol. Close the
/// connection; there is no way to find the next message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A message of a fixed size has another.
    #[error("{message} message of {length} bytes, {expected} expected")]
    Length {
        /// The message's name in its BEP.
        message: &'static str,
        /// The length prefix.
        length: u32,
        /// The only right one.
        expected: u32,
    },
    /// A message of variable size has no room for what it must hold.
    #[error("{message} message of {length} bytes, at least {minimum} needed")]
    TooShort {
        /// The message's name in its BEP.
        message: &'static str,
        /// The length prefix.
        length: u32,
        /// The least right one.
        minimum: u32,
    },
    /// A message is longer than the [`Limits`] allow.
    #[error("{message} message of {length} bytes, at most {maximum} allowed")]
    TooLong {
        /// The message's name in its BEP; "a" if its id has not arrived.
        message: &'static str,
        /// The length prefix.
        length: u32,
        /// The largest allowed.
        maximum: u32,
    },
    /// The hashes in a `hashes` message are cut off.
    #[error("hashes message with {length} bytes of hashes, no multiple of 32")]
    PartialHash {
        /// The bytes behind the request.
        length: u32,
    },
}

impl Decoder {
    /// A decoder for the stream that follows a handshake.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, skip: 0 }
    }

    /// How long messages may be.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Changes how long messages may be, beginning with the next: when the metadata has become
    /// known.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Looks at the start of `input`, which may hold a part of a message, or many.
    ///
    /// # Errors
    /// As soon as the length prefix and the id show a message that breaks the rules, before the
    /// rest of it is there. Nothing has changed then; the same input gives the same error.
    pub fn decode(&mut self, input: &[u8]) -> Result<Decoded, DecodeError> {
        if self.skip > 0 {
            return Ok(self.skip(input));
        }
        let Some((prefix, input)) = input.split_first_chunk() else {
            return Ok(incomplete(PREFIX_LENGTH));
        };
        let length = u32::from_be_bytes(*prefix);
        if length == 0 {
            return Ok(Decoded::Message {
                message: Message::KeepAlive,
                consumed: PREFIX_LENGTH,
            });
        }
        let Some((&id, input)) = input.split_first() else {
            self.limits.check_without_id(length)?;
            return Ok(incomplete(PREFIX_LENGTH + 1));
        };
        self.limits.check(id, length)?;

        let body_length = length as usize - 1;
        let consumed = PREFIX_LENGTH + 1 + body_length;
        match id {
            id::PIECE => Ok(match body::piece_header(input) {
                Ok((_, (piece, begin))) => Decoded::BlockStart {
                    block: RawBlock {
                        piece,
                        begin,
                        length: length - PIECE_OVERHEAD,
                    },
                    consumed: PIECE_HEADER_LENGTH,
                },
                Err(_) => incomplete(PIECE_HEADER_LENGTH),
            }),
            _ if id::name(id).is_none() => {
                let here = body_length.min(input.len());
                self.skip = body_length - here;
                Ok(Decoded::Message {
                    message: Message::Unknown {
                        id,
                        length: length - 1,
                    },
                    consumed: consumed - self.skip,
                })
            }
            _ => match input.get(..body_length) {
                Some(body) => {
                    let (_, message) =
                        body::message(id, body).expect("holds because the length was checked");
                    Ok(Decoded::Message { message, consumed })
                }
                None => Ok(incomplete(consumed)),
            },
        }
    }

    fn skip(&mut self, input: &[u8]) -> Decoded {
        if input.is_empty() {
            return incomplete(1);
        }
        let consumed = self.skip.min(input.len());
        self.skip -= consumed;
        Decoded::Skipped { consumed }
    }
}

impl Limits {
    /// What the length prefix may be for a message with this id, which it counts.
    fn lengths(&self, id: u8) -> RangeInclusive<u32> {
        match id {
            id::CHOKE | id::UNCHOKE | id::INTERESTED | id::NOT_INTERESTED => 1..=1,
            id::HAVE_ALL | id::HAVE_NONE => 1..=1,
            id::PORT => 3..=3,
            id::HAVE | id::SUGGEST | id::ALLOWED_FAST => 5..=5,
            id::REQUEST | id::CANCEL | id::REJECT => 13..=13,
            id::HASH_REQUEST | id::HASH_REJECT => 49..=49,
            id::BITFIELD => 1..=self.bitfield.saturating_add(1),
            id::PIECE => PIECE_OVERHEAD..=self.block.saturating_add(PIECE_OVERHEAD),
            id::EXTENDED => 2..=self.extended.saturating_add(2),
            id::HASHES => 49..=self.hashes.saturating_mul(32).saturating_add(49),
            _ => 1..=self.unknown.saturating_add(1),
        }
    }

    fn check(&self, id: u8, length: u32) -> Result<(), DecodeError> {
        let (minimum, maximum) = self.lengths(id).into_inner();
        if (minimum..=maximum).contains(&length) {
            return match (length - minimum) % 32 {
                1.. if id == id::HASHES => Err(DecodeError::PartialHash {
                    length: length - minimum,
                }),
                _ => Ok(()),
            };
        }
        let message = id::name(id).unwrap_or("unknown");
        Err(if minimum == maximum {
            DecodeError::Length {
                message,
                length,
                expected: minimum,
            }
        } else if length < minimum {
            DecodeError::TooShort {
                message,
                length,
                minimum,
            }
        } else {
            DecodeError::TooLong {
                message,
                length,
                maximum,
            }
        })
    }

    /// Refuses what is too long for any message, so that nobody waits for its id.
    fn check_without_id(&self, length: u32) -> Result<(), DecodeError> {
        // The others have fixed lengths, all of them shorter than the shortest `hashes`.
        let variable = [id::BITFIELD, id::PIECE, id::EXTENDED, id::HASHES, UNKNOWN];
        let maximum = variable
            .map(|id| *self.lengths(id).end())
            .into_iter()
            .fold(0, u32::max);
        if length > maximum {
            return Err(DecodeError::TooLong {
                message: "a",
                length,
                maximum,
            });
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bitfield: 0x20_0000 / 8,
            extended: 1 << 20,
            block: BLOCK_LENGTH,
            hashes: 512 + 32,
            unknown: 1 << 20,
        }
    }
}

fn incomplete(bytes_needed: usize) -> Decoded {
    Decoded::Incomplete { bytes_needed }
}

/// BEP 3: four bytes, which count the id and the body.
const PREFIX_LENGTH: usize = 4;
/// A number without a message.
const UNKNOWN: u8 = 0xff;

#[cfg(test)]
mod tests;
