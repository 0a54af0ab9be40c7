use std::collections::BTreeSet;

use millstream_model::{Column, Type};

use super::write;

/// Columns as they are found in an object and written into one: what is looked up by name is worked out once.
pub(super) struct Fields {
    fields: Vec<Field>,
    /// No two names differ in their capitals alone, so that an entry is of one column at most.
    are_distinct: bool,
}

/// One column.
pub(super) struct Field {
    pub(super) name: String,
    in_capitals: String,
    /// The name in quotes, and a colon.
    pub(super) label: Vec<u8>,
    pub(super) layout: Layout,
    /// A text that nobody looks at is not: anything fits it, so that no record is refused or let pass by that.
    pub(super) is_read: bool,
}

/// A type with what its parts are found by.
pub(super) struct Layout {
    pub(super) ty: Type,
    pub(super) parts: Parts,
}

/// What a type is made of.
pub(super) enum Parts {
    None,
    Elements(Box<Layout>),
    /// Keys and values.
    Entries(Box<(Layout, Layout)>),
    Fields(Fields),
}

impl Layout {
    pub(super) fn of(ty: &Type) -> Self {
        let parts = match ty {
            Type::Array(item) => Parts::Elements(Box::new(Self::of(item))),
            Type::Map(key, value) => Parts::Entries(Box::new((Self::of(key), Self::of(value)))),
            Type::Struct(columns) => Parts::Fields(Fields::of(columns)),
            _ => Parts::None,
        };
        Self { ty: ty.clone(), parts }
    }
}

impl Fields {
    pub(super) fn of(columns: &[Column]) -> Self {
        Self::used(columns, &[])
    }

    /// Of which those marked are looked at; without marks all are.
    pub(super) fn used(columns: &[Column], used: &[bool]) -> Self {
        let field = |(place, column): (usize, &Column)| {
            let mut label = Vec::new();
            write::quoted(&column.name, &mut label);
            label.push(b':');
            Field {
                name: column.name.clone(),
                in_capitals: column.name.to_uppercase(),
                label,
                layout: Layout::of(&column.ty),
                is_read: column.ty != Type::String || used.get(place).copied().unwrap_or(true),
            }
        };
        let fields: Vec<_> = columns.iter().enumerate().map(field).collect();
        let names: BTreeSet<_> = fields.iter().map(|field| field.in_capitals.as_str()).collect();
        let are_distinct = names.len() == fields.len();
        Self { fields, are_distinct }
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.fields.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// The only column, if there is one.
    pub(super) fn only(&self) -> Option<&Field> {
        if let [only] = self.fields.as_slice() { Some(only) } else { None }
    }

    /// Calls `take` with each column that an entry of this name may be for, and whether the name is exactly its own.
    /// Entries mostly come in the columns' order: the one that is `expected` is looked at first.
    pub(super) fn named<E>(
        &self,
        name: &str,
        expected: usize,
        mut take: impl FnMut(usize, &Field, bool) -> Result<(), E>,
    ) -> Result<(), E> {
        let guess = self.fields.get(expected).filter(|field| self.are_distinct && field.name == name);
        if let Some(field) = guess {
            return take(expected, field, true);
        }
        for (place, field) in self.fields.iter().enumerate() {
            let is_exact = field.name == name;
            if is_exact || field.is_alike(name) {
                take(place, field, is_exact)?;
                if self.are_distinct {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Field {
    fn is_alike(&self, name: &str) -> bool {
        // Nothing but ASCII is the capital of ASCII.
        if name.is_ascii() {
            name.eq_ignore_ascii_case(&self.in_capitals)
        } else {
            name.to_uppercase() == self.in_capitals
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(fields: &Fields, name: &str) -> Vec<(usize, bool)> {
        let mut found = Vec::new();
        let note = |place: usize, _: &Field, is_exact| {
            found.push((place, is_exact));
            Ok::<_, ()>(())
        };
        fields.named(name, 0, note).unwrap();
        found
    }

    #[test]
    fn names_are_found_whatever_their_capitals() {
        let columns = ["A", "straße", "éT"].map(|name| Column::new(name, Type::Int));
        let fields = Fields::of(&columns);
        for (name, expected) in [
            ("A", vec![(0, true)]),
            ("a", vec![(0, false)]),
            ("STRASSE", vec![(1, false)]),
            ("strasse", vec![(1, false)]),
            ("Ét", vec![(2, false)]),
            ("b", vec![]),
        ] {
            assert_eq!(found(&fields, name), expected, "{name}");
        }
        let alike = Fields::of(&["AB", "ab"].map(|name| Column::new(name, Type::Int)));
        assert_eq!(found(&alike, "ab"), [(0, false), (1, true)]);
    }
}
