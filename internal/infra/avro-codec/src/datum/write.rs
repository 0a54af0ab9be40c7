mod compound;

use serde::ser::{Serialize, Serializer};

use super::layout::{Layout, Node, Place};
use super::{DatumError, decimal};
use compound::{Entries, Items, Members};

/// Appends the datum of `value` to `out`, which on an error may hold part of it.
///
/// # Errors
/// When the value does not fit the layout.
pub(crate) fn write<T: Serialize + ?Sized>(
    layout: &Layout,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), DatumError> {
    value.serialize(Writer { layout, place: 0, out })
}

fn long(number: i64, out: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            // Below 128, as nothing is left above its seven bits.
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn length(count: usize, out: &mut Vec<u8>) {
    // No buffer is longer than `isize::MAX`.
    long(i64::try_from(count).unwrap_or(i64::MAX), out);
}

fn prefixed(bytes: &[u8], out: &mut Vec<u8>) {
    length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// Writes the value at a place of the layout.
struct Writer<'l, 'o> {
    layout: &'l Layout,
    place: Place,
    out: &'o mut Vec<u8>,
}

impl<'l> Writer<'l, '_> {
    fn at<'b>(&'b mut self, place: Place) -> Writer<'l, 'b> {
        Writer { layout: self.layout, place, out: self.out }
    }

    /// The node to write, that of a union's first branch that `fits`; the branch's number is written here.
    fn settle(&mut self, what: &str, fits: impl Fn(&Node) -> bool) -> Result<&'l Node, DatumError> {
        let node = self.layout.node(self.place);
        let Node::Union(branches) = node else {
            return if fits(node) { Ok(node) } else { Err(self.unfit(what)) };
        };
        let found = branches.iter().enumerate().find(|(_, branch)| fits(self.layout.node(branch.place)));
        let (number, branch) = found.ok_or_else(|| self.unfit(what))?;
        length(number, self.out);
        self.place = branch.place;
        Ok(self.layout.node(branch.place))
    }

    /// Like [`Writer::settle`], for the branch of that name; what is no union is written as it is.
    fn settle_named(&mut self, name: &str) -> Result<(), DatumError> {
        let Node::Union(branches) = self.layout.node(self.place) else { return Ok(()) };
        let found = branches.iter().enumerate().find(|(_, branch)| branch.name == name);
        let (number, branch) = found.ok_or_else(|| self.unfit(&format!("a variant {name}")))?;
        length(number, self.out);
        self.place = branch.place;
        Ok(())
    }

    /// Whether some branch fits, so that a better one is taken before a worse.
    fn has(&self, fits: impl Fn(&Node) -> bool) -> bool {
        match self.layout.node(self.place) {
            Node::Union(branches) => branches.iter().any(|branch| fits(self.layout.node(branch.place))),
            node => fits(node),
        }
    }

    /// Where the key and the value of a map's entry are that stands as a record.
    fn entry(&self, item: Place) -> Result<(Place, Place), DatumError> {
        let unfit =
            || DatumError::new("a map stands where the schema has an array of something else than entries");
        let Node::Record(fields) = self.layout.node(item) else { return Err(unfit()) };
        match fields.as_slice() {
            [key, value] if (key.name.as_str(), value.name.as_str()) == ("key", "value") => {
                Ok((key.place, value.place))
            }
            _ => Err(unfit()),
        }
    }

    fn unfit(&self, what: &str) -> DatumError {
        let node = match self.layout.node(self.place) {
            Node::Null => "null",
            Node::Boolean => "a boolean",
            Node::Int => "an int",
            Node::Long => "a long",
            Node::Float => "a float",
            Node::Double => "a double",
            Node::Bytes => "bytes",
            Node::String => "a string",
            Node::Fixed(_) => "a fixed",
            Node::Enum(_) => "an enum",
            Node::Array(_) => "an array",
            Node::Map(_) => "a map",
            Node::Union(_) => "a union without a branch for it",
            Node::Record(_) => "a record",
            Node::Decimal { .. } => "a decimal",
        };
        DatumError::new(format!("{what} stands where the schema has {node}"))
    }

    fn integer(mut self, number: i64) -> Result<(), DatumError> {
        let as_int = i32::try_from(number).is_ok();
        let has_long = self.has(|node| matches!(node, Node::Long));
        let is_whole = |node: &Node| match node {
            Node::Long => true,
            Node::Int => as_int && !has_long,
            _ => false,
        };
        if self.has(is_whole) {
            self.settle("an integer", is_whole)?;
            long(number, self.out);
            return Ok(());
        }
        #[expect(clippy::cast_precision_loss, reason = "Avro promotes integers so")]
        match self.settle(&number.to_string(), |node| {
            matches!(node, Node::Float | Node::Double | Node::Decimal { .. })
        })? {
            Node::Float => self.out.extend_from_slice(&(number as f32).to_le_bytes()),
            Node::Double => self.out.extend_from_slice(&(number as f64).to_le_bytes()),
            _ => self.decimal(&number.to_string())?,
        }
        Ok(())
    }

    /// Writes decimal text as the decimal at this place.
    fn decimal(&mut self, text: &str) -> Result<(), DatumError> {
        let Node::Decimal { scale, precision, width } = self.layout.node(self.place) else {
            return Err(self.unfit(text));
        };
        let unfit = || {
            DatumError::new(format!(
                "'{text}' is no decimal of {precision} digits with {scale} of them after the point"
            ))
        };
        let number = decimal::parse(text, *scale).filter(|number| decimal::digits(*number) <= *precision);
        let mut bytes = Vec::new();
        decimal::bytes_of(number.ok_or_else(unfit)?, *width, &mut bytes).ok_or_else(unfit)?;
        match width {
            Some(_) => self.out.extend_from_slice(&bytes),
            None => prefixed(&bytes, self.out),
        }
        Ok(())
    }

    fn symbol(&mut self, symbols: &[String], symbol: &str) -> Result<(), DatumError> {
        let number = symbols.iter().position(|known| known == symbol);
        length(
            number.ok_or_else(|| DatumError::new(format!("the schema's enum has no symbol '{symbol}'")))?,
            self.out,
        );
        Ok(())
    }
}

