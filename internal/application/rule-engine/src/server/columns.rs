//! The columns that statements leave out, as the registry had them when the statement was made: what a statement means must not
//! change with the registry, nor differ from server to server.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use millstream_model::{Column, Type};
use millstream_sql::{RegisteredColumns, SchemaSource};

use crate::formats::Formats;

/// What was asked of the registry, and what it answered, as texts.
pub(crate) type Found = BTreeMap<String, String>;

/// Answers from what was found before, and else from the registry, which is noted.
pub(crate) struct Remembered<'f> {
    formats: &'f Formats,
    found: Mutex<Found>,
}

impl<'f> Remembered<'f> {
    pub(crate) fn new(formats: &'f Formats, found: &Found) -> Self {
        Self { formats, found: Mutex::new(found.clone()) }
    }

    /// All that was asked by now.
    pub(crate) fn found(self) -> Found {
        self.found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SchemaSource for Remembered<'_> {
    fn columns(
        &self,
        topic: &str,
        is_key: bool,
        format: &str,
        schema_id: Option<u32>,
    ) -> Result<RegisteredColumns, String> {
        let id = schema_id.map_or_else(String::new, |id| id.to_string());
        let asked = format!("{}/{format}/{id}/{topic}", if is_key { "key" } else { "value" });
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(columns) = found.get(&asked).and_then(|text| read(text)) {
            return Ok(columns);
        }
        let columns = self.formats.columns(topic, is_key, format, schema_id)?;
        found.insert(asked, written(&columns));
        Ok(columns)
    }
}

/// `1` or `0` for bare or not, then the columns as a struct's fields.
fn written(columns: &RegisteredColumns) -> String {
    let mut out = u8::from(columns.is_bare).to_string();
    write(&Type::Struct(columns.columns.clone()), &mut out);
    out
}

fn read(text: &str) -> Option<RegisteredColumns> {
    let (bare, mut rest) = text.split_at_checked(1)?;
    match (take(&mut rest)?, rest) {
        (Type::Struct(columns), "") => Some(RegisteredColumns { columns, is_bare: bare == "1" }),
        _ => None,
    }
}

/// A type as a letter, then what it is made of; counts and lengths end in a colon.
fn write(ty: &Type, out: &mut String) {
    match ty {
        Type::Boolean => out.push('b'),
        Type::Int => out.push('i'),
        Type::Bigint => out.push('l'),
        Type::Double => out.push('d'),
        Type::String => out.push('s'),
        Type::Bytes => out.push('y'),
        Type::Timestamp => out.push('t'),
        Type::Date => out.push('e'),
        Type::Time => out.push('h'),
        Type::Decimal { precision, scale } => {
            out.push_str(&["n", &precision.to_string(), ":", &scale.to_string(), ":"].concat());
        }
        Type::Array(of) => {
            out.push('a');
            write(of, out);
        }
        Type::Map(key, of) => {
            out.push('m');
            write(key, out);
            write(of, out);
        }
        Type::Struct(fields) => {
            out.push_str(&["r", &fields.len().to_string(), ":"].concat());
            for field in fields {
                out.push_str(&[&field.name.len().to_string(), ":", &field.name].concat());
                write(&field.ty, out);
            }
        }
    }
}

fn take(rest: &mut &str) -> Option<Type> {
    let (letter, behind) = rest.split_at_checked(1)?;
    *rest = behind;
    Some(match letter {
        "b" => Type::Boolean,
        "i" => Type::Int,
        "l" => Type::Bigint,
        "d" => Type::Double,
        "s" => Type::String,
        "y" => Type::Bytes,
        "t" => Type::Timestamp,
        "e" => Type::Date,
        "h" => Type::Time,
        "n" => {
            let (precision, scale) = (number(rest)?, number(rest)?);
            Type::Decimal { precision: u8::try_from(precision).ok()?, scale: u8::try_from(scale).ok()? }
        }
        "a" => Type::Array(Box::new(take(rest)?)),
        "m" => Type::Map(Box::new(take(rest)?), Box::new(take(rest)?)),
        "r" => {
            let count = number(rest)?;
            let fields = (0..count).map(|_| {
                let length = number(rest)?;
                let (name, behind) = rest.split_at_checked(length)?;
                *rest = behind;
                Some(Column::new(name, take(rest)?))
            });
            Type::Struct(fields.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn number(rest: &mut &str) -> Option<usize> {
    let (digits, behind) = rest.split_once(':')?;
    *rest = behind;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back_as_they_were() {
        let pair = Type::Struct(vec![
            Column::new("a:1", Type::Decimal { precision: 38, scale: 2 }),
            Column::new("é", Type::Map(Box::new(Type::String), Box::new(Type::Array(Box::new(Type::Time))))),
        ]);
        for (types, is_bare) in [
            (vec![], false),
            (vec![Type::Boolean, Type::Int, Type::Bigint, Type::Double, Type::String, Type::Bytes], false),
            (vec![pair.clone()], true),
            (vec![Type::Array(Box::new(pair)), Type::Timestamp, Type::Date, Type::Struct(Vec::new())], false),
        ] {
            let columns =
                types.into_iter().enumerate().map(|(n, ty)| Column::new(format!("c {n}"), ty)).collect();
            let columns = RegisteredColumns { columns, is_bare };
            let text = written(&columns);
            assert_eq!(read(&text), Some(columns));
            for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
                assert_eq!(read(&text[..cut]), None, "what is cut off is nothing");
            }
        }
    }

    #[test]
    fn what_was_found_is_not_asked_again() {
        let formats = Formats::default();
        assert!(Remembered::new(&formats, &Found::new()).columns("t", false, "AVRO", None).is_err());
        let columns = RegisteredColumns { columns: vec![Column::new("A", Type::Int)], is_bare: false };
        let found = Found::from([("value/AVRO//t".to_owned(), written(&columns))]);
        let remembered = Remembered::new(&formats, &found);
        assert_eq!(remembered.columns("t", false, "AVRO", None), Ok(columns));
        assert!(remembered.columns("t", true, "AVRO", None).is_err());
    }
}
