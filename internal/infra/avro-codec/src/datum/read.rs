use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::DatumError;
use super::input::Input;
use super::layout::{Field, Layout, Node, Place};

/// How deep values may lie in each other. A schema may hold itself, and a datum of a few bytes could else nest for ever.
const DEPTH_MAX: u32 = 128;

/// Reads one datum, no more and no less.
///
/// # Errors
/// When the bytes are not of this layout, or the value that is read refuses what they hold.
pub(crate) fn read<'de, T: DeserializeSeed<'de>>(
    layout: &Layout,
    datum: &'de [u8],
    seed: T,
) -> Result<T::Value, DatumError> {
    let mut input = Input::new(datum);
    let value = seed.deserialize(Reader { layout, place: 0, depth: 0, input: &mut input })?;
    if input.is_empty() { Ok(value) } else { Err(DatumError::new("bytes are left after its end")) }
}

/// Reads the value at a place of the layout.
struct Reader<'l, 'i, 'de> {
    layout: &'l Layout,
    place: Place,
    depth: u32,
    input: &'i mut Input<'de>,
}

impl<'l, 'de> Reader<'l, '_, 'de> {
    /// The value at `place`, which lies in this one.
    #[inline]
    fn inner(&mut self, place: Place) -> Result<Reader<'l, '_, 'de>, DatumError> {
        if self.depth >= DEPTH_MAX {
            return Err(DatumError::new(format!("its values lie more than {DEPTH_MAX} deep in each other")));
        }
        Ok(Reader { layout: self.layout, place, depth: self.depth + 1, input: self.input })
    }

    #[inline]
    fn node(&self) -> &'l Node {
        self.layout.node(self.place)
    }

    fn skip(mut self) -> Result<(), DatumError> {
        match self.node() {
            Node::Null => {}
            Node::Boolean => drop(self.input.boolean()?),
            Node::Int | Node::Long | Node::Enum(_) => drop(self.input.long()?),
            Node::Float => drop(self.input.array::<4>()?),
            Node::Double => drop(self.input.array::<8>()?),
            Node::Bytes | Node::String | Node::Decimal { width: None, .. } => drop(self.input.bytes()?),
            Node::Fixed(width) | Node::Decimal { width: Some(width), .. } => drop(self.input.take(*width)?),
            Node::Union(branches) => {
                let place = self.input.branch(branches)?.place;
                self.inner(place)?.skip()?;
            }
            Node::Record(fields) => {
                for field in fields {
                    self.inner(field.place)?.skip()?;
                }
            }
            Node::Array(item) => self.skip_blocks(false, *item)?,
            Node::Map(value) => self.skip_blocks(true, *value)?,
        }
        Ok(())
    }

    fn skip_blocks(&mut self, has_keys: bool, place: Place) -> Result<(), DatumError> {
        loop {
            match self.input.block()? {
                (0, _) => return Ok(()),
                (_, Some(bytes)) => drop(self.input.take(bytes)?),
                (count, None) => {
                    for _ in 0..count {
                        if has_keys {
                            self.input.bytes()?;
                        }
                        self.inner(place)?.skip()?;
                    }
                }
            }
        }
    }

    fn record<V: Visitor<'de>>(mut self, fields: &'l [Field], visitor: V) -> Result<V::Value, DatumError> {
        let mut access = Fields { rest: fields.iter(), value: None, reader: &mut self };
        let value = visitor.visit_map(&mut access)?;
        // What the visitor did not ask for still lies before whatever follows.
        while let Some(field) = access.value.take().or_else(|| access.rest.next().map(|field| field.place)) {
            access.reader.inner(field)?.skip()?;
        }
        Ok(value)
    }

    fn blocks<V: Visitor<'de>>(
        mut self,
        place: Place,
        is_map: bool,
        visitor: V,
    ) -> Result<V::Value, DatumError> {
        let mut access = Blocks { reader: &mut self, place, left: 0, is_over: false };
        let value = if is_map { visitor.visit_map(&mut access)? } else { visitor.visit_seq(&mut access)? };
        if access.advance()? {
            return Err(DatumError::new("a list was not read to its end"));
        }
        Ok(value)
    }
}

