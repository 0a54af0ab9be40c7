use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use millstream_model::{Decimal, Type, Value};
use millstream_ports::base64_bytes;

use super::layout::{Fields, Layout, Parts};
use super::number::{decimal, whole};
use crate::document::{Document, Kind, Lexer};

/// Why bytes are no row.
pub(super) enum Fault {
    /// They are not JSON.
    Text(String),
    /// They hold a value that does not fit.
    Value(String),
}

type Read<T> = Result<T, Fault>;

impl From<String> for Fault {
    fn from(said: String) -> Self {
        Self::Text(said)
    }
}

impl Fault {
    fn at(self, name: &str) -> Self {
        match self {
            Self::Value(reason) => Self::Value(format!("{name}: {reason}")),
            text @ Self::Text(_) => text,
        }
    }

    pub(super) fn said(self) -> String {
        match self {
            Self::Text(said) | Self::Value(said) => said,
        }
    }
}

/// The columns of the object ahead.
pub(super) fn fields(lexer: &mut Lexer<'_>, fields: &Fields, depth: usize) -> Read<Vec<Value>> {
    if lexer.kind(depth)? != Kind::Object {
        return Err(no_object(&kind(&Document::read(lexer, depth)?)));
    }
    let mut row = Row::of(fields.len());
    let (mut expected, mut goes_on) = (0, lexer.enters_object());
    while goes_on {
        let name = lexer.name()?;
        let start = lexer.place();
        let mut is_read = false;
        fields.named(&name, expected, |place, field, is_exact| {
            expected = place + 1;
            if !field.is_read || !row.is_open(place, is_exact) {
                return Ok(());
            }
            lexer.back_to(start);
            is_read = true;
            match row.slot(place).map_or(Ok(()), |slot| read(lexer, &field.layout, depth + 1, slot)) {
                Ok(()) => Ok(()),
                Err(fault @ Fault::Text(_)) => Err(fault),
                // Another entry may yet take its place, and what stands behind it is to be JSON in any case.
                Err(fault) => {
                    lexer.back_to(start);
                    lexer.skip(depth + 1)?;
                    row.wrong.push((place, fault.at(&field.name)));
                    Ok(())
                }
            }
        })?;
        if !is_read {
            lexer.skip(depth + 1)?;
        }
        goes_on = lexer.has_entry()?;
    }
    row.end()
}

/// A row while it is read. Of entries with exactly a column's name the last counts, of others the first, if there is none.
struct Row {
    values: Vec<Value>,
    /// Which have one, those beyond the first 128 apart.
    found: u128,
    found_beyond: BTreeSet<usize>,
    wrong: Vec<(usize, Fault)>,
}

impl Row {
    fn of(width: usize) -> Self {
        let mut values = Vec::with_capacity(width);
        values.resize_with(width, || Value::Null);
        Self { values, found: 0, found_beyond: BTreeSet::new(), wrong: Vec::new() }
    }

    /// Whether an entry counts for a column.
    fn is_open(&self, place: usize, is_exact: bool) -> bool {
        is_exact
            || if place < 128 { self.found >> place & 1 == 0 } else { !self.found_beyond.contains(&place) }
    }

    /// Where a column's value is to be; what was found for it before counts no more.
    fn slot(&mut self, place: usize) -> Option<&mut Value> {
        if place < 128 {
            self.found |= 1 << place;
        } else {
            self.found_beyond.insert(place);
        }
        if !self.wrong.is_empty() {
            self.wrong.retain(|(wrong, _)| *wrong != place);
        }
        self.values.get_mut(place)
    }

    fn end(self) -> Read<Vec<Value>> {
        match self.wrong.into_iter().min_by_key(|(place, _)| *place) {
            None => Ok(self.values),
            Some((_, fault)) => Err(fault),
        }
    }
}

/// The value ahead, of a type, to where it is to be: whole numbers and plain texts, as most are, are made nowhere else.
fn read(lexer: &mut Lexer<'_>, layout: &Layout, depth: usize, slot: &mut Value) -> Read<()> {
    match (&layout.ty, lexer.kind(depth)?) {
        (Type::String, Kind::Text) => match lexer.string()? {
            Cow::Borrowed(text) => *slot = Value::String(text.into()),
            Cow::Owned(text) => *slot = Value::String(text.into()),
        },
        (ty @ Type::Int, Kind::Number) => {
            let digits = lexer.number()?;
            let number = whole(digits).and_then(|number| i32::try_from(number).ok());
            *slot = Value::Int(number.ok_or_else(|| wrong(digits, ty))?);
        }
        (ty @ Type::Bigint, Kind::Number) => {
            let digits = lexer.number()?;
            *slot = Value::Bigint(whole(digits).ok_or_else(|| wrong(digits, ty))?);
        }
        _ => *slot = value(lexer, layout, depth)?,
    }
    Ok(())
}

