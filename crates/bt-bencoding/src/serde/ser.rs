use alloc::{string::ToString, vec::Vec};

use serde_core::ser::{self, Serialize};

use self::key::KeySerializer;
use super::{SerializeError, SerializeError::Unsupported, raw};
use crate::{
    Encoder,
    entries::{Entry, sort_entries},
};

mod key;

/// Writes a value in canonical form.
///
/// # Errors
/// If bencode has nothing for it, or a dictionary would have a key twice; see
/// [How types are written](super#how-types-are-written).
pub fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, SerializeError> {
    let mut out = Vec::new();
    append_to(&mut out, value)?;
    Ok(out)
}

/// Writes a value in canonical form behind what `out` holds.
///
/// # Errors
/// As for [`to_bytes`]; then `out` holds what it held before.
pub fn append_to<T: Serialize + ?Sized>(
    out: &mut Vec<u8>,
    value: &T,
) -> Result<(), SerializeError> {
    let start = out.len();
    let mut output = Output {
        out,
        entries: Vec::new(),
    };
    let result = value
        .serialize(Serializer::new(&mut output))
        .and_then(Written::or_fail);
    if result.is_err() {
        output.out.truncate(start);
    }
    result
}

/// What all serializers of one value write to.
struct Output<'o> {
    out: &'o mut Vec<u8>,
    /// Those of the dictionaries that are open, outermost first.
    entries: Vec<Entry>,
}

/// Whether there was anything to write.
enum Written {
    Value,
    /// A `None`.
    Nothing,
}

impl Written {
    fn or_fail(self) -> Result<(), SerializeError> {
        match self {
            Self::Value => Ok(()),
            Self::Nothing => Err(Unsupported("`None` outside of dictionaries")),
        }
    }
}

/// The place of one value.
struct Serializer<'a, 'o> {
    output: &'a mut Output<'o>,
    /// Whether bytes are written as they are, as one value.
    verbatim: bool,
}

impl<'a, 'o> Serializer<'a, 'o> {
    fn new(output: &'a mut Output<'o>) -> Self {
        Self {
            output,
            verbatim: false,
        }
    }

    fn integer(self, value: impl TryInto<i64>) -> Result<Written, SerializeError> {
        let value = value.try_into();
        let value = value.map_err(|_| SerializeError::IntegerOverflow)?;
        Encoder::new(self.output.out).int(value);
        Ok(Written::Value)
    }

    fn list(self, closing: &'static [u8]) -> ListSerializer<'a, 'o> {
        self.output.out.push(b'l');
        ListSerializer {
            output: self.output,
            closing,
        }
    }

    fn dict(self, closing: &'static [u8]) -> DictSerializer<'a, 'o> {
        self.output.out.push(b'd');
        DictSerializer {
            first_entry: self.output.entries.len(),
            output: self.output,
            closing,
        }
    }

    /// Begins the dictionary of one entry that stands for a variant with content.
    fn variant(&mut self, name: &str) {
        self.output.out.push(b'd');
        Encoder::new(self.output.out).bytes(name);
    }
}

impl<'a, 'o> ser::Serializer for Serializer<'a, 'o> {
    type Ok = Written;
    type Error = SerializeError;
    type SerializeSeq = ListSerializer<'a, 'o>;
    type SerializeTuple = ListSerializer<'a, 'o>;
    type SerializeTupleStruct = ListSerializer<'a, 'o>;
    type SerializeTupleVariant = ListSerializer<'a, 'o>;
    type SerializeMap = DictSerializer<'a, 'o>;
    type SerializeStruct = DictSerializer<'a, 'o>;
    type SerializeStructVariant = DictSerializer<'a, 'o>;

    fn serialize_i64(self, value: i64) -> Result<Written, SerializeError> {
        self.integer(value)
    }

    fn serialize_i128(self, value: i128) -> Result<Written, SerializeError> {
        self.integer(value)
    }

    fn serialize_u128(self, value: u128) -> Result<Written, SerializeError> {
        self.integer(value)
    }

    fn serialize_u64(self, value: u64) -> Result<Written, SerializeError> {
        self.integer(value)
    }

    fn serialize_bool(self, value: bool) -> Result<Written, SerializeError> {
        self.integer(u8::from(value))
    }

    fn serialize_i8(self, value: i8) -> Result<Written, SerializeError> {
        self.integer(value)
    }

    fn serialize_i16(self, value: i16) -> Result<Written, SerializeError> {
        self.integer(value)
    }

    fn serialize_i32(self, value: i32) -> Result<Written, SerializeError> {
        self.integer(value)
    }

    fn serialize_u8(self, value: u8) -> Result<Written, SerializeError> {
        self.integer(value)
    }

    fn serialize_u16(self, value: u16) -> Result<Written, SerializeError> {
        self.integer(value)
    }

    fn serialize_u32(self, value: u32) -> Result<Written, SerializeError> {
        self.integer(value)
    }

    fn serialize_f32(self, _: f32) -> Result<Written, SerializeError> {
        Err(Unsupported("floats"))
    }

    fn serialize_f64(self, _: f64) -> Result<Written, SerializeError> {
        Err(Unsupported("floats"))
    }

