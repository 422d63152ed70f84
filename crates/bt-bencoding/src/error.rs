/// Why bytes are no bencode, or not of the form asked for. The sender is to blame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("at byte {offset}: {kind}")]
pub struct DecodeError {
    /// Where, counted in bytes from the start of the input.
    pub offset: usize,
    /// What is wrong there.
    pub kind: DecodeErrorKind,
}

/// What is wrong with an input.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The input stops inside a value.
    #[error("the input ends inside a value")]
    UnexpectedEnd,
    /// No value begins with this byte.
    #[error("byte {0:#04x} begins no value")]
    UnexpectedByte(u8),
    /// Between `i` and `e` there is something other than digits, or nothing, or minus zero.
    #[error("malformed integer")]
    MalformedInteger,
    /// An integer of more than 64 bits.
    #[error("integer does not fit into 64 bits with sign")]
    IntegerOverflow,
    /// A string's length is not followed by a colon.
    #[error("malformed string length")]
    MalformedLength,
    /// A string claims more bytes than there are.
    #[error("string of {length} bytes, but {left} are left")]
    StringTooLong {
        /// Bytes claimed.
        length: u64,
        /// Bytes left behind the colon.
        left: usize,
    },
    /// The key of a dictionary is something other than a string.
    #[error("dictionary key is not a string")]
    KeyNotString,
    /// A dictionary ends behind a key.
    #[error("dictionary key has no value")]
    MissingValue,
    /// Whole-input parsing only: the value ends before the input does.
    #[error("{0} bytes follow the value")]
    TrailingBytes(usize),

    /// Strict only: an integer or a length begins with a needless zero.
    #[error("number has a leading zero")]
    LeadingZero,
    /// Strict only: a key is smaller than the one before it.
    #[error("dictionary keys are not sorted")]
    UnsortedKeys,
    /// Strict only: a key is equal to the one before it.
    #[error("dictionary key is repeated")]
    RepeatedKey,

    /// More lists and dictionaries inside one another than [`Limits::depth`](crate::Limits::depth).
    #[error("nested more than {0} deep")]
    TooDeep(u32),
    /// More values than [`Limits::tokens`](crate::Limits::tokens).
    #[error("more than {0} values")]
    TooManyTokens(u32),
    /// An input of 4 GiB or more.
    #[error("input of 4 GiB or more")]
    InputTooLong,
}
