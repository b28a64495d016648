//! Elements as the fields of the wire's types: what a field must be is said by the type that reads
//! it, as with JSON.

use super::misread;
use super::tree::{Element, is_blank};
use jiaoyi_app::biller::Misread;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};
use std::fmt;
use std::slice::Iter;
use std::str::FromStr;

/// What the elements of a list are called.
pub const ITEM: &str = "item";

/// Reads an element's fields.
pub fn read<T: DeserializeOwned>(element: &Element) -> Result<T, Misread> {
    T::deserialize(element).map_err(|wrong| wrong.0)
}

/// Why elements are not a type's fields.
#[derive(Debug)]
pub struct Wrong(Misread);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.field, self.0.message)
    }
}

impl std::error::Error for Wrong {}

impl Error for Wrong {
    fn custom<T: fmt::Display>(_: T) -> Wrong {
        // The text may hold what was sent.
        Wrong(misread("body", "not as documented"))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Wrong {
        Wrong(misread(field, "there is no such field"))
    }

    fn missing_field(field: &'static str) -> Wrong {
        Wrong(misread(field, "it is missing"))
    }

    fn duplicate_field(field: &'static str) -> Wrong {
        Wrong(misread(field, "it stands twice"))
    }
}

impl Element {
    fn wrong(&self, message: &str) -> Wrong {
        Wrong(misread(&self.name, message))
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.children.is_empty()
    }

    fn leaf(&self) -> Result<&str, Wrong> {
        match self.children.first() {
            None => Ok(&self.text),
            Some(inner) => Err(Wrong(misread(&inner.name, "there is no such field"))),
        }
    }

    /// A number in its shortest form, as JSON has it.
    fn number<N: FromStr + ToString>(&self) -> Result<N, Wrong> {
        let text = self.leaf()?;
        let number = text
            .parse()
            .ok()
            .filter(|number: &N| number.to_string() == text);
        number.ok_or_else(|| self.wrong("an integer without sign, point or leading zeros"))
    }

    fn inner(&self) -> Result<Iter<'_, Element>, Wrong> {
        match is_blank(&self.text) {
            true => Ok(self.children.iter()),
            false => Err(self.wrong("elements, not text")),
        }
    }
}

macro_rules! numbers {
    ($($name:ident $visit:ident)*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            visitor.$visit(self.number()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for &Element {
    type Error = Wrong;

    /// Where the type does not say what it wants: elements, or a text.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.children.first() {
            None if self.is_empty() => visitor.visit_unit(),
            None => visitor.visit_str(&self.text),
            Some(inner) if inner.name == ITEM => self.deserialize_seq(visitor),
            Some(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.leaf()? {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(self.wrong("true or false")),
        }
    }

    numbers! {
        deserialize_i16 visit_i16
        deserialize_i32 visit_i32
        deserialize_i64 visit_i64
        deserialize_u16 visit_u16
        deserialize_u32 visit_u32
        deserialize_u64 visit_u64
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_str(self.leaf()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.is_empty() {
            true => visitor.visit_none(),
            false => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_seq(Items(self.inner()?))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let fields = self.inner()?;
        visitor.visit_map(Fields {
            fields,
            value: None,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.deserialize_map(visitor)
    }

    serde::forward_to_deserialize_any! {
        i8 i128 u8 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct tuple
        tuple_struct enum identifier ignored_any
    }
}

/// The fields of an element, in the order in which they stand.
struct Fields<'e> {
    fields: Iter<'e, Element>,
    value: Option<&'e Element>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Wrong> {
        self.value = self.fields.next();
        let name = self.value.map(|field| field.name.as_str());
        name.map(|name| seed.deserialize(name.into_deserializer()))
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        match self.value.take() {
            Some(field) => seed.deserialize(field),
            None => Err(Wrong::custom("a value without its field")),
        }
    }
}

/// The elements of a list.
struct Items<'e>(Iter<'e, Element>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Wrong> {
        match self.0.next() {
            None => Ok(None),
            Some(item) if item.name == ITEM => seed.deserialize(item).map(Some),
            Some(other) => Err(other.wrong("a list has elements of the name item")),
        }
    }
}