impl<'l, 'o> Serializer for Writer<'l, 'o> {
    type Ok = ();
    type Error = DatumError;
    type SerializeSeq = Items<'l, 'o>;
    type SerializeTuple = Items<'l, 'o>;
    type SerializeTupleStruct = Items<'l, 'o>;
    type SerializeTupleVariant = Items<'l, 'o>;
    type SerializeMap = Entries<'l, 'o>;
    type SerializeStruct = Members<'l, 'o>;
    type SerializeStructVariant = Members<'l, 'o>;

    fn serialize_bool(mut self, value: bool) -> Result<(), DatumError> {
        self.settle("a boolean", |node| matches!(node, Node::Boolean))?;
        self.out.push(u8::from(value));
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), DatumError> {
        self.integer(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), DatumError> {
        self.integer(value.into())
    }

    fn serialize_i32(mut self, value: i32) -> Result<(), DatumError> {
        let is_int = |node: &Node| matches!(node, Node::Int);
        if !self.has(is_int) {
            return self.integer(value.into());
        }
        self.settle("an integer", is_int)?;
        long(value.into(), self.out);
        Ok(())
    }

    fn serialize_i64(self, value: i64) -> Result<(), DatumError> {
        self.integer(value)
    }

    fn serialize_u8(self, value: u8) -> Result<(), DatumError> {
        self.integer(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), DatumError> {
        self.integer(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), DatumError> {
        self.integer(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), DatumError> {
        let number = i64::try_from(value).map_err(|_| self.unfit(&value.to_string()))?;
        self.integer(number)
    }

    fn serialize_f32(self, value: f32) -> Result<(), DatumError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(mut self, value: f64) -> Result<(), DatumError> {
        let is_double = |node: &Node| matches!(node, Node::Double);
        if self.has(is_double) {
            self.settle("a number", is_double)?;
            self.out.extend_from_slice(&value.to_le_bytes());
            return Ok(());
        }
        self.settle("a floating-point number", |node| matches!(node, Node::Float))?;
        #[expect(clippy::cast_possible_truncation, reason = "the schema has no more digits")]
        self.out.extend_from_slice(&(value as f32).to_le_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), DatumError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(mut self, text: &str) -> Result<(), DatumError> {
        let is_text = |node: &Node| matches!(node, Node::String);
        if self.has(is_text) {
            self.settle("a text", is_text)?;
            prefixed(text.as_bytes(), self.out);
            return Ok(());
        }
        match self
            .settle("a text", |node| matches!(node, Node::Enum(_) | Node::Decimal { .. } | Node::Bytes))?
        {
            Node::Enum(symbols) => self.symbol(symbols, text)?,
            Node::Bytes => prefixed(text.as_bytes(), self.out),
            _ => self.decimal(text)?,
        }
        Ok(())
    }

    fn serialize_bytes(mut self, bytes: &[u8]) -> Result<(), DatumError> {
        let fits = |node: &Node| match node {
            Node::Bytes => true,
            Node::Fixed(width) => *width == bytes.len(),
            _ => false,
        };
        match self.settle(&format!("a list of {} bytes", bytes.len()), fits)? {
            Node::Fixed(_) => self.out.extend_from_slice(bytes),
            _ => prefixed(bytes, self.out),
        }
        Ok(())
    }

    fn serialize_none(mut self) -> Result<(), DatumError> {
        self.settle("null", |node| matches!(node, Node::Null)).map(drop)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), DatumError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), DatumError> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), DatumError> {
        self.serialize_none()
    }

    fn serialize_unit_variant(
        mut self,
        _name: &'static str,
        _number: u32,
        variant: &'static str,
    ) -> Result<(), DatumError> {
        let is_symbol = |node: &Node| matches!(node, Node::Enum(symbols) if symbols.iter().any(|symbol| symbol == variant));
        if let Node::Union(branches) = self.layout.node(self.place)
            && !self.has(is_symbol)
            && branches.iter().any(|branch| branch.name == variant)
        {
            self.settle_named(variant)?;
            return self.serialize_none();
        }
        match self.settle(variant, |node| is_symbol(node) || matches!(node, Node::String))? {
            Node::Enum(symbols) => self.symbol(symbols, variant)?,
            _ => prefixed(variant.as_bytes(), self.out),
        }
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), DatumError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _name: &'static str,
        _number: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), DatumError> {
        self.settle_named(variant)?;
        value.serialize(self)
    }

    fn serialize_seq(self, count: Option<usize>) -> Result<Items<'l, 'o>, DatumError> {
        Items::begin(self, count)
    }

    fn serialize_tuple(self, count: usize) -> Result<Items<'l, 'o>, DatumError> {
        Items::begin(self, Some(count))
    }

    fn serialize_tuple_struct(self, _name: &'static str, count: usize) -> Result<Items<'l, 'o>, DatumError> {
        Items::begin(self, Some(count))
    }

    fn serialize_tuple_variant(
        mut self,
        _name: &'static str,
        _number: u32,
        variant: &'static str,
        count: usize,
    ) -> Result<Items<'l, 'o>, DatumError> {
        self.settle_named(variant)?;
        Items::begin(self, Some(count))
    }

    fn serialize_map(self, count: Option<usize>) -> Result<Entries<'l, 'o>, DatumError> {
        Entries::begin(self, count)
    }

    fn serialize_struct(self, _name: &'static str, _count: usize) -> Result<Members<'l, 'o>, DatumError> {
        Members::begin(self)
    }

    fn serialize_struct_variant(
        mut self,
        _name: &'static str,
        _number: u32,
        variant: &'static str,
        _count: usize,
    ) -> Result<Members<'l, 'o>, DatumError> {
        self.settle_named(variant)?;
        Members::begin(self)
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<(), DatumError> {
        self.serialize_str(&value.to_string())
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
