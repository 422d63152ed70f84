use std::fmt;

use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// Which hash a message needs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Algorithm {
    /// 20 bytes: pieces and info dictionaries of v1 torrents (BEP 3).
    Sha1,
    /// 32 bytes: blocks and info dictionaries of v2 torrents (BEP 52).
    Sha256,
}

/// The hash of a message.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub enum Digest {
    /// By [`Algorithm::Sha1`].
    Sha1([u8; 20]),
    /// By [`Algorithm::Sha256`].
    Sha256([u8; 32]),
}

impl Digest {
    /// The bytes: 20 or 32.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha1(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
        }
    }

    /// Which hash it is.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha1(_) => Algorithm::Sha1,
            Self::Sha256(_) => Algorithm::Sha256,
        }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(", self.algorithm())?;
        self.as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, ")")
    }
}

/// The SHA-1 of one message that lies in one slice.
///
/// For info dictionaries and single blocks; pieces are better given to a
/// [`Hasher`](crate::Hasher), many at a time.
#[must_use]
pub fn sha1(message: &[u8]) -> [u8; 20] {
    Sha1::digest(message).into()
}

/// The SHA-256 of one message that lies in one slice; see [`sha1()`].
#[must_use]
pub fn sha256(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}

/// The hash of `parts` as one message.
pub(crate) fn digest_parts<B: AsRef<[u8]>>(algorithm: Algorithm, parts: &[B]) -> Digest {
    match algorithm {
        Algorithm::Sha1 => Digest::Sha1(over_parts::<Sha1, B>(parts).into()),
        Algorithm::Sha256 => Digest::Sha256(over_parts::<Sha256, B>(parts).into()),
    }
}

fn over_parts<D: sha1::Digest, B: AsRef<[u8]>>(parts: &[B]) -> sha1::digest::Output<D> {
    let mut state = D::new();
    for part in parts {
        state.update(part);
    }
    state.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4, examples published by NIST; the last one is a million times `a`.
    #[test]
    fn fips_examples() {
        let long = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        check(
            b"",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        );
        check(
            b"abc",
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        );
        check(
            long,
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        );
        check(
            &vec![b'a'; 1_000_000],
            "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        );
    }

    #[test]
    fn digests_print_as_hex() {
        let text = format!("{:?}", Digest::Sha1(sha1(b"abc")));
        assert_eq!(text, "Sha1(a9993e364706816aba3e25717850c26c9cd0d89d)");
    }

    fn check(message: &[u8], expected_sha1: &str, expected_sha256: &str) {
        assert_eq!(hex(&sha1(message)), expected_sha1);
        assert_eq!(hex(&sha256(message)), expected_sha256);
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
