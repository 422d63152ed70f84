use serde_core::de::{
    DeserializeSeed, Deserializer as _, EnumAccess, Error as _, Unexpected, VariantAccess, Visitor,
};

use super::{DeserializeError, Deserializer, key::Key};
use crate::Mode;

/// An enum that is a string: its variant's name.
pub(super) struct UnitVariant<'de>(pub(super) &'de [u8]);

impl<'de> EnumAccess<'de> for UnitVariant<'de> {
    type Error = DeserializeError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), Self::Error> {
        Ok((seed.deserialize(Key(self.0))?, self))
    }
}

impl UnitVariant<'_> {
    fn lacks_content<T>(expected: &str) -> Result<T, DeserializeError> {
        Err(DeserializeError::invalid_type(
            Unexpected::UnitVariant,
            &expected,
        ))
    }
}

impl<'de> VariantAccess<'de> for UnitVariant<'de> {
    type Error = DeserializeError;

    fn unit_variant(self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        _seed: S,
    ) -> Result<S::Value, Self::Error> {
        Self::lacks_content("a variant with a value")
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _len: usize,
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        Self::lacks_content("a variant with values")
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        Self::lacks_content("a variant with fields")
    }
}

/// An enum that is a dictionary of one entry: from its variant's name to its content.
pub(super) struct Variant<'d, 'de, M: Mode>(pub(super) &'d mut Deserializer<'de, M>);

impl<'de, M: Mode> EnumAccess<'de> for Variant<'_, 'de, M> {
    type Error = DeserializeError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), Self::Error> {
        let Some(name) = self.0.key(&mut None)? else {
            let expected = &"the name of a variant";
            return Err(DeserializeError::invalid_length(0, expected));
        };
        let variant = seed.deserialize(Key(name))?;
        Ok((variant, self))
    }
}

impl<'de, M: Mode> VariantAccess<'de> for Variant<'_, 'de, M> {
    type Error = DeserializeError;

    fn unit_variant(self) -> Result<(), Self::Error> {
        Err(self.0.unexpected(&"a variant without content"))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, Self::Error> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.deserialize_map(visitor)
    }
}