impl<'de> Deserializer<'de> for Reader<'_, '_, 'de> {
    type Error = DatumError;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, DatumError> {
        match self.node() {
            Node::Null => visitor.visit_unit(),
            Node::Boolean => visitor.visit_bool(self.input.boolean()?),
            Node::Int => visitor.visit_i32(self.input.int()?),
            Node::Long => visitor.visit_i64(self.input.long()?),
            Node::Float => visitor.visit_f32(f32::from_le_bytes(self.input.array()?)),
            Node::Double => visitor.visit_f64(f64::from_le_bytes(self.input.array()?)),
            Node::Bytes => visitor.visit_borrowed_bytes(self.input.bytes()?),
            Node::String => visitor.visit_borrowed_str(self.input.text()?),
            Node::Fixed(width) => visitor.visit_borrowed_bytes(self.input.take(*width)?),
            Node::Enum(symbols) => visitor.visit_str(self.input.symbol(symbols)?),
            Node::Decimal { scale, width, .. } => visitor.visit_string(self.input.decimal(*scale, *width)?),
            Node::Array(item) => self.blocks(*item, false, visitor),
            Node::Map(value) => self.blocks(*value, true, visitor),
            Node::Record(fields) => self.record(fields, visitor),
            Node::Union(branches) => {
                let place = self.input.branch(branches)?.place;
                self.inner(place)?.deserialize_any(visitor)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, DatumError> {
        let place = match self.node() {
            Node::Union(branches) => self.input.branch(branches)?.place,
            _ => self.place,
        };
        match self.layout.node(place) {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self.inner(place)?),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DatumError> {
        match self.node() {
            Node::Union(branches) => {
                let branch = self.input.branch(branches)?;
                visitor.visit_enum(Variant { name: &branch.name, value: self.inner(branch.place)? })
            }
            Node::Enum(symbols) => {
                let symbol: StrDeserializer<'_, DatumError> =
                    StrDeserializer::new(self.input.symbol(symbols)?);
                visitor.visit_enum(symbol)
            }
            Node::String => {
                let text: StrDeserializer<'_, DatumError> = StrDeserializer::new(self.input.text()?);
                visitor.visit_enum(text)
            }
            _ => Err(DatumError::new("it has a value where an enum is read")),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DatumError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DatumError> {
        self.skip()?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}

/// A record's fields, as a map from their names.
struct Fields<'r, 'l, 'i, 'de> {
    reader: &'r mut Reader<'l, 'i, 'de>,
    rest: std::slice::Iter<'l, Field>,
    /// The place of the field whose name was told and whose value was not read yet.
    value: Option<Place>,
}

impl<'de> MapAccess<'de> for &mut Fields<'_, '_, '_, 'de> {
    type Error = DatumError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DatumError> {
        let Some(field) = self.rest.next() else { return Ok(None) };
        self.value = Some(field.place);
        seed.deserialize(StrDeserializer::<DatumError>::new(&field.name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DatumError> {
        let place =
            self.value.take().ok_or_else(|| DatumError::new("a value is read before its field's name"))?;
        seed.deserialize(self.reader.inner(place)?)
    }
}

/// The elements of an array, or the entries of a map.
struct Blocks<'r, 'l, 'i, 'de> {
    reader: &'r mut Reader<'l, 'i, 'de>,
    place: Place,
    left: usize,
    is_over: bool,
}

impl Blocks<'_, '_, '_, '_> {
    /// Whether there is another element.
    fn advance(&mut self) -> Result<bool, DatumError> {
        if self.left == 0 && !self.is_over {
            (self.left, _) = self.reader.input.block()?;
            self.is_over = self.left == 0;
        }
        Ok(self.left > 0)
    }
}

impl<'de> SeqAccess<'de> for &mut Blocks<'_, '_, '_, 'de> {
    type Error = DatumError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DatumError> {
        if !self.advance()? {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.reader.inner(self.place)?).map(Some)
    }
}

impl<'de> MapAccess<'de> for &mut Blocks<'_, '_, '_, 'de> {
    type Error = DatumError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DatumError> {
        if !self.advance()? {
            return Ok(None);
        }
        self.left -= 1;
        let key = self.reader.input.text()?;
        seed.deserialize(serde::de::value::BorrowedStrDeserializer::<DatumError>::new(key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DatumError> {
        seed.deserialize(self.reader.inner(self.place)?)
    }
}

/// A union's value, as an enum whose variants are named as the branches are.
struct Variant<'l, 'i, 'de> {
    name: &'l str,
    value: Reader<'l, 'i, 'de>,
}

impl<'de, 'l, 'i> EnumAccess<'de> for Variant<'l, 'i, 'de> {
    type Error = DatumError;
    type Variant = Reader<'l, 'i, 'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), DatumError> {
        let name = seed.deserialize(StrDeserializer::<DatumError>::new(self.name))?;
        Ok((name, self.value))
    }
}

impl<'de> VariantAccess<'de> for Reader<'_, '_, 'de> {
    type Error = DatumError;

    fn unit_variant(self) -> Result<(), DatumError> {
        self.skip()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, DatumError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, DatumError> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DatumError> {
        self.deserialize_any(visitor)
    }
}

impl From<serde::de::value::Error> for DatumError {
    fn from(error: serde::de::value::Error) -> Self {
        Self::custom(error)
    }
}
