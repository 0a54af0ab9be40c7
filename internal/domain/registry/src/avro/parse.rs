use std::collections::{BTreeMap, BTreeSet};

use super::names::{Name, is_legal};
use super::{Avro, Extras, Field, Named, Node, Primitive, Shape, defaults};
use crate::json::Json;

/// Attributes that the specification gives a meaning; all others are extras.
const OF_TYPES: &[&str] =
    &["type", "name", "namespace", "doc", "fields", "symbols", "size", "items", "values", "aliases"];
const OF_FIELDS: &[&str] = &["type", "name", "doc", "default", "order", "aliases"];

struct Parser {
    types: BTreeMap<Name, Named>,
    is_strict: bool,
}

pub(super) fn schema(text: &str, foreign: BTreeMap<Name, Named>, is_strict: bool) -> Result<Avro, String> {
    let json = Json::parse(text)?;
    let mut parser = Parser { types: foreign, is_strict };
    let root = parser.node(&json, "")?;
    let schema = Avro { root, types: parser.types };
    // Afterwards, for a default may be of a type that was not complete yet.
    if is_strict {
        defaults::check(&schema)?;
    }
    Ok(schema)
}

impl Parser {
    fn node(&mut self, json: &Json, space: &str) -> Result<Node, String> {
        match json {
            Json::Text(name) => self.by_name(name, Extras::new(), space),
            Json::List(branches) => self.union(branches, space),
            Json::Object(_) => self.object(json, space),
            other => Err(format!("{other} is no type")),
        }
    }

    fn by_name(&mut self, text: &str, extras: Extras, space: &str) -> Result<Node, String> {
        if let Some(primitive) = Primitive::called(text) {
            return Ok(Node::Primitive(primitive, extras));
        }
        let name = Name::within(text, space);
        if self.types.contains_key(&name) {
            return Ok(Node::Named(name));
        }
        // A type of no namespace may be meant, which a name without dots within a namespace can't say otherwise.
        let bare = Name::within(text, "");
        if self.types.contains_key(&bare) {
            return Ok(Node::Named(bare));
        }
        if self.is_strict { Err(format!("undefined name: '{name}'")) } else { Ok(Node::Named(name)) }
    }

    fn object(&mut self, json: &Json, space: &str) -> Result<Node, String> {
        let kind = match json.get("type") {
            Some(Json::Text(kind)) => kind,
            // What stands beside it would be lost; Java's library refuses it too.
            Some(inner) if !self.is_strict => return self.node(inner, space),
            _ => return Err(format!("no type: {json}")),
        };
        match kind.as_str() {
            "record" | "error" | "enum" | "fixed" => self.named(json, kind, space),
            "array" => {
                let items = json.get("items").ok_or("an array needs 'items'")?;
                Ok(Node::Array(self.node(items, space)?.into(), extras(json, OF_TYPES)))
            }
            "map" => {
                let values = json.get("values").ok_or("a map needs 'values'")?;
                Ok(Node::Map(self.node(values, space)?.into(), extras(json, OF_TYPES)))
            }
            name => self.by_name(name, extras(json, OF_TYPES), space),
        }
    }

    fn union(&mut self, branches: &[Json], space: &str) -> Result<Node, String> {
        let (mut nodes, mut seen) = (Vec::new(), BTreeSet::new());
        for branch in branches {
            let node = self.node(branch, space)?;
            let name = match &node {
                Node::Primitive(primitive, _) => primitive.name().to_owned(),
                Node::Array(..) => "array".to_owned(),
                Node::Map(..) => "map".to_owned(),
                Node::Named(name) => name.to_string(),
                Node::Union(_) => return Err("a union may not immediately contain another".to_owned()),
            };
            if !seen.insert(name.clone()) {
                return Err(format!("a union may not contain '{name}' twice"));
            }
            nodes.push(node);
        }
        Ok(Node::Union(nodes))
    }

