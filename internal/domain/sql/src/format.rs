//! What the formats that the language names can hold.

use millstream_model::{Column, FormatOptions, Type};

/// How one half of a topic's records is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Half {
    pub(crate) format: String,
    pub(crate) options: FormatOptions,
}

/// A format, by what it can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    pub(crate) name: &'static str,
    /// Its schemas are registered, and give columns that a statement leaves out.
    pub(crate) has_schemas: bool,
    /// A single column may stand with or without a record around it.
    pub(crate) wraps: bool,
    holds: fn(&Type) -> bool,
    columns_max: usize,
    string_keys_only: bool,
    /// Whether a field can be called so.
    is_name: fn(&str) -> bool,
}

const ANY: Format = Format {
    name: "",
    has_schemas: false,
    wraps: false,
    holds: is_any,
    columns_max: usize::MAX,
    string_keys_only: false,
    is_name: is_any_name,
};

const FORMATS: [Format; 6] = [
    Format {
        name: "AVRO",
        has_schemas: true,
        wraps: true,
        string_keys_only: true,
        is_name: is_plain_name,
        ..ANY
    },
    Format { name: "JSON", wraps: true, string_keys_only: true, ..ANY },
    Format { name: "JSON_SR", has_schemas: true, wraps: true, string_keys_only: true, ..ANY },
    Format { name: "DELIMITED", holds: is_flat, ..ANY },
    Format { name: "KAFKA", holds: is_serializable, columns_max: 1, ..ANY },
    Format { name: "NONE", holds: is_any, columns_max: 0, ..ANY },
];

fn is_any(_: &Type) -> bool {
    true
}

fn is_any_name(_: &str) -> bool {
    true
}

/// Letters, digits and underscores, with no digit at the beginning.
fn is_plain_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

fn is_flat(ty: &Type) -> bool {
    !matches!(ty, Type::Array(_) | Type::Map(..) | Type::Struct(_))
}

fn is_serializable(ty: &Type) -> bool {
    matches!(ty, Type::Int | Type::Bigint | Type::Double | Type::String | Type::Bytes)
}

/// The format of a name in any case.
pub(crate) fn format(name: &str) -> Option<Format> {
    FORMATS.into_iter().find(|format| format.name.eq_ignore_ascii_case(name))
}

/// The names of all formats.
pub(crate) fn names() -> String {
    FORMATS.map(|format| format.name).join(", ")
}

impl Format {
    /// A name that it can give no field; a single column by itself has none.
    pub(crate) fn refuses_name<'c>(&self, columns: &'c [Column], is_bare: bool) -> Option<&'c str> {
        let of = |column: &'c Column| {
            if is_bare { self.odd_name(&column.ty) } else { self.odd_name_of(column) }
        };
        columns.iter().find_map(of)
    }

    fn odd_name<'c>(&self, ty: &'c Type) -> Option<&'c str> {
        match ty {
            Type::Array(of) => self.odd_name(of),
            Type::Map(key, of) => self.odd_name(key).or_else(|| self.odd_name(of)),
            Type::Struct(fields) => fields.iter().find_map(|field| self.odd_name_of(field)),
            _ => None,
        }
    }

    fn odd_name_of<'c>(&self, field: &'c Column) -> Option<&'c str> {
        if (self.is_name)(&field.name) { self.odd_name(&field.ty) } else { Some(&field.name) }
    }

    /// Why it can't hold these columns, if it can't.
    pub(crate) fn refuses(&self, columns: &[Column]) -> Option<String> {
        let name = self.name;
        if columns.len() > self.columns_max {
            let list: Vec<_> = columns.iter().map(ToString::to_string).collect();
            let most = if self.columns_max == 0 { "no column" } else { "one column" };
            return Some(format!("the format {name} holds {most}, not ({})", list.join(", ")));
        }
        columns.iter().find_map(|column| {
            if !(self.holds)(&column.ty) {
                return Some(format!("the format {name} can't hold {column}"));
            }
            let is_odd = self.string_keys_only && has_odd_keys(&column.ty);
            is_odd.then(|| format!("the format {name} holds maps with STRING keys only, not {column}"))
        })
    }
}

/// Whether there is a map with keys that are no texts inside.
fn has_odd_keys(ty: &Type) -> bool {
    match ty {
        Type::Map(key, of) => **key != Type::String || has_odd_keys(of),
        Type::Array(of) => has_odd_keys(of),
        Type::Struct(fields) => fields.iter().any(|field| has_odd_keys(&field.ty)),
        _ => false,
    }
}

/// Whether there is a map inside.
pub(crate) fn has_map(ty: &Type) -> bool {
    match ty {
        Type::Map(..) => true,
        Type::Array(of) => has_map(of),
        Type::Struct(fields) => fields.iter().any(|field| has_map(&field.ty)),
        _ => false,
    }
}
