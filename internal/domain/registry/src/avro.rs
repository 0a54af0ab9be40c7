//! Avro schemas as data: how they are read, told in one way, and how one reads what another wrote.
//!
//! Written by hand, and not on a library's types: a library drops attributes that it does not know, which a registry has to
//! give back, and its check of compatibility does not look behind a name that is used in place of a definition, does not
//! know the aliases of named types, and ends at the first fault. The tests hold both against each other.

mod defaults;
mod evolve;
mod names;
mod parse;
mod print;

use std::collections::BTreeMap;

use crate::json::Json;

pub(crate) use evolve::{Incompatibility, incompatibilities};
pub(crate) use names::Name;

/// Attributes that the specification does not name, in the order they came. Logical types are among them.
pub(crate) type Extras = Vec<(String, Json)>;

/// A schema.
///
/// **Invariant:** every `Node::Named` in it is in `types`, where it was parsed strictly.
#[derive(Clone, Debug)]
pub(crate) struct Avro {
    pub(crate) root: Node,
    pub(crate) types: BTreeMap<Name, Named>,
}

/// A schema's place in the tree. What has a name is told by it, and defined once in [`Avro::types`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Primitive(Primitive, Extras),
    Array(Box<Node>, Extras),
    Map(Box<Node>, Extras),
    Union(Vec<Node>),
    Named(Name),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Primitive {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
}

/// A type with a name.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) doc: Option<String>,
    pub(crate) aliases: Vec<Name>,
    pub(crate) extras: Extras,
    pub(crate) shape: Shape,
    /// Whether another subject defines it, so that this schema only tells its name.
    pub(crate) is_foreign: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Record { fields: Vec<Field>, is_error: bool },
    Enum { symbols: Vec<String>, default: Option<String> },
    Fixed { size: u64 },
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) node: Node,
    pub(crate) doc: Option<String>,
    pub(crate) default: Option<Json>,
    pub(crate) order: Option<String>,
    pub(crate) aliases: Vec<String>,
    pub(crate) extras: Extras,
}

impl Primitive {
    const ALL: [(&'static str, Self); 8] = [
        ("null", Self::Null),
        ("boolean", Self::Boolean),
        ("int", Self::Int),
        ("long", Self::Long),
        ("float", Self::Float),
        ("double", Self::Double),
        ("bytes", Self::Bytes),
        ("string", Self::String),
    ];

    pub(crate) fn called(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, primitive)| *primitive)
    }

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

impl Avro {
    /// Reads a schema; `foreign` has the types of the subjects it refers to.
    ///
    /// # Errors
    /// When the text is no schema by the Avro specification. Where it `is_new`, also when it names a type that nobody
    /// defines, or a default does not fit; others were let in with that already.
    pub(crate) fn parse(text: &str, foreign: BTreeMap<Name, Named>, is_new: bool) -> Result<Self, String> {
        parse::schema(text, foreign, is_new)
    }

    /// Reads a schema without those that it refers to.
    pub(crate) fn parse_leniently(text: &str) -> Result<Self, String> {
        parse::schema(text, BTreeMap::new(), false)
    }

    /// The one way to tell this schema: no white space, attributes in a fixed order, names as short as can be.
    pub(crate) fn canonical(&self) -> String {
        print::schema(self, print::Style::AsWritten)
    }

    /// Told so that schemas which differ only in the order of attributes, or in where namespaces are said, are the same.
    pub(crate) fn normal(&self) -> String {
        print::schema(self, print::Style::Normal)
    }

    /// The types it defines, for those that refer to it.
    pub(crate) fn into_foreign(self) -> BTreeMap<Name, Named> {
        let foreign = |(name, named)| (name, Named { is_foreign: true, ..named });
        self.types.into_iter().map(foreign).collect()
    }
}

#[cfg(test)]
mod tests;
