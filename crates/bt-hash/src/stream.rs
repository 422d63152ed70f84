use std::fmt;

use sha1::{Digest as _, Sha1};

/// The SHA-1 of a message that is never in memory as a whole.
///
/// For huge pieces that are read back from a disk in parts. Everything else is better given to a
/// [`Hasher`](crate::Hasher), which can hash several messages side by side.
///
/// ```
/// use bt_hash::{Sha1Stream, sha1};
///
/// let mut stream = Sha1Stream::new();
/// stream.update(b"in ");
/// stream.update(b"parts");
/// assert_eq!(stream.finish(), sha1(b"in parts"));
/// ```
#[derive(Clone, Default)]
pub struct Sha1Stream(Sha1);

impl Sha1Stream {
    /// The start of a message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the message, any number of them.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all that was taken.
    #[must_use]
    pub fn finish(self) -> [u8; 20] {
        self.0.finalize().into()
    }
}

/// The state says nothing to a reader.
impl fmt::Debug for Sha1Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sha1Stream")
    }
}
