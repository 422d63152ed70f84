use std::num::NonZeroU8;

use crate::Message;

mod handshake;
mod holepunch;
mod metadata;
mod pex;

pub use handshake::ExtendedHandshake;
pub use holepunch::{HolepunchError, HolepunchMessage};
pub use metadata::MetadataMessage;
pub use pex::{PexFlags, PexMessage, PexPeer};

/// The extensions that this crate speaks, each with a number of its own on every connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Extension {
    /// `ut_metadata`: the info dictionary from peers (BEP 9).
    Metadata,
    /// `ut_pex`: addresses of other peers (BEP 11).
    Pex,
    /// `ut_holepunch`: meeting through a third peer (BEP 55).
    Holepunch,
    /// `lt_donthave`: the opposite of `have` (BEP 54).
    DontHave,
    /// `upload_only`: the state that BEP 21 puts into the handshake, changed later (libtorrent,
    /// µTorrent).
    UploadOnly,
}

/// Which number stands for which extension, as one side has published in its handshakes.
///
/// Messages bear the numbers of the side that *receives* them.
///
/// ```
/// use bt_wire::{Extension, ExtensionIds};
/// let mut theirs = ExtensionIds::default().with(Extension::Pex, 1).with(Extension::Metadata, 2);
/// assert_eq!(theirs.get(Extension::Pex).map(u8::from), Some(1));
/// assert_eq!(theirs.find(2), Some(Extension::Metadata));
///
/// // A later handshake changes what it names; 0 disables.
/// theirs.update(ExtensionIds::default().with(Extension::Pex, 0));
/// assert_eq!(theirs.get(Extension::Pex), None);
/// assert_eq!(theirs.find(2), Some(Extension::Metadata));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct ExtensionIds {
    /// By [`Extension`]. `None` where nothing was said, 0 where it was disabled.
    ids: [Option<u8>; Extension::ALL.len()],
}

/// A message of one of the [`Extension`]s: what [`Message::Extended`] carries under an id that
/// its receiver has published.
///
/// ```
/// use bt_wire::{Extension, ExtendedMessage, Message};
/// let payload = [0, 0, 0, 7];
/// let message = ExtendedMessage::decode(Extension::DontHave, &payload)?;
/// assert_eq!(message, ExtendedMessage::DontHave(7));
///
/// let id = 9.try_into().unwrap(); // as the peer asked for
/// assert_eq!(message.to_message(id), Message::Extended { id: 9, payload: payload.into() });
/// # Ok::<(), bt_wire::ExtendedError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ExtendedMessage {
    /// Of [`Extension::Metadata`].
    Metadata(MetadataMessage),
    /// Of [`Extension::Pex`].
    Pex(PexMessage),
    /// Of [`Extension::Holepunch`].
    Holepunch(HolepunchMessage),
    /// Of [`Extension::DontHave`]: the sender no longer has this piece.
    DontHave(u32),
    /// Of [`Extension::UploadOnly`]: whether the sender will not download any more.
    UploadOnly(bool),
}

/// Why the payload of an extended message cannot be used: the peer broke the protocol. The
/// stream is still good; other clients ignore such a message, or drop the peer if there are many.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtendedError {
    /// It does not begin with bencode.
    #[error("malformed bencode in an extended message")]
    Bencode(#[from] bt_bencoding::DecodeError),
    /// It begins with bencode of another kind.
    #[error("an extended message is not a dictionary")]
    NotADictionary,
    /// A key that the message cannot do without is missing, or its value makes no sense.
    #[error("no usable \"{0}\" in an extended message")]
    Key(&'static str),
    /// It is too short.
    #[error("{message} message of {length} bytes, at least {minimum} needed")]
    TooShort {
        /// The extension's name in its BEP.
        message: &'static str,
        /// Bytes of payload.
        length: usize,
        /// Bytes needed.
        minimum: usize,
    },
    /// A holepunch message is none of the three kinds.
    #[error("holepunch message of type {0}")]
    HolepunchType(u8),
    /// A holepunch message has an address that is neither IPv4 nor IPv6.
    #[error("holepunch message with address type {0}")]
    AddressType(u8),
}

impl Extension {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Metadata,
        Self::Pex,
        Self::Holepunch,
        Self::DontHave,
        Self::UploadOnly,
    ];

    /// What it is called in the handshake's `m`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metadata => "ut_metadata",
            Self::Pex => "ut_pex",
            Self::Holepunch => "ut_holepunch",
            Self::DontHave => "lt_donthave",
            Self::UploadOnly => "upload_only",
        }
    }

    fn from_name(name: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|extension| extension.name().as_bytes() == name)
    }
}

