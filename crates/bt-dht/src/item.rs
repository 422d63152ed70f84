use std::fmt;

use bt_bencoding::{Document, Limits, Strict};
use sha1::{Digest, Sha1};

use crate::NodeId;

/// Something that is stored in the DHT (BEP 44): a bencoded value of at most [`MAX_VALUE`] bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Item {
    /// One that is found by its own hash.
    Immutable(ImmutableItem),
    /// One that is found by a key, and that who has the key can change.
    Mutable(MutableItem),
}

/// A value that is found by its own hash.
///
/// ```
/// use bt_dht::ImmutableItem;
/// let item = ImmutableItem::new(b"12:Hello World!".to_vec())?;
/// assert_eq!(item.target().to_string(), "e5f96f6f38320f0f33959cb4d3d656452117aadb");
/// # Ok::<(), bt_dht::ItemError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImmutableItem {
    value: Vec<u8>,
}

/// A value that is found by a public key and a salt, with a signature that fits them.
#[derive(Clone, Eq, PartialEq)]
pub struct MutableItem {
    name: ItemName,
    seq: i64,
    value: Vec<u8>,
    signature: [u8; 64],
}

/// What names a mutable item.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ItemName {
    /// The public key, ed25519.
    pub key: [u8; 32],
    /// Tells items of the same key apart; mostly empty, at most [`MAX_SALT`] bytes.
    pub salt: Vec<u8>,
}

/// Why something is no item.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ItemError {
    /// The value is too long.
    #[error("value of {0} bytes, at most {MAX_VALUE} allowed")]
    ValueTooBig(usize),
    /// The salt is too long.
    #[error("salt of {0} bytes, at most {MAX_SALT} allowed")]
    SaltTooBig(usize),
    /// The value is not bencode in canonical form.
    #[error("value is not canonical bencode: {0}")]
    Value(#[from] bt_bencoding::DecodeError),
    /// The number of the change is negative.
    #[error("seq {0} is negative")]
    NegativeSeq(i64),
    /// The signature is not that of key, salt, seq and value.
    #[error("the signature does not fit")]
    Signature,
}

impl Item {
    /// Where in the DHT it is found.
    #[must_use]
    pub fn target(&self) -> NodeId {
        match self {
            Self::Immutable(item) => item.target(),
            Self::Mutable(item) => item.name.target(),
        }
    }

    /// Its value, bencoded.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        match self {
            Self::Immutable(item) => &item.value,
            Self::Mutable(item) => &item.value,
        }
    }
}

impl ImmutableItem {
    /// One with this value.
    ///
    /// # Errors
    /// If that is too long, or not one bencoded value in canonical form.
    pub fn new(value: impl Into<Vec<u8>>) -> Result<Self, ItemError> {
        let value = value.into();
        check_value(&value)?;
        Ok(Self { value })
    }

    /// Where in the DHT it is found: the SHA-1 of its value.
    #[must_use]
    pub fn target(&self) -> NodeId {
        NodeId(Sha1::digest(&self.value).into())
    }

