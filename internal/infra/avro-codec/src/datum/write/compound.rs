use serde::ser::{Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant};
use serde::ser::{SerializeTuple, SerializeTupleStruct, SerializeTupleVariant};

use super::super::DatumError;
use super::super::layout::{Field, Node, Place};
use super::{Writer, length, long, prefixed};

/// The end of an array or a map: a block of nothing.
const END: i64 = 0;

/// An array's items, or a map's entries, in one block where their count is known and in a block each where it is not.
pub(super) struct Items<'l, 'o> {
    writer: Writer<'l, 'o>,
    item: Place,
    left: Option<usize>,
}

impl<'l, 'o> Items<'l, 'o> {
    pub(super) fn begin(mut writer: Writer<'l, 'o>, count: Option<usize>) -> Result<Self, DatumError> {
        match writer.settle("a list", |node| matches!(node, Node::Array(_)))? {
            Node::Array(item) => Ok(Self::of(writer, *item, count)),
            _ => Err(writer.unfit("a list")),
        }
    }

    fn of(writer: Writer<'l, 'o>, item: Place, count: Option<usize>) -> Self {
        if let Some(count) = count.filter(|count| *count > 0) {
            length(count, writer.out);
        }
        Self { writer, item, left: count }
    }

    /// Counts the next item.
    fn next(&mut self) -> Result<(), DatumError> {
        match &mut self.left {
            None => length(1, self.writer.out),
            Some(left) => {
                let rest = left.checked_sub(1);
                *left = rest.ok_or_else(|| DatumError::new("a list has more items than it told"))?;
            }
        }
        Ok(())
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), DatumError> {
        self.next()?;
        value.serialize(self.writer.at(self.item))
    }

    fn finish(self) -> Result<(), DatumError> {
        if self.left.is_some_and(|left| left > 0) {
            return Err(DatumError::new("a list has fewer items than it told"));
        }
        long(END, self.writer.out);
        Ok(())
    }
}

macro_rules! items {
    ($($of:ident $verb:ident),*) => {$(
        impl $of for Items<'_, '_> {
            type Ok = ();
            type Error = DatumError;

            fn $verb<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), DatumError> {
                self.item(value)
            }

            fn end(self) -> Result<(), DatumError> {
                self.finish()
            }
        }
    )*};
}

items!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

/// A record's fields, in the schema's order; those that come before their turn are set aside until then.
pub(super) struct Record<'l, 'o> {
    writer: Writer<'l, 'o>,
    fields: &'l [Field],
    next: usize,
    early: Vec<(usize, Vec<u8>)>,
}

impl Record<'_, '_> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), DatumError> {
        let is_named = |field: &Field| field.name == name;
        let number = if self.fields.get(self.next).is_some_and(is_named) {
            self.next
        } else {
            let found = self.fields.iter().position(is_named);
            found.ok_or_else(|| DatumError::new(format!("the schema's record has no field '{name}'")))?
        };
        let place = self.fields.get(number).map_or(0, |field| field.place);
        let told = |error: DatumError| DatumError::new(format!("{name}: {error}"));
        if number == self.next {
            value.serialize(self.writer.at(place)).map_err(told)?;
            self.next += 1;
            return Ok(());
        }
        if number < self.next || self.early.iter().any(|(early, _)| *early == number) {
            return Err(DatumError::new(format!("the field '{name}' comes twice")));
        }
        let mut bytes = Vec::new();
        value.serialize(Writer { layout: self.writer.layout, place, out: &mut bytes }).map_err(told)?;
        self.early.push((number, bytes));
        self.take_early();
        Ok(())
    }

    /// Writes those set aside whose turn it is.
    fn take_early(&mut self) {
        while let Some(at) = self.early.iter().position(|(number, _)| *number == self.next) {
            let (_, bytes) = self.early.swap_remove(at);
            self.writer.out.extend_from_slice(&bytes);
            self.next += 1;
        }
    }

    /// What the value lacks is null, where the schema lets it be.
    fn finish(mut self) -> Result<(), DatumError> {
        loop {
            self.take_early();
            let Some(field) = self.fields.get(self.next) else { return Ok(()) };
            let absent = serde::Serializer::serialize_none(self.writer.at(field.place));
            absent.map_err(|_| DatumError::new(format!("the value has no field '{}'", field.name)))?;
            self.next += 1;
        }
    }
}

