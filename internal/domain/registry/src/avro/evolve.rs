use std::collections::HashMap;
use std::fmt;

use super::{Avro, Field, Name, Named, Node, Primitive, Shape};

/// What keeps a reader from reading what a writer wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Incompatibility {
    pub(crate) kind: Kind,
    /// Where in the reader's schema, as a JSON pointer.
    pub(crate) place: String,
    pub(crate) detail: String,
}

/// Kinds of incompatibility, by the names that Java's library and so the clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    NameMismatch,
    FixedSizeMismatch,
    MissingEnumSymbols,
    ReaderFieldMissingDefaultValue,
    TypeMismatch,
    MissingUnionBranch,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameMismatch => "NAME_MISMATCH",
            Self::FixedSizeMismatch => "FIXED_SIZE_MISMATCH",
            Self::MissingEnumSymbols => "MISSING_ENUM_SYMBOLS",
            Self::ReaderFieldMissingDefaultValue => "READER_FIELD_MISSING_DEFAULT_VALUE",
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::MissingUnionBranch => "MISSING_UNION_BRANCH",
        })
    }
}

impl Kind {
    /// A sentence for people. `reader` and `writer` say which schema is which.
    pub(crate) fn told(self, reader: &str, writer: &str, detail: &str) -> String {
        match self {
            Self::NameMismatch => format!("the {reader} schema has another name than the {writer} one"),
            Self::FixedSizeMismatch => {
                format!("the {reader} schema has a fixed of another size than the {writer} one")
            }
            Self::MissingEnumSymbols => {
                format!(
                    "the {reader} schema lacks the symbols {detail} that the {writer} one has, and has no default"
                )
            }
            Self::ReaderFieldMissingDefaultValue => {
                format!(
                    "the field '{detail}' of the {reader} schema is not in the {writer} one and has no default"
                )
            }
            Self::TypeMismatch => {
                format!("the {reader} schema has a type that can't read the {writer} one's")
            }
            Self::MissingUnionBranch => {
                format!("the union of the {reader} schema lacks a type that the {writer} one has")
            }
        }
    }
}

/// Everything that keeps `reader` from reading **all** that `writer` can write; nothing means that it can.
///
/// The rules are those of "Schema Resolution" in the Avro specification, as Java's `SchemaCompatibility` applies them:
/// names are compared without their namespaces, a reader's aliases count, and logical types are looked through.
pub(crate) fn incompatibilities(reader: &Avro, writer: &Avro) -> Vec<Incompatibility> {
    let mut check = Check { reader, writer, known: HashMap::new() };
    check.nodes(&reader.root, &writer.root, "")
}

struct Check<'a> {
    reader: &'a Avro,
    writer: &'a Avro,
    /// By reader's and writer's type; a pair that is being looked at counts as compatible, for recursion's sake.
    known: HashMap<(&'a Name, &'a Name), Vec<Incompatibility>>,
}

fn one(kind: Kind, place: String, detail: String) -> Vec<Incompatibility> {
    let place = if place.is_empty() { "/".to_owned() } else { place };
    vec![Incompatibility { kind, place, detail }]
}

impl<'a> Check<'a> {
    fn nodes(&mut self, reader: &'a Node, writer: &'a Node, place: &str) -> Vec<Incompatibility> {
        match (reader, writer) {
            (Node::Union(_), Node::Union(branches)) => {
                let each = |(at, branch)| self.branch(reader, branch, &format!("{place}/{at}"));
                branches.iter().enumerate().flat_map(each).collect()
            }
            // Whatever was written has to be readable, so every branch does.
            (_, Node::Union(branches)) => {
                let each = |(at, branch)| self.nodes(reader, branch, &format!("{place}/{at}"));
                branches.iter().enumerate().flat_map(each).collect()
            }
            (Node::Union(_), _) => self.branch(reader, writer, place),
            (Node::Array(reader, _), Node::Array(writer, _)) => {
                self.nodes(reader, writer, &format!("{place}/items"))
            }
            (Node::Map(reader, _), Node::Map(writer, _)) => {
                self.nodes(reader, writer, &format!("{place}/values"))
            }
            (Node::Primitive(reader, _), Node::Primitive(writer, _)) if reads(*reader, *writer) => Vec::new(),
            (Node::Named(reader), Node::Named(writer)) => self.named(reader, writer, place),
            _ => {
                let (reader, writer) = (kind_of(reader, self.reader), kind_of(writer, self.writer));
                let detail = format!("reader type: {reader} not compatible with writer type: {writer}");
                one(Kind::TypeMismatch, place.to_owned(), detail)
            }
        }
    }

    /// Whether a reader's union has a branch for what was written.
    fn branch(&mut self, reader: &'a Node, writer: &'a Node, place: &str) -> Vec<Incompatibility> {
        let Node::Union(branches) = reader else { return Vec::new() };
        if branches.iter().any(|branch| self.nodes(branch, writer, place).is_empty()) {
            return Vec::new();
        }
        let detail = format!("reader union lacking writer type: {}", kind_of(writer, self.writer));
        one(Kind::MissingUnionBranch, place.to_owned(), detail)
    }