    fn serialize_char(self, value: char) -> Result<Written, SerializeError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<Written, SerializeError> {
        self.serialize_bytes(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Written, SerializeError> {
        let encoder = Encoder::new(self.output.out);
        if self.verbatim {
            encoder.raw(value);
        } else {
            encoder.bytes(value);
        }
        Ok(Written::Value)
    }

    fn serialize_none(self) -> Result<Written, SerializeError> {
        Ok(Written::Nothing)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Written, SerializeError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Written, SerializeError> {
        Err(Unsupported("units"))
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Written, SerializeError> {
        Err(Unsupported("units"))
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Written, SerializeError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Written, SerializeError> {
        value.serialize(Self {
            verbatim: name == raw::NAME,
            ..self
        })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Written, SerializeError> {
        self.variant(variant);
        let written = value.serialize(Serializer::new(self.output))?;
        written.or_fail()?;
        self.output.out.push(b'e');
        Ok(Written::Value)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Self::SerializeSeq, SerializeError> {
        Ok(self.list(b"e"))
    }

    fn serialize_tuple(self, _len: usize) -> Result<Self::SerializeTuple, SerializeError> {
        Ok(self.list(b"e"))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleStruct, SerializeError> {
        Ok(self.list(b"e"))
    }

    fn serialize_tuple_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleVariant, SerializeError> {
        self.variant(variant);
        Ok(self.list(b"ee"))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Self::SerializeMap, SerializeError> {
        Ok(self.dict(b"e"))
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStruct, SerializeError> {
        Ok(self.dict(b"e"))
    }

    fn serialize_struct_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStructVariant, SerializeError> {
        self.variant(variant);
        Ok(self.dict(b"ee"))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

struct ListSerializer<'a, 'o> {
    output: &'a mut Output<'o>,
    closing: &'static [u8],
}

impl ListSerializer<'_, '_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerializeError> {
        let written = value.serialize(Serializer::new(self.output))?;
        written.or_fail()
    }

    fn close(self) -> Written {
        self.output.out.extend_from_slice(self.closing);
        Written::Value
    }
}

struct DictSerializer<'a, 'o> {
    output: &'a mut Output<'o>,
    /// The place of our first one among the entries.
    first_entry: usize,
    closing: &'static [u8],
}

impl DictSerializer<'_, '_> {
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), SerializeError> {
        let start = self.output.out.len();
        let length = key.serialize(KeySerializer(self.output.out))?;
        let end = self.output.out.len();
        self.output.entries.push(Entry {
            start,
            key: end - length..end,
        });
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerializeError> {
        if let Written::Nothing = value.serialize(Serializer::new(self.output))? {
            let entry = self.output.entries.pop();
            let entry = entry.expect("holds because a key was written before the value");
            self.output.out.truncate(entry.start);
        }
        Ok(())
    }

    fn close(self) -> Result<Written, SerializeError> {
        let Output { out, entries } = self.output;
        if let Err(key) = sort_entries(out, &entries[self.first_entry..]) {
            let key = out[key].escape_ascii().to_string();
            return Err(SerializeError::RepeatedKey(key.into()));
        }
        entries.truncate(self.first_entry);
        out.extend_from_slice(self.closing);
        Ok(Written::Value)
    }
}

impl ser::SerializeSeq for ListSerializer<'_, '_> {
    type Ok = Written;
    type Error = SerializeError;

    fn serialize_element<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
    ) -> Result<(), SerializeError> {
        self.item(value)
    }

    fn end(self) -> Result<Written, SerializeError> {
        Ok(self.close())
    }
}

impl ser::SerializeTuple for ListSerializer<'_, '_> {
    type Ok = Written;
    type Error = SerializeError;

    fn serialize_element<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
    ) -> Result<(), SerializeError> {
        self.item(value)
    }

    fn end(self) -> Result<Written, SerializeError> {
        Ok(self.close())
    }
}

impl ser::SerializeTupleStruct for ListSerializer<'_, '_> {
    type Ok = Written;
    type Error = SerializeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerializeError> {
        self.item(value)
    }

    fn end(self) -> Result<Written, SerializeError> {
        Ok(self.close())
    }
}

impl ser::SerializeTupleVariant for ListSerializer<'_, '_> {
    type Ok = Written;
    type Error = SerializeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerializeError> {
        self.item(value)
    }

    fn end(self) -> Result<Written, SerializeError> {
        Ok(self.close())
    }
}

impl ser::SerializeMap for DictSerializer<'_, '_> {
    type Ok = Written;
    type Error = SerializeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), SerializeError> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerializeError> {
        self.value(value)
    }

    fn end(self) -> Result<Written, SerializeError> {
        self.close()
    }
}

impl ser::SerializeStruct for DictSerializer<'_, '_> {
    type Ok = Written;
    type Error = SerializeError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), SerializeError> {
        self.key(key)?;
        self.value(value)
    }

    fn end(self) -> Result<Written, SerializeError> {
        self.close()
    }
}

impl ser::SerializeStructVariant for DictSerializer<'_, '_> {
    type Ok = Written;
    type Error = SerializeError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), SerializeError> {
        self.key(key)?;
        self.value(value)
    }

    fn end(self) -> Result<Written, SerializeError> {
        self.close()
    }
}