    fn named(&mut self, json: &Json, kind: &str, space: &str) -> Result<Node, String> {
        let written =
            json.get("name").and_then(Json::as_text).ok_or_else(|| format!("no name in {kind}: {json}"))?;
        let space = json.get("namespace").and_then(Json::as_text).unwrap_or(space);
        let name = Name::within(written, space);
        let aliases: Vec<_> =
            texts(json, "aliases")?.iter().map(|alias| Name::within(alias, &name.space)).collect();
        if let Some(wrong) = aliases.iter().chain([&name]).find(|name| self.is_strict && !name.is_legal()) {
            return Err(format!(
                "illegal name '{wrong}'; letters, digits and '_' are allowed, and no digit first"
            ));
        }
        if self.types.contains_key(&name) {
            return Err(format!("can't redefine '{name}'"));
        }
        let reserved = if kind == "enum" { [OF_TYPES, &["default"]].concat() } else { OF_TYPES.to_vec() };
        let (doc, extras) = (doc(json), extras(json, &reserved));
        let empty = match kind {
            "enum" => enumeration(json)?,
            "fixed" => Shape::Fixed { size: size(json)? },
            _ => Shape::Record { fields: Vec::new(), is_error: kind == "error" },
        };
        // A record may contain itself, so its name is known before its fields are.
        self.types.insert(name.clone(), Named { doc, aliases, extras, shape: empty, is_foreign: false });
        if matches!(kind, "record" | "error") {
            self.fields(json, &name)?;
        }
        Ok(Node::Named(name))
    }

    fn fields(&mut self, json: &Json, record: &Name) -> Result<(), String> {
        let Some(Json::List(written)) = json.get("fields") else {
            return Err(format!("record '{record}' has no list of fields"));
        };
        let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
        for each in written {
            let field = self.field(each, record)?;
            if !seen.insert(field.name.clone()) {
                return Err(format!("record '{record}' has two fields '{}'", field.name));
            }
            all.push(field);
        }
        if let Some(Named { shape: Shape::Record { fields, .. }, .. }) = self.types.get_mut(record) {
            *fields = all;
        }
        Ok(())
    }

    fn field(&mut self, json: &Json, record: &Name) -> Result<Field, String> {
        let name = json.get("name").and_then(Json::as_text);
        let name = name.ok_or_else(|| format!("a field of record '{record}' has no name: {json}"))?;
        if !is_legal(name) {
            return Err(format!("illegal name '{name}' of a field of record '{record}'"));
        }
        let kind = json.get("type").ok_or_else(|| format!("field '{record}.{name}' has no type"))?;
        let order = json.get("order").map(|order| order.as_text().unwrap_or_default());
        if order.is_some_and(|order| !matches!(order, "ascending" | "descending" | "ignore")) {
            return Err(format!("field '{record}.{name}' has an order that is none"));
        }
        let order = order.filter(|order| *order != "ascending");
        Ok(Field {
            name: name.to_owned(),
            node: self.node(kind, &record.space).map_err(|why| within_field(record, name, why))?,
            doc: doc(json),
            default: json.get("default").cloned(),
            order: order.map(str::to_owned),
            aliases: texts(json, "aliases")?,
            extras: extras(json, OF_FIELDS),
        })
    }
}

/// Says the place once, at the innermost field.
fn within_field(record: &Name, field: &str, why: String) -> String {
    if why.starts_with("in field ") { why } else { format!("in field '{record}.{field}': {why}") }
}

fn enumeration(json: &Json) -> Result<Shape, String> {
    if json.get("symbols").is_none() {
        return Err("an enum needs 'symbols'".to_owned());
    }
    let symbols = texts(json, "symbols")?;
    let mut seen = BTreeSet::new();
    if let Some(symbol) = symbols.iter().find(|symbol| !is_legal(symbol)) {
        return Err(format!("illegal symbol '{symbol}'"));
    }
    if let Some(symbol) = symbols.iter().find(|symbol| !seen.insert(symbol.as_str())) {
        return Err(format!("symbol '{symbol}' comes twice"));
    }
    let default = json.get("default").and_then(Json::as_text).map(str::to_owned);
    if let Some(default) = default.as_ref().filter(|default| !symbols.contains(default)) {
        return Err(format!("the default '{default}' is no symbol of its enum"));
    }
    Ok(Shape::Enum { symbols, default })
}

fn size(json: &Json) -> Result<u64, String> {
    match json.get("size") {
        Some(Json::Number(size)) => size.as_u64().filter(|size| *size <= i32::MAX.unsigned_abs().into()),
        _ => None,
    }
    .ok_or_else(|| format!("fixed needs a 'size' in bytes: {json}"))
}

fn texts(json: &Json, attribute: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("'{attribute}' has to be a list of texts");
    match json.get(attribute) {
        None => Ok(Vec::new()),
        Some(Json::List(items)) => {
            items.iter().map(|item| item.as_text().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn doc(json: &Json) -> Option<String> {
    json.get("doc").and_then(Json::as_text).map(str::to_owned)
}

fn extras(json: &Json, reserved: &[&str]) -> Extras {
    let Json::Object(members) = json else { return Extras::new() };
    members.iter().filter(|(key, _)| !reserved.contains(&key.as_str())).cloned().collect()
}