/// A struct, as a record or as a map.
pub(super) enum Members<'l, 'o> {
    Record(Record<'l, 'o>),
    Map(Items<'l, 'o>),
}

impl<'l, 'o> Members<'l, 'o> {
    pub(super) fn begin(mut writer: Writer<'l, 'o>) -> Result<Self, DatumError> {
        Ok(match writer.settle("a struct", |node| matches!(node, Node::Record(_) | Node::Map(_)))? {
            Node::Record(fields) => Self::Record(Record { writer, fields, next: 0, early: Vec::new() }),
            Node::Map(value) => Self::Map(Items::of(writer, *value, None)),
            _ => return Err(writer.unfit("a struct")),
        })
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), DatumError> {
        match self {
            Self::Record(record) => {
                record.take_early();
                record.field(name, value)
            }
            Self::Map(items) => {
                items.next()?;
                prefixed(name.as_bytes(), items.writer.out);
                value.serialize(items.writer.at(items.item))
            }
        }
    }

    fn finish(self) -> Result<(), DatumError> {
        match self {
            Self::Record(record) => record.finish(),
            Self::Map(items) => items.finish(),
        }
    }
}

impl SerializeStruct for Members<'_, '_> {
    type Ok = ();
    type Error = DatumError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), DatumError> {
        self.member(name, value)
    }

    fn end(self) -> Result<(), DatumError> {
        self.finish()
    }
}

impl SerializeStructVariant for Members<'_, '_> {
    type Ok = ();
    type Error = DatumError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), DatumError> {
        self.member(name, value)
    }

    fn end(self) -> Result<(), DatumError> {
        self.finish()
    }
}

/// A map, as a map or as a record; or as a list of its entries, each a record of a key and a value.
pub(super) struct Entries<'l, 'o> {
    members: Members<'l, 'o>,
    /// The key at hand, where it names a record's field; framed as Avro frames a string.
    key: Vec<u8>,
    /// Where an entry's key and value are, where entries stand as records.
    entry: Option<(Place, Place)>,
}

impl<'l, 'o> Entries<'l, 'o> {
    pub(super) fn begin(mut writer: Writer<'l, 'o>, count: Option<usize>) -> Result<Self, DatumError> {
        let is_map = |node: &Node| matches!(node, Node::Map(_));
        let is_list = |node: &Node| matches!(node, Node::Array(_));
        let has_record = writer.has(|node| matches!(node, Node::Record(_)));
        if !writer.has(is_map) && (has_record || !writer.has(is_list)) {
            return Ok(Self { members: Members::begin(writer)?, key: Vec::new(), entry: None });
        }
        let wanted: fn(&Node) -> bool = if writer.has(is_map) { is_map } else { is_list };
        let (item, entry) = match writer.settle("a map", wanted)? {
            Node::Map(value) => (*value, None),
            Node::Array(item) => (*item, Some(writer.entry(*item)?)),
            _ => return Err(writer.unfit("a map")),
        };
        Ok(Self { members: Members::Map(Items::of(writer, item, count)), key: Vec::new(), entry })
    }

    /// The key without its length.
    fn name(&self) -> Option<&str> {
        let length = self.key.iter().position(|byte| *byte < 0x80)?;
        std::str::from_utf8(self.key.get(length + 1..)?).ok()
    }
}

impl SerializeMap for Entries<'_, '_> {
    type Ok = ();
    type Error = DatumError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), DatumError> {
        match &mut self.members {
            Members::Map(items) => {
                items.next()?;
                let place = self.entry.map_or_else(|| items.writer.layout.text(), |(key, _)| key);
                key.serialize(items.writer.at(place))
            }
            Members::Record(record) => {
                self.key.clear();
                let layout = record.writer.layout;
                key.serialize(Writer { layout, place: layout.text(), out: &mut self.key })
            }
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), DatumError> {
        if let Members::Map(items) = &mut self.members {
            let place = self.entry.map_or(items.item, |(_, value)| value);
            return value.serialize(items.writer.at(place));
        }
        let name = self.name().unwrap_or_default().to_owned();
        self.members.member(&name, value)
    }

    fn end(self) -> Result<(), DatumError> {
        self.members.finish()
    }
}
