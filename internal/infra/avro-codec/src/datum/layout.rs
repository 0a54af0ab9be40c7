use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, UuidSchema};

/// Where a node stands in its [`Layout`].
pub(super) type Place = usize;

/// A schema as a list of nodes that name each other by place, so that a schema may hold itself.
///
/// **Invariant:** the root is at place 0, and every place that a node names is in the list.
pub(crate) struct Layout {
    nodes: Vec<Node>,
    /// A string's, for the keys of maps.
    text: Place,
}

/// How one schema is laid out in bytes.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(Vec<String>),
    Array(Place),
    Map(Place),
    Union(Vec<Branch>),
    Record(Vec<Field>),
    Decimal { scale: u32, precision: usize, width: Option<usize> },
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) place: Place,
}

/// One of a union's schemas; its name is that of its type, such as `string`, or the last part of its own.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) name: String,
    pub(super) place: Place,
}

impl Layout {
    /// Compiles a schema.
    ///
    /// # Errors
    /// A sentence, when the text is no Avro schema or refers to one that it does not hold.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let schema = Schema::parse_str(text).map_err(|error| error.to_string())?;
        let mut compiler = Compiler::default();
        compiler.place(&schema)?;
        let text = compiler.place(&Schema::String)?;
        Ok(Self { nodes: compiler.nodes, text })
    }

    pub(super) const fn text(&self) -> Place {
        self.text
    }

    /// Whether its values are records, maybe null.
    pub(crate) fn is_record(&self) -> bool {
        let is_record = |place| matches!(self.node(place), Node::Record(_));
        match self.node(0) {
            Node::Union(branches) => branches.iter().any(|branch| is_record(branch.place)),
            _ => is_record(0),
        }
    }

    /// Whether every value that is a record is one of the same fields.
    pub(crate) fn is_one_record(&self) -> bool {
        let is_record = |place| matches!(self.node(place), Node::Record(_));
        match self.node(0) {
            Node::Union(branches) => branches.iter().filter(|branch| is_record(branch.place)).count() == 1,
            _ => is_record(0),
        }
    }

    #[inline]
    pub(super) fn node(&self, place: Place) -> &Node {
        self.nodes.get(place).unwrap_or(&Node::Null)
    }
}

#[derive(Default)]
struct Compiler {
    nodes: Vec<Node>,
    named: HashMap<Name, Place>,
}

impl Compiler {
    /// Compiles a schema and what is in it. A named one gets its place before its parts are looked at: they may refer to it.
    fn place(&mut self, schema: &Schema) -> Result<Place, String> {
        if let Schema::Ref { name } = schema {
            return self
                .named
                .get(name)
                .copied()
                .ok_or_else(|| format!("it refers to {name}, which it does not hold"));
        }
        let place = self.nodes.len();
        self.nodes.push(Node::Null);
        if let Some(name) = schema.name() {
            self.named.insert(name.clone(), place);
        }
        let node = self.node(schema)?;
        if let Some(slot) = self.nodes.get_mut(place) {
            *slot = node;
        }
        Ok(place)
    }

    fn node(&mut self, schema: &Schema) -> Result<Node, String> {
        Ok(match schema {
            Schema::Null => Node::Null,
            Schema::Boolean => Node::Boolean,
            Schema::Int | Schema::Date | Schema::TimeMillis => Node::Int,
            Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Node::Long,
            Schema::Float => Node::Float,
            Schema::Double => Node::Double,
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Node::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Node::String,
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                Node::Fixed(fixed.size)
            }
            Schema::Enum(symbols) => Node::Enum(symbols.symbols.clone()),
            Schema::Array(array) => Node::Array(self.place(&array.items)?),
            Schema::Map(map) => Node::Map(self.place(&map.types)?),
            Schema::Union(union) => Node::Union(
                union.variants().iter().map(|variant| self.branch(variant)).collect::<Result<_, _>>()?,
            ),
            Schema::Record(record) => Node::Record(
                record
                    .fields
                    .iter()
                    .map(|field| Ok(Field { name: field.name.clone(), place: self.place(&field.schema)? }))
                    .collect::<Result<_, String>>()?,
            ),
            Schema::Decimal(decimal) => Node::Decimal {
                scale: u32::try_from(decimal.scale).map_err(|_| "a decimal's scale is too large")?,
                precision: decimal.precision,
                width: match &decimal.inner {
                    InnerDecimalSchema::Bytes => None,
                    InnerDecimalSchema::Fixed(fixed) => Some(fixed.size),
                },
            },
            Schema::Ref { name } => return Err(format!("it refers to {name}, which it does not hold")),
        })
    }

    fn branch(&mut self, schema: &Schema) -> Result<Branch, String> {
        let place = self.place(schema)?;
        let named = match schema {
            Schema::Ref { name } => Some(name),
            other => other.name(),
        };
        let name = named.map_or_else(|| self.kind(place).to_owned(), |name| name.name().to_owned());
        Ok(Branch { name, place })
    }

    fn kind(&self, place: Place) -> &'static str {
        match self.nodes.get(place) {
            Some(Node::Boolean) => "boolean",
            Some(Node::Int) => "int",
            Some(Node::Long) => "long",
            Some(Node::Float) => "float",
            Some(Node::Double) => "double",
            Some(Node::Bytes | Node::Decimal { .. }) => "bytes",
            Some(Node::String) => "string",
            Some(Node::Array(_)) => "array",
            Some(Node::Map(_)) => "map",
            _ => "null",
        }
    }
}