    /// Its value, bencoded.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

impl ItemName {
    /// Where in the DHT the item is found: the SHA-1 of key and salt.
    #[must_use]
    pub fn target(&self) -> NodeId {
        let hash = Sha1::new().chain_update(self.key).chain_update(&self.salt);
        NodeId(hash.finalize().into())
    }
}

impl MutableItem {
    /// One that somebody else has signed.
    ///
    /// # Errors
    /// If a part is too long, the value is not canonical, or the signature does not fit.
    #[cfg(feature = "mutable")]
    pub fn new(
        name: ItemName,
        seq: i64,
        value: impl Into<Vec<u8>>,
        signature: [u8; 64],
    ) -> Result<Self, ItemError> {
        let item = Self {
            name,
            seq,
            value: value.into(),
            signature,
        };
        item.check()?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&item.name.key);
        let key = key.map_err(|_| ItemError::Signature)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature);
        let is_valid = key.verify_strict(&item.signed_bytes(), &signature);
        is_valid.map_err(|_| ItemError::Signature)?;
        Ok(item)
    }

    /// One that we sign. `secret` is the seed of the key, 32 bytes (RFC 8032).
    ///
    /// ```
    /// use bt_dht::MutableItem;
    /// let item = MutableItem::sign(&[7; 32], "blog", 1, b"5:hello".to_vec())?;
    /// assert_eq!((item.seq(), item.value()), (1, &b"5:hello"[..]));
    /// assert_eq!(item.name().salt, b"blog");
    /// # Ok::<(), bt_dht::ItemError>(())
    /// ```
    ///
    /// # Errors
    /// If a part is too long, `seq` is negative, or the value is not canonical.
    #[cfg(feature = "mutable")]
    pub fn sign(
        secret: &[u8; 32],
        salt: impl Into<Vec<u8>>,
        seq: i64,
        value: impl Into<Vec<u8>>,
    ) -> Result<Self, ItemError> {
        use ed25519_dalek::Signer;
        let secret = ed25519_dalek::SigningKey::from_bytes(secret);
        let name = ItemName {
            key: secret.verifying_key().to_bytes(),
            salt: salt.into(),
        };
        let mut item = Self {
            name,
            seq,
            value: value.into(),
            signature: [0; 64],
        };
        item.check()?;
        item.signature = secret.sign(&item.signed_bytes()).to_bytes();
        Ok(item)
    }

    /// What names it.
    #[must_use]
    pub fn name(&self) -> &ItemName {
        &self.name
    }

    /// Grows with every change.
    #[must_use]
    pub fn seq(&self) -> i64 {
        self.seq
    }

    /// Its value, bencoded.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The signature of key over salt, seq and value.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    #[cfg(feature = "mutable")]
    fn check(&self) -> Result<(), ItemError> {
        if self.name.salt.len() > MAX_SALT {
            return Err(ItemError::SaltTooBig(self.name.salt.len()));
        }
        if self.seq < 0 {
            return Err(ItemError::NegativeSeq(self.seq));
        }
        check_value(&self.value)
    }

    /// BEP 44, "Signature": entries of a dictionary without the `d` and `e` around them; an empty
    /// salt is left out.
    #[cfg(feature = "mutable")]
    fn signed_bytes(&self) -> Vec<u8> {
        use bt_bencoding::Encoder;
        let mut out = Vec::with_capacity(self.value.len() + 128);
        if !self.name.salt.is_empty() {
            Encoder::new(&mut out).bytes("salt");
            Encoder::new(&mut out).bytes(&self.name.salt);
        }
        Encoder::new(&mut out).bytes("seq");
        Encoder::new(&mut out).int(self.seq);
        Encoder::new(&mut out).bytes("v");
        out.extend_from_slice(&self.value);
        out
    }
}

/// The value is shown escaped.
impl fmt::Debug for MutableItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MutableItem")
            .field("name", &self.name)
            .field("seq", &self.seq)
            .field("value", &self.value.escape_ascii().to_string())
            .finish_non_exhaustive()
    }
}

fn check_value(value: &[u8]) -> Result<(), ItemError> {
    if value.len() > MAX_VALUE {
        return Err(ItemError::ValueTooBig(value.len()));
    }
    Document::<Strict>::parse(value, Limits::new(VALUE_DEPTH, MAX_VALUE as u32))?;
    Ok(())
}

/// BEP 44: bytes of a value, bencoded.
pub const MAX_VALUE: usize = 1000;
/// BEP 44: bytes of a salt.
pub const MAX_SALT: usize = 64;
/// Within what a message may have.
const VALUE_DEPTH: u32 = 60;

