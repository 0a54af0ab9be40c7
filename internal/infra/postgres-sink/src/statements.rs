//! The SQL that a table is made, changed and written with.

use std::collections::BTreeMap;

use millstream_model::Type;

use crate::layout::Cell;

/// The columns that a table has, with their types as PostgreSQL writes them.
pub(crate) type Known = BTreeMap<String, String>;

pub(crate) const CREATE_POSITIONS: &str = "create table if not exists millstream_positions (
  table_name text not null, topic text not null, \"partition\" integer not null, next_offset bigint not null,
  updated_at timestamp with time zone not null default now(), primary key (table_name, topic, \"partition\"))";

pub(crate) const POSITIONS: &str =
    "select \"partition\", next_offset from millstream_positions where table_name = $1 and topic = $2";

/// Moves on what is where it should be; the number of rows tells whether all were.
pub(crate) const ADVANCE: &str =
    "update millstream_positions as p set next_offset = r.next, updated_at = now()
  from unnest($3::integer[], $4::bigint[], $5::bigint[]) as r(number, at, next)
  where p.table_name = $1 and p.topic = $2 and p.\"partition\" = r.number and p.next_offset = r.at";

/// Begins what is not there yet; the number of rows tells whether it was not.
pub(crate) const BEGIN: &str = "insert into millstream_positions (table_name, topic, \"partition\", next_offset)
  select $1, $2, r.number, r.next from unnest($3::integer[], $4::bigint[]) as r(number, next) on conflict do nothing";

pub(crate) const COLUMNS: &str = "select a.attname::text, format_type(a.atttypid, a.atttypmod)
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = current_schema() and c.relname = $1 and a.attnum > 0 and not a.attisdropped";

/// A name as an identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn type_name(ty: &Type) -> String {
    match ty {
        Type::Boolean => "boolean".to_owned(),
        Type::Int => "integer".to_owned(),
        Type::Bigint => "bigint".to_owned(),
        Type::Double => "double precision".to_owned(),
        Type::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
        Type::String => "text".to_owned(),
        Type::Bytes => "bytea".to_owned(),
        Type::Timestamp => "timestamp(6) with time zone".to_owned(),
        Type::Date => "date".to_owned(),
        Type::Time => "time(3)".to_owned(),
        Type::Array(_) | Type::Map(..) | Type::Struct(_) => "jsonb".to_owned(),
    }
}

pub(crate) fn create(table: &str, key: &[Cell], value: &[&Cell]) -> String {
    let column = |cell: &Cell, may_be_null: &str| {
        format!("{} {}{may_be_null}", quoted(&cell.name), type_name(&cell.ty))
    };
    let columns =
        key.iter().map(|cell| column(cell, " not null")).chain(value.iter().map(|cell| column(cell, "")));
    let names: Vec<_> = key.iter().map(|cell| quoted(&cell.name)).collect();
    let columns: Vec<_> = columns.chain([format!("primary key ({})", names.join(", "))]).collect();
    format!("create table if not exists {} ({})", quoted(table), columns.join(", "))
}

/// What a table lacks of a row's columns: those that are not there, and those that are too narrow.
pub(crate) fn alterations<'c>(
    table: &str,
    known: &Known,
    cells: impl Iterator<Item = &'c Cell>,
) -> Option<String> {
    let changes: Vec<_> = cells.filter_map(|cell| change(known, cell)).collect();
    (!changes.is_empty()).then(|| format!("alter table {} {}", quoted(table), changes.join(", ")))
}

fn change(known: &Known, cell: &Cell) -> Option<String> {
    let (name, wanted) = (quoted(&cell.name), type_name(&cell.ty));
    match known.get(&cell.name) {
        None => Some(format!("add column if not exists {name} {wanted}")),
        Some(has) if is_narrower(has, &cell.ty) => Some(format!("alter column {name} type {wanted}")),
        Some(_) => None,
    }
}

/// Whether a column of type `has` can be made one of `wanted` without loss, and has to be.
fn is_narrower(has: &str, wanted: &Type) -> bool {
    match wanted {
        Type::Bigint => has == "integer",
        Type::Double => has == "real",
        Type::Decimal { precision, scale } => digits(has).is_some_and(|(has_precision, has_scale)| {
            (has_precision, has_scale) != (*precision, *scale)
                && has_scale <= *scale
                && has_precision - has_scale.min(has_precision) <= precision.saturating_sub(*scale)
        }),
        _ => false,
    }
}

/// Precision and scale of `numeric(12,2)`.
fn digits(name: &str) -> Option<(u8, u8)> {
    let (precision, scale) = name.strip_prefix("numeric(")?.strip_suffix(')')?.split_once(',')?;
    Some((precision.parse().ok()?, scale.parse().ok()?))
}

