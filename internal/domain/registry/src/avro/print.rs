use std::collections::BTreeSet;

use super::{Avro, Extras, Field, Name, Named, Node, Primitive, Shape};
use crate::json::Json;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Attributes as the Java library tells them, extras in the order they came.
    AsWritten,
    /// Extras and aliases by name, and full names throughout.
    Normal,
}

struct Printer<'a> {
    schema: &'a Avro,
    style: Style,
    told: BTreeSet<&'a Name>,
}

pub(super) fn schema(schema: &Avro, style: Style) -> String {
    let mut printer = Printer { schema, style, told: BTreeSet::new() };
    printer.node(&schema.root, "").to_string()
}

type Members = Vec<(String, Json)>;

fn text(value: impl Into<String>) -> Json {
    Json::Text(value.into())
}

fn put(members: &mut Members, name: &str, value: Json) {
    members.push((name.to_owned(), value));
}

impl<'a> Printer<'a> {
    fn node(&mut self, node: &'a Node, space: &str) -> Json {
        match node {
            Node::Primitive(primitive, extras) => self.primitive(*primitive, extras),
            Node::Array(items, extras) => {
                let items = self.node(items, space);
                self.container("array", "items", items, extras)
            }
            Node::Map(values, extras) => {
                let values = self.node(values, space);
                self.container("map", "values", values, extras)
            }
            Node::Union(branches) => {
                Json::List(branches.iter().map(|branch| self.node(branch, space)).collect())
            }
            Node::Named(name) => self.named(name, space),
        }
    }

    fn primitive(&self, primitive: Primitive, extras: &Extras) -> Json {
        if extras.is_empty() {
            return text(primitive.name());
        }
        let mut members = vec![("type".to_owned(), text(primitive.name()))];
        self.extras(&mut members, extras);
        Json::Object(members)
    }

    fn container(&self, kind: &str, part: &str, node: Json, extras: &Extras) -> Json {
        let mut members = vec![("type".to_owned(), text(kind)), (part.to_owned(), node)];
        self.extras(&mut members, extras);
        Json::Object(members)
    }

    /// In full where it first comes, by its name from then on; a foreign type always by its name.
    fn named(&mut self, name: &'a Name, space: &str) -> Json {
        let short = if self.style == Style::Normal { name.to_string() } else { name.told_within(space) };
        match self.schema.types.get(name) {
            Some(named) if !named.is_foreign && self.told.insert(name) => self.definition(name, named, space),
            _ => text(short),
        }
    }

    fn definition(&mut self, name: &'a Name, named: &'a Named, space: &str) -> Json {
        let mut members = Members::new();
        let kind = match &named.shape {
            Shape::Record { is_error: true, .. } => "error",
            Shape::Record { .. } => "record",
            Shape::Enum { .. } => "enum",
            Shape::Fixed { .. } => "fixed",
        };
        put(&mut members, "type", text(kind));
        if self.style == Style::Normal {
            put(&mut members, "name", text(name.to_string()));
        } else {
            put(&mut members, "name", text(&name.simple));
            if name.space != space {
                put(&mut members, "namespace", text(&name.space));
            }
        }
        if let Some(doc) = &named.doc {
            put(&mut members, "doc", text(doc));
        }
        self.shape(&mut members, named, &name.space);
        self.extras(&mut members, &named.extras);
        let told = |alias: &Name| {
            if self.style == Style::Normal { alias.to_string() } else { alias.told_within(&name.space) }
        };
        self.aliases(&mut members, named.aliases.iter().map(told).collect());
        Json::Object(members)
    }

    fn shape(&mut self, members: &mut Members, named: &'a Named, space: &str) {
        match &named.shape {
            Shape::Record { fields, .. } => {
                let fields = fields.iter().map(|field| self.field(field, space)).collect();
                put(members, "fields", Json::List(fields));
            }
            Shape::Enum { symbols, default } => {
                put(members, "symbols", Json::List(symbols.iter().map(text).collect()));
                if let Some(default) = default {
                    put(members, "default", text(default));
                }
            }
            Shape::Fixed { size } => put(members, "size", Json::Number((*size).into())),
        }
    }

    fn field(&mut self, field: &'a Field, space: &str) -> Json {
        let mut members = vec![("name".to_owned(), text(&field.name))];
        put(&mut members, "type", self.node(&field.node, space));
        if let Some(doc) = &field.doc {
            put(&mut members, "doc", text(doc));
        }
        if let Some(default) = &field.default {
            let normal = self.style == Style::Normal;
            put(&mut members, "default", if normal { default.clone().sorted() } else { default.clone() });
        }
        if let Some(order) = &field.order {
            put(&mut members, "order", text(order));
        }
        self.aliases(&mut members, field.aliases.clone());
        self.extras(&mut members, &field.extras);
        Json::Object(members)
    }

    fn aliases(&self, members: &mut Members, mut aliases: Vec<String>) {
        if self.style == Style::Normal {
            aliases.sort();
        }
        if !aliases.is_empty() {
            put(members, "aliases", Json::List(aliases.into_iter().map(text).collect()));
        }
    }

    fn extras(&self, members: &mut Members, extras: &Extras) {
        if self.style == Style::Normal {
            if let Json::Object(sorted) = Json::Object(extras.clone()).sorted() {
                members.extend(sorted);
            }
        } else {
            members.extend(extras.iter().cloned());
        }
    }
}