    fn named(&mut self, reader: &'a Name, writer: &'a Name, place: &str) -> Vec<Incompatibility> {
        if let Some(found) = self.known.get(&(reader, writer)) {
            return found.clone();
        }
        self.known.insert((reader, writer), Vec::new());
        let found = self.definitions(reader, writer, place);
        self.known.insert((reader, writer), found.clone());
        found
    }

    fn definitions(&mut self, reader: &'a Name, writer: &'a Name, place: &str) -> Vec<Incompatibility> {
        let (Some(read), Some(written)) = (self.reader.types.get(reader), self.writer.types.get(writer))
        else {
            let same = reader == writer;
            let detail = format!("the definition of '{reader}' or '{writer}' is not known");
            return if same { Vec::new() } else { one(Kind::TypeMismatch, place.to_owned(), detail) };
        };
        let mut found = Vec::new();
        match (&read.shape, &written.shape) {
            (Shape::Record { fields: read_fields, .. }, Shape::Record { fields: written_fields, .. }) => {
                found.extend(name_mismatch(reader, read, writer, place));
                found.extend(self.fields(read_fields, written_fields, place));
            }
            (Shape::Enum { symbols: known, default }, Shape::Enum { symbols: written, .. }) => {
                found.extend(name_mismatch(reader, read, writer, place));
                found.extend(missing_symbols(known, default.as_ref(), written, place));
            }
            (Shape::Fixed { size: read_size }, Shape::Fixed { size: written_size }) => {
                found.extend(name_mismatch(reader, read, writer, place));
                if read_size != written_size {
                    let detail = format!("expected: {written_size}, found: {read_size}");
                    found.extend(one(Kind::FixedSizeMismatch, format!("{place}/size"), detail));
                }
            }
            (read, written) => {
                let (read, written) = (shape_name(read), shape_name(written));
                let detail = format!("reader type: {read} not compatible with writer type: {written}");
                found.extend(one(Kind::TypeMismatch, place.to_owned(), detail));
            }
        }
        found
    }

    fn fields(&mut self, reader: &'a [Field], writer: &'a [Field], place: &str) -> Vec<Incompatibility> {
        let mut found = Vec::new();
        for (at, field) in reader.iter().enumerate() {
            let place = format!("{place}/fields/{at}");
            match written_as(field, writer).as_slice() {
                [written] => found.extend(self.nodes(&field.node, &written.node, &format!("{place}/type"))),
                [] if field.default.is_some() => {}
                [] => found.extend(one(Kind::ReaderFieldMissingDefaultValue, place, field.name.clone())),
                several => {
                    let names: Vec<_> = several.iter().map(|written| written.name.as_str()).collect();
                    let detail = format!(
                        "reader field {} matches several writer fields: {}",
                        field.name,
                        names.join(" and ")
                    );
                    found.extend(one(Kind::TypeMismatch, place, detail));
                }
            }
        }
        found
    }
}

/// The writer's fields that a reader's may take its value from: of the same name, or of one of the reader's aliases. With
/// several, readers differ in which they take, and Java's refuse.
fn written_as<'a>(field: &Field, writer: &'a [Field]) -> Vec<&'a Field> {
    writer
        .iter()
        .filter(|written| written.name == field.name || field.aliases.contains(&written.name))
        .collect()
}

/// Names match without their namespaces, or where a reader's alias is the writer's full name.
fn name_mismatch(reader: &Name, read: &Named, writer: &Name, place: &str) -> Vec<Incompatibility> {
    if reader.simple == writer.simple || read.aliases.contains(writer) {
        return Vec::new();
    }
    one(Kind::NameMismatch, format!("{place}/name"), format!("expected: {writer}"))
}

fn missing_symbols(
    known: &[String],
    default: Option<&String>,
    written: &[String],
    place: &str,
) -> Vec<Incompatibility> {
    let missing: Vec<_> =
        written.iter().filter(|symbol| !known.contains(symbol)).map(String::as_str).collect();
    if missing.is_empty() || default.is_some() {
        return Vec::new();
    }
    one(Kind::MissingEnumSymbols, format!("{place}/symbols"), format!("[{}]", missing.join(", ")))
}

/// Whether a primitive reads another, by itself or by promotion.
fn reads(reader: Primitive, writer: Primitive) -> bool {
    use Primitive::{Bytes, Double, Float, Int, Long, String};
    reader == writer
        || matches!(
            (reader, writer),
            (Long, Int)
                | (Float, Int | Long)
                | (Double, Int | Long | Float)
                | (Bytes, String)
                | (String, Bytes)
        )
}

fn kind_of(node: &Node, schema: &Avro) -> String {
    match node {
        Node::Primitive(primitive, _) => primitive.name().to_uppercase(),
        Node::Array(..) => "ARRAY".to_owned(),
        Node::Map(..) => "MAP".to_owned(),
        Node::Union(_) => "UNION".to_owned(),
        Node::Named(name) => {
            schema.types.get(name).map_or("UNKNOWN", |named| shape_name(&named.shape)).to_owned()
        }
    }
}

fn shape_name(shape: &Shape) -> &'static str {
    match shape {
        Shape::Record { .. } => "RECORD",
        Shape::Enum { .. } => "ENUM",
        Shape::Fixed { .. } => "FIXED",
    }
}