/// The value ahead, of a type.
pub(super) fn value(lexer: &mut Lexer<'_>, layout: &Layout, depth: usize) -> Read<Value> {
    let ty = &layout.ty;
    match (ty, lexer.kind(depth)?, &layout.parts) {
        (_, Kind::Word, _) => match (ty, lexer.word()?) {
            (_, None) => Ok(Value::Null),
            (Type::Boolean, Some(truth)) => Ok(Value::Boolean(truth)),
            (Type::String, Some(truth)) => Ok(Value::text(truth.to_string())),
            (Type::Struct(_), Some(truth)) => Err(no_object(&truth.to_string())),
            (_, Some(truth)) => Err(wrong(&truth.to_string(), ty)),
        },
        (Type::String, Kind::Text, _) => Ok(match lexer.string()? {
            Cow::Borrowed(text) => Value::text(text),
            Cow::Owned(text) => text.into(),
        }),
        (Type::String, Kind::Number, _) => Ok(Value::text(lexer.number()?)),
        (Type::String, ..) => Ok(Document::read(lexer, depth)?.to_string().into()),
        (Type::Bytes, Kind::Text, _) => {
            let text = lexer.string()?;
            base64_bytes(&text)
                .map(|bytes| Value::Bytes(bytes.into()))
                .ok_or_else(|| wrong(&format!("'{text}'"), ty))
        }
        (_, Kind::Array, Parts::Elements(item)) => elements(lexer, item, depth).map(Value::Array),
        (_, Kind::Object, Parts::Entries(of)) => entries(lexer, of, depth).map(Value::Map),
        (_, Kind::Array, Parts::Entries(of)) => {
            let listed = listed(lexer, of, depth)?;
            listed.map(Value::Map).ok_or_else(|| wrong("an array", ty))
        }
        (_, _, Parts::Fields(of)) => fields(lexer, of, depth).map(Value::Struct),
        (ty, Kind::Number, Parts::None) => {
            let digits = lexer.number()?;
            number(digits, ty).ok_or_else(|| wrong(digits, ty))
        }
        (ty, Kind::Text, Parts::None) => {
            let text = lexer.string()?;
            number(text.trim(), ty).ok_or_else(|| wrong(&format!("'{text}'"), ty))
        }
        _ => Err(wrong(&kind(&Document::read(lexer, depth)?), ty)),
    }
}

fn elements(lexer: &mut Lexer<'_>, item: &Layout, depth: usize) -> Read<Vec<Value>> {
    let (mut items, mut goes_on) = (Vec::new(), lexer.enters_array());
    while goes_on {
        items.push(value(lexer, item, depth + 1)?);
        goes_on = lexer.has_element()?;
    }
    Ok(items)
}

fn entries(
    lexer: &mut Lexer<'_>,
    (key_layout, layout): &(Layout, Layout),
    depth: usize,
) -> Read<BTreeMap<Value, Value>> {
    let (mut map, mut goes_on) = (BTreeMap::new(), lexer.enters_object());
    while goes_on {
        let key = map_key(&lexer.name()?, &key_layout.ty)?;
        map.insert(key, value(lexer, layout, depth + 1)?);
        goes_on = lexer.has_entry()?;
    }
    Ok(map)
}

/// A map that stands as an array of its entries, each with a key and a value; none if one has not.
fn listed(
    lexer: &mut Lexer<'_>,
    of: &(Layout, Layout),
    depth: usize,
) -> Read<Option<BTreeMap<Value, Value>>> {
    let (mut map, mut goes_on) = (BTreeMap::new(), lexer.enters_array());
    while goes_on {
        if lexer.kind(depth + 1)? != Kind::Object {
            return Ok(None);
        }
        let Some((key, value)) = listed_entry(lexer, of, depth + 1)? else { return Ok(None) };
        map.insert(key, value);
        goes_on = lexer.has_element()?;
    }
    Ok(Some(map))
}

fn listed_entry(
    lexer: &mut Lexer<'_>,
    (key_layout, layout): &(Layout, Layout),
    depth: usize,
) -> Read<Option<(Value, Value)>> {
    let (mut key, mut of, mut goes_on) = (None, None, lexer.enters_object());
    while goes_on {
        match &*lexer.name()? {
            "key" => key = Some(value(lexer, key_layout, depth + 1)?),
            "value" => of = Some(value(lexer, layout, depth + 1)?),
            _ => lexer.skip(depth + 1)?,
        }
        goes_on = lexer.has_entry()?;
    }
    Ok(key.zip(of))
}

/// A key of a map, which stands as a text whatever its type.
fn map_key(key: &str, ty: &Type) -> Read<Value> {
    let made = match ty {
        Type::Boolean => Some(Value::Boolean(key.eq_ignore_ascii_case("true"))),
        Type::String => Some(Value::text(key)),
        Type::Bytes => base64_bytes(key).map(|bytes| Value::Bytes(bytes.into())),
        ty => number(key.trim(), ty),
    };
    made.ok_or_else(|| wrong(&format!("'{key}'"), ty))
}

fn wrong(what: &str, ty: &Type) -> Fault {
    Fault::Value(format!("{what} is no {ty}"))
}

fn no_object(what: &str) -> Fault {
    Fault::Value(format!("{what} stands where an object is expected"))
}

fn number(text: &str, ty: &Type) -> Option<Value> {
    Some(match ty {
        Type::Int => Value::Int(i32::try_from(whole(text)?).ok()?),
        Type::Bigint => Value::Bigint(whole(text)?),
        Type::Double => Value::Double(text.parse().ok()?),
        Type::Date => Value::Date(i32::try_from(whole(text)?).ok()?),
        Type::Time => Value::Time(i32::try_from(whole(text)?).ok()?),
        Type::Timestamp => Value::Timestamp(whole(text)?),
        Type::Decimal { precision, scale } => Value::Decimal(fitted(decimal(text)?, *precision, *scale)?),
        _ => return None,
    })
}

/// A number with a decimal's scale, where it has not more digits behind the point nor in all.
fn fitted(number: Decimal, precision: u8, scale: u8) -> Option<Decimal> {
    number.fit(precision, scale).filter(|fitted| fitted.compare(number).is_eq())
}

fn kind(document: &Document) -> String {
    match document {
        Document::Null => "null".to_owned(),
        Document::Boolean(value) => value.to_string(),
        Document::Number(digits) => digits.clone(),
        Document::Text(text) => format!("'{text}'"),
        Document::Array(_) => "an array".to_owned(),
        Document::Object(_) => "an object".to_owned(),
    }
}