impl ExtensionIds {
    /// With `id` for `extension`, and no longer for another; 0 disables it.
    #[must_use]
    pub fn with(mut self, extension: Extension, id: u8) -> Self {
        self.set(extension, id);
        self
    }

    /// The number to use in messages to the side that published these; `None` if it does not
    /// speak the extension.
    #[must_use]
    pub fn get(&self, extension: Extension) -> Option<NonZeroU8> {
        self.ids[extension as usize].and_then(NonZeroU8::new)
    }

    /// The extension of a message to the side that published these.
    #[must_use]
    pub fn find(&self, id: u8) -> Option<Extension> {
        let mut all = Extension::ALL.into_iter();
        all.find(|extension| self.get(*extension).is_some_and(|known| known.get() == id))
    }

    /// Takes what a later handshake of the same side says (BEP 10: handshakes are additive).
    pub fn update(&mut self, later: Self) {
        for (extension, id) in later.entries() {
            self.set(extension, id);
        }
    }

    /// Those about which something was said, 0 for disabled ones.
    fn entries(self) -> impl Iterator<Item = (Extension, u8)> {
        let all = Extension::ALL.into_iter();
        all.filter_map(move |extension| Some((extension, self.ids[extension as usize]?)))
    }

    /// Of two names for one id the last wins; the other would be taken for it.
    fn set(&mut self, extension: Extension, id: u8) {
        for other in self.ids.iter_mut().flatten().filter(|other| **other == id) {
            *other = 0;
        }
        self.ids[extension as usize] = Some(id);
    }
}

impl ExtendedMessage {
    /// Reads the payload of a message of `extension`; see [`ExtensionIds::find`].
    ///
    /// Keys and bytes that the BEPs do not know are ignored.
    ///
    /// # Errors
    /// If it makes no sense.
    pub fn decode(extension: Extension, payload: &[u8]) -> Result<Self, ExtendedError> {
        Ok(match extension {
            Extension::Metadata => Self::Metadata(MetadataMessage::decode(payload)?),
            Extension::Pex => Self::Pex(PexMessage::decode(payload)?),
            Extension::Holepunch => Self::Holepunch(HolepunchMessage::decode(payload)?),
            Extension::DontHave => match payload.first_chunk() {
                Some(piece) => Self::DontHave(u32::from_be_bytes(*piece)),
                None => return Err(too_short(extension, payload, 4)),
            },
            Extension::UploadOnly => match payload.first() {
                Some(value) => Self::UploadOnly(*value != 0),
                None => return Err(too_short(extension, payload, 1)),
            },
        })
    }

    /// Whose message it is.
    #[must_use]
    pub fn extension(&self) -> Extension {
        match self {
            Self::Metadata(_) => Extension::Metadata,
            Self::Pex(_) => Extension::Pex,
            Self::Holepunch(_) => Extension::Holepunch,
            Self::DontHave(_) => Extension::DontHave,
            Self::UploadOnly(_) => Extension::UploadOnly,
        }
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Metadata(message) => message.encode(out),
            Self::Pex(message) => message.encode(out),
            Self::Holepunch(message) => message.encode(out),
            Self::DontHave(piece) => out.extend_from_slice(&piece.to_be_bytes()),
            Self::UploadOnly(value) => out.push(u8::from(*value)),
        }
    }

    /// The message to send under the `id` that the peer has chosen; see [`ExtensionIds::get`].
    #[must_use]
    pub fn to_message(&self, id: NonZeroU8) -> Message {
        let mut payload = Vec::new();
        self.encode(&mut payload);
        Message::Extended {
            id: id.get(),
            payload: payload.into(),
        }
    }
}

fn too_short(extension: Extension, payload: &[u8], minimum: usize) -> ExtendedError {
    ExtendedError::TooShort {
        message: extension.name(),
        length: payload.len(),
        minimum,
    }
}

/// Extended messages are small and flat. An `m` of a hundred names, and whatever else clients put
/// there, stay well below; a megabyte of `le` stays out.
const BENCODE_LIMITS: bt_bencoding::Limits = bt_bencoding::Limits::new(8, 1024);

#[cfg(test)]
mod tests;