/// Writes rows given as one array of texts a column: the key's, then the value's.
pub(crate) fn upsert(table: &str, known: &Known, key: &[Cell], value: &[&Cell]) -> String {
    let all: Vec<&Cell> = key.iter().chain(value.iter().copied()).collect();
    let names: Vec<_> = all.iter().map(|cell| quoted(&cell.name)).collect();
    let terms: Vec<_> = all.iter().enumerate().map(|(place, cell)| term(known, place, cell)).collect();
    let keys: Vec<_> = key.iter().map(|cell| quoted(&cell.name)).collect();
    let sets: Vec<_> =
        value.iter().map(|cell| quoted(&cell.name)).map(|name| format!("{name} = excluded.{name}")).collect();
    let on_conflict =
        if sets.is_empty() { "nothing".to_owned() } else { format!("update set {}", sets.join(", ")) };
    format!(
        "insert into {} ({}) select {} from {} on conflict ({}) do {on_conflict}",
        quoted(table),
        names.join(", "),
        terms.join(", "),
        given(all.len()),
        keys.join(", ")
    )
}

/// Deletes the rows whose keys are given as one array of texts a column.
pub(crate) fn delete(table: &str, known: &Known, key: &[Cell]) -> String {
    let conditions = key
        .iter()
        .enumerate()
        .map(|(place, cell)| format!("t.{} = {}", quoted(&cell.name), term(known, place, cell)));
    let conditions: Vec<_> = conditions.collect();
    format!(
        "delete from {} as t using {} where {}",
        quoted(table),
        given(key.len()),
        conditions.join(" and ")
    )
}

fn given(columns: usize) -> String {
    let arrays: Vec<_> = (1..=columns).map(|number| format!("${number}::text[]")).collect();
    let names: Vec<_> = (0..columns).map(|place| format!("c{place}")).collect();
    format!("unnest({}) as r({})", arrays.join(", "), names.join(", "))
}

/// The text of a column as a value of the type that the table's column has.
fn term(known: &Known, place: usize, cell: &Cell) -> String {
    let wanted = type_name(&cell.ty);
    let has = known.get(&cell.name).map_or(wanted.as_str(), String::as_str);
    match &cell.ty {
        Type::Timestamp => {
            format!("(timestamptz 'epoch' + r.c{place}::bigint * interval '1 millisecond')::{has}")
        }
        Type::String if has == "text" => format!("r.c{place}"),
        _ => format!("r.c{place}::{has}"),
    }
}

#[cfg(test)]
mod tests {
    use millstream_model::Column;

    use super::*;
    use crate::layout::Layout;

    fn cells(columns: &[(&str, Type)]) -> Vec<Cell> {
        let columns: Vec<_> = columns.iter().map(|(name, ty)| Column::new(*name, ty.clone())).collect();
        Layout::of(&columns, "key").unwrap().columns
    }

    #[test]
    fn a_column_is_made_wider_and_never_narrower() {
        let numeric = |precision, scale| Type::Decimal { precision, scale };
        for (has, wanted, changes) in [
            ("integer", Type::Bigint, true),
            ("bigint", Type::Int, false),
            ("bigint", Type::Bigint, false),
            ("text", Type::Bigint, false),
            ("numeric(12,2)", numeric(12, 2), false),
            ("numeric(12,2)", numeric(14, 2), true),
            ("numeric(12,2)", numeric(14, 4), true),
            ("numeric(12,2)", numeric(12, 4), false),
            ("numeric(12,2)", numeric(10, 2), false),
            ("numeric", numeric(10, 2), false),
        ] {
            assert_eq!(is_narrower(has, &wanted), changes, "{has} to {wanted}");
        }
    }

    #[test]
    fn identifiers_are_quoted() {
        let key = cells(&[("a\"b", Type::Int)]);
        assert_eq!(
            create("t", &key, &[]),
            "create table if not exists \"t\" (\"a\"\"b\" integer not null, primary key (\"a\"\"b\"))"
        );
        assert_eq!(
            delete("t", &Known::new(), &key),
            "delete from \"t\" as t using unnest($1::text[]) as r(c0) where t.\"a\"\"b\" = r.c0::integer"
        );
    }

    #[test]
    fn a_row_of_nothing_but_its_key_is_there() {
        let sql = upsert("t", &Known::new(), &cells(&[("ID", Type::String)]), &[]);
        assert!(sql.ends_with("on conflict (\"id\") do nothing"), "{sql}");
    }
}