#[cfg(feature = "mutable")]
#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        let digits: Vec<_> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let bytes = digits.chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).unwrap();
            u8::from_str_radix(pair, 16).unwrap()
        });
        bytes.collect::<Vec<_>>().try_into().unwrap()
    }

    fn name(key: &str, salt: &str) -> ItemName {
        ItemName {
            key: hex(key),
            salt: salt.into(),
        }
    }

    const KEY: &str = "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548";
    const HELLO: &[u8] = b"12:Hello World!";
    const PLAIN: &str = "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff\
        1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01";
    const SALTED: &str = "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d\
        df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08";

    /// BEP 44, "Test vectors". Its private key is in expanded form, which no interface takes, so
    /// they can be verified only.
    #[test]
    fn items_of_bep_44() {
        let plain = MutableItem::new(name(KEY, ""), 1, HELLO, hex(PLAIN)).unwrap();
        let target = "4a533d47ec9c7d95b1ad75f576cffc641853b750";
        assert_eq!(plain.name().target().to_string(), target);
        let salted = MutableItem::new(name(KEY, "foobar"), 1, HELLO, hex(SALTED)).unwrap();
        let target = "411eba73b6f087ca51a3795d9c8c938d365e32c1";
        assert_eq!(Item::Mutable(salted).target().to_string(), target);
        let immutable = Item::Immutable(ImmutableItem::new(HELLO).unwrap());
        let target = "e5f96f6f38320f0f33959cb4d3d656452117aadb";
        assert_eq!(immutable.target().to_string(), target);
    }

    /// Derived: by another implementation that reproduces the vectors of BEP 44; and BEP 46's.
    #[test]
    fn items_that_we_sign() {
        let secret = std::array::from_fn(|n| n as u8);
        let item = MutableItem::sign(&secret, "", 4, b"12:Hello world!").unwrap();
        assert_eq!(
            item.name().key,
            hex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")
        );
        let expected = "740d8b8ae38242dc1b8c5c417e506cece7614f54a9611fdf524ee8a684e4cfcf\
            93af37bfaa0173e488583009889cfdacdf0f557f261d7d2990914a8dd36fe409";
        assert_eq!(*item.signature(), hex(expected));
        let target = "fd81a6db64d6faf7f702c07971a82c25c1dc3c90";
        assert_eq!(item.name().target().to_string(), target);

        let mut value = b"d2:ih20:".to_vec();
        value.extend_from_slice(&[0xaa; 20]);
        value.push(b'e');
        let item = MutableItem::sign(&secret, "n", 0, value).unwrap();
        let expected = "19c0e087bbf2aa31f8c6013ebfb8bcba30f3aeb416ff8983e0ae02d88e7e9c85\
            a5210eda8b626436c69c833623cb85671aca70c0161d93c44b242e0259d0720a";
        assert_eq!(*item.signature(), hex(expected));
        let target = "a5700998b63f3177256e7650024d3d37f76f3838";
        assert_eq!(item.name().target().to_string(), target);

        let key = "8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e";
        for (salt, target) in [
            ("", "cc3f9d90b572172053626f9980ce261a850d050b"),
            ("n", "59ee7c2cb9b4f7eb1986ee2d18fd2fdb8a56554f"),
        ] {
            assert_eq!(name(key, salt).target().to_string(), target);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let check = |salt: &str, seq, value: &[u8]| {
            MutableItem::new(name(KEY, salt), seq, value, hex(PLAIN)).unwrap_err()
        };
        assert_eq!(check("x", 1, HELLO), ItemError::Signature);
        assert_eq!(check("", 2, HELLO), ItemError::Signature);
        assert_eq!(check("", 1, b"12:hello World!"), ItemError::Signature);
        assert_eq!(check("", -1, HELLO), ItemError::NegativeSeq(-1));
        assert_eq!(check(&"x".repeat(65), 1, HELLO), ItemError::SaltTooBig(65));
        let big = format!("998:{}", "x".repeat(998));
        assert_eq!(check("", 1, big.as_bytes()), ItemError::ValueTooBig(1002));
        for bad in [
            &b""[..],
            b"x",
            b"5:abc",
            b"d1:bi1e1:ai1ee",
            b"i01e",
            b"i1ei2e",
        ] {
            assert!(matches!(check("", 1, bad), ItemError::Value(_)), "{bad:?}");
        }
        assert!(ImmutableItem::new(format!("996:{}", "x".repeat(996))).is_ok());
        assert!(ImmutableItem::new(big).is_err());
        assert!(MutableItem::sign(&[1; 32], "x".repeat(64), 0, HELLO).is_ok());
        // A key that is none.
        let mut off_curve = name(KEY, "");
        off_curve.key = [2; 32];
        assert!(MutableItem::new(off_curve, 1, HELLO, hex(PLAIN)).is_err());
    }
}
