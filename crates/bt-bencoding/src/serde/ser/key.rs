use alloc::vec::Vec;

use serde_core::ser::{Impossible, Serialize, Serializer};

use super::super::{SerializeError, SerializeError::KeyNotString};
use crate::Encoder;

/// The place of a key, which must be a string; gives the length of its content.
pub(super) struct KeySerializer<'o>(pub(super) &'o mut Vec<u8>);

/// Of what is no string.
macro_rules! refuse {
    ($($method:ident($($kind:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $(_: $kind),*) -> Result<$ok, SerializeError> {
            Err(KeyNotString)
        }
    )*};
}

impl Serializer for KeySerializer<'_> {
    type Ok = usize;
    type Error = SerializeError;
    type SerializeSeq = Impossible<usize, SerializeError>;
    type SerializeTuple = Impossible<usize, SerializeError>;
    type SerializeTupleStruct = Impossible<usize, SerializeError>;
    type SerializeTupleVariant = Impossible<usize, SerializeError>;
    type SerializeMap = Impossible<usize, SerializeError>;
    type SerializeStruct = Impossible<usize, SerializeError>;
    type SerializeStructVariant = Impossible<usize, SerializeError>;

    fn serialize_bytes(self, key: &[u8]) -> Result<usize, SerializeError> {
        Encoder::new(self.0).bytes(key);
        Ok(key.len())
    }

    fn serialize_str(self, key: &str) -> Result<usize, SerializeError> {
        self.serialize_bytes(key.as_bytes())
    }

    fn serialize_char(self, key: char) -> Result<usize, SerializeError> {
        self.serialize_str(key.encode_utf8(&mut [0; 4]))
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<usize, SerializeError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        key: &T,
    ) -> Result<usize, SerializeError> {
        key.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, key: &T) -> Result<usize, SerializeError> {
        key.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<usize, SerializeError> {
        Err(KeyNotString)
    }

    refuse! {
        serialize_bool(bool) -> usize;
        serialize_i8(i8) -> usize;
        serialize_i16(i16) -> usize;
        serialize_i32(i32) -> usize;
        serialize_i64(i64) -> usize;
        serialize_i128(i128) -> usize;
        serialize_u8(u8) -> usize;
        serialize_u16(u16) -> usize;
        serialize_u32(u32) -> usize;
        serialize_u64(u64) -> usize;
        serialize_u128(u128) -> usize;
        serialize_f32(f32) -> usize;
        serialize_f64(f64) -> usize;
        serialize_none() -> usize;
        serialize_unit() -> usize;
        serialize_unit_struct(&'static str) -> usize;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize)
            -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize)
            -> Self::SerializeStructVariant;
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
