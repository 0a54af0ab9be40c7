//! From statements to plans: what a rule reads, does and writes, with every name resolved.

mod aggregate;
mod explain;
mod explode;
mod graph;
mod insert;
mod join;
mod letters;
mod query;
mod selection;
mod shape;
mod sink;
mod transient;
mod with;

use std::collections::BTreeSet;

use millstream_model::{Type, Value};

use crate::ast::{
    At, ColumnDef, CreateAs, CreateSource, DropSource, Expr, IfExists, InsertSelect, SourceKind, Statement,
};
use crate::bind::{Scope, Typed, bind};
use crate::catalog::{Catalog, SchemaSource, Source};
use crate::diagnostic::{Diagnostic, Span};
use crate::eval::Bound;
use crate::parse::parse;
pub use explain::explain;
pub use graph::{Act, Entry, OnNull, QueryPlan, Step, Windows, Wire};
pub use shape::{Shape, Sided, Verdict};
pub use transient::{Asking, ask};

/// A rule that runs: a source that is kept filled from others.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name: that of what it fills, with a number behind it where others fill it too.
    pub name: String,
    /// What it fills.
    pub sink: Source,
    /// How.
    pub query: QueryPlan,
    /// How often a record takes effect, where a setting before it says so.
    pub guarantee: Option<Guarantee>,
    /// After how many milliseconds without a record its windows close by the clock, where a setting before it says so.
    pub idle_ms: Option<u64>,
    /// Whether it begins where its streams end when it first runs, as a setting before it says.
    pub is_from_end: bool,
    /// Whether each change of a group is told, of those that came together too, as a setting before it says.
    pub tells_each_change: bool,
    /// Where its statement names what it fills.
    pub span: Span,
}

/// How often a record takes effect when a rule is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guarantee {
    /// Every record does, and after an interruption some do so again.
    AtLeastOnce,
    /// Every record does once, for readers of committed records.
    ExactlyOnce,
}

impl Guarantee {
    /// What ksqlDB's property `processing.guarantee` calls it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "at_least_once" => Some(Self::AtLeastOnce),
            "exactly_once" | "exactly_once_beta" | "exactly_once_v2" => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// A row that a statement writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Insertion {
    /// Where to.
    pub sink: Source,
    /// Its key columns.
    pub key: Vec<Value>,
    /// Its value columns.
    pub value: Vec<Value>,
    /// Its time in milliseconds since 1970, where that was said.
    pub timestamp: Option<i64>,
    /// Where its statement names what it writes to.
    pub span: Span,
}

/// What statements ask for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The rules to run.
    pub rules: Vec<Rule>,
    /// The rows to write, in order.
    pub insertions: Vec<Insertion>,
}

/// Plans every statement of a text against `catalog`, which gains the sources that it creates, and finds all mistakes.
pub fn plan(text: &str, catalog: &mut Catalog, schemas: &dyn SchemaSource) -> (Plan, Vec<Diagnostic>) {
    let (statements, mut mistakes) = parse(text, &mut catalog.types);
    let mut planner = Planner { catalog, schemas, failed: BTreeSet::new(), plan: Plan::default() };
    for statement in &statements {
        mistakes.extend(planner.statement(&statement.node));
    }
    mistakes.sort_by_key(|mistake| mistake.span);
    (planner.plan, mistakes)
}

type Planned<T> = Result<T, Vec<Diagnostic>>;

struct Planner<'a> {
    catalog: &'a mut Catalog,
    schemas: &'a dyn SchemaSource,
    /// Sources whose own statement is wrong; that they are missing is not said once more.
    failed: BTreeSet<String>,
    plan: Plan,
}

impl Planner<'_> {
    fn statement(&mut self, statement: &Statement) -> Vec<Diagnostic> {
        let one = |mistake: Option<Diagnostic>| mistake.into_iter().collect();
        match statement {
            Statement::Unreadable(name) => {
                self.failed.extend(name.clone());
                Vec::new()
            }
            Statement::CreateSource(create) => self.source(create),
            Statement::CreateAs(create) => self.rule(create),
            Statement::InsertSelect(insert) => self.insert_select(insert),
            Statement::InsertValues(insert) => match insert::values(insert, self) {
                Ok(insertion) => {
                    self.plan.insertions.push(insertion);
                    Vec::new()
                }
                Err(mistakes) => mistakes,
            },
            Statement::DropSource(drop) => one(self.drop_source(drop).err()),
            Statement::Alter(kind, name, added) => one(self.alter(*kind, name, added).err()),
            Statement::Set(property, value) => one(set(self.catalog, property, value.as_ref()).err()),
            Statement::CreateType(..) | Statement::DropType(..) | Statement::Ask(_) => Vec::new(),
        }
    }

    fn source(&mut self, create: &CreateSource) -> Vec<Diagnostic> {
        match self.is_wanted(create.if_exists, create.kind, &create.name) {
            Ok(false) => return Vec::new(),
            Err(mistake) => return vec![mistake],
            Ok(true) => {}
        }
        if create.is_read_only && create.if_exists == IfExists::Replace {
            let said = "a SOURCE is not replaced, for nothing else was ever said of its topic";
            return vec![Diagnostic::new(create.name.span, said).help("drop it first")];
        }
        let declared = sink::declared(create, self.catalog, self.schemas);
        match declared.and_then(|source| self.replacing(source, &create.name)) {
            Ok(source) => {
                self.catalog.insert(source);
                Vec::new()
            }
            Err(mistake) => self.fail(&create.name, vec![mistake]),
        }
    }

    fn rule(&mut self, create: &CreateAs) -> Vec<Diagnostic> {
        match self.is_wanted(create.if_exists, create.kind, &create.name) {
            Ok(false) => return Vec::new(),
            Err(mistake) => return vec![mistake],
            Ok(true) => {}
        }
        let planned = query::query(&create.query, create.kind, self).and_then(|body| {
            let filled = sink::filled(create, &body, self.catalog, self.schemas);
            let (sink, time) = filled.map_err(|mistake| vec![mistake])?;
            let sink = self.replacing(sink, &create.name).map_err(|mistake| vec![mistake])?;
            let others = insert::union(&create.query, &sink, time.as_ref(), self)?;
            let query = others.into_iter().fold(body.into_plan(time), QueryPlan::with).numbered();
            Ok(self.as_set(sink.name.clone(), sink, query, create.name.span))
        });
        match planned {
            Ok(rule) => {
                if let Err(mistake) = self.know_dead_letters(&rule, &create.name) {
                    return vec![mistake];
                }
                self.catalog.insert(rule.sink.clone());
                self.plan.rules.retain(|other| other.name != rule.name);
                self.plan.rules.push(rule);
                Vec::new()
            }
            Err(mistakes) => self.fail(&create.name, mistakes),
        }
    }

    fn insert_select(&mut self, insert: &InsertSelect) -> Vec<Diagnostic> {
        match insert::select(insert, self) {
            Ok((sink, query)) => {
                let count = self.plan.rules.iter().filter(|rule| rule.sink.name == sink.name).count();
                let name = format!("{}_{}", sink.name, count + 1);
                let rule = self.as_set(name, sink, query, insert.target.span);
                self.plan.rules.push(rule);
                Vec::new()
            }
            Err(mistakes) => mistakes,
        }
    }

    /// A rule that runs as the settings before it say.
    fn as_set(&self, name: String, sink: Source, query: QueryPlan, span: Span) -> Rule {
        let (guarantee, idle_ms) = (self.catalog.guarantee(), self.catalog.idle_ms());
        let is_from_end = self.catalog.is_from_end();
        let tells_each_change = self.catalog.tells_each_change();
        Rule { name, sink, query, guarantee, idle_ms, is_from_end, tells_each_change, span }
    }

    fn drop_source(&mut self, drop: &DropSource) -> Result<(), Diagnostic> {
        let name = &drop.name;
        let Some(known) = self.catalog.get(&name.node) else {
            let said = Diagnostic::new(name.span, format!("there is no {} {}", drop.kind, name.node));
            return if drop.if_exists {
                Ok(())
            } else {
                Err(said.help("write IF EXISTS where it may be missing"))
            };
        };
        if known.kind != drop.kind {
            let said = format!("{} is a {}, not a {}", name.node, known.kind, drop.kind);
            return Err(Diagnostic::new(name.span, said));
        }
        if known.is_read_only && drop.delete_topic {
            return Err(Diagnostic::new(name.span, "the topic of a SOURCE is somebody else's")
                .help("leave DELETE TOPIC out"));
        }
        let reads = |rule: &&Rule| rule.query.sources().iter().any(|source| source.name == name.node);
        if let Some(rule) = self.plan.rules.iter().find(reads) {
            let said = format!("{} is read by {}", name.node, rule.name);
            return Err(Diagnostic::new(name.span, said).help("drop that first"));
        }
        self.plan.rules.retain(|rule| rule.sink.name != name.node);
        self.catalog.remove(&name.node);
        self.forget_dead_letters(&name.node);
        Ok(())
    }

    fn alter(&mut self, kind: SourceKind, name: &At<String>, added: &[ColumnDef]) -> Result<(), Diagnostic> {
        let Some(known) = self.catalog.get(&name.node) else {
            return Err(Diagnostic::new(name.span, format!("there is no {kind} {}", name.node)));
        };
        let mut source = known.clone();
        if source.kind != kind {
            return Err(Diagnostic::new(
                name.span,
                format!("{} is a {}, not a {kind}", name.node, source.kind),
            ));
        }
        if source.is_read_only {
            return Err(Diagnostic::new(
                name.span,
                format!("{} is a SOURCE, which is not altered", name.node),
            ));
        }
        if self.plan.rules.iter().any(|rule| rule.sink.name == name.node) {
            return Err(Diagnostic::new(
                name.span,
                format!("the columns of {} are those of its query", name.node),
            )
            .help("write CREATE OR REPLACE"));
        }
        for column in added {
            let is_known = |known: &&millstream_model::Column| known.name == column.name.node;
            if source.key.iter().chain(&source.value).any(|known| is_known(&known)) {
                let said = format!("{} has a column {} already", name.node, column.name.node);
                return Err(Diagnostic::new(column.name.span, said));
            }
            source.value.push(millstream_model::Column::new(column.name.node.as_str(), column.ty.clone()));
        }
        self.catalog.insert(source);
        Ok(())
    }

    fn fail(&mut self, name: &At<String>, mistakes: Vec<Diagnostic>) -> Vec<Diagnostic> {
        self.failed.insert(name.node.clone());
        mistakes
    }

    /// Whether a source is to be created: not when there is one that is to be kept.
    fn is_wanted(
        &self,
        if_exists: IfExists,
        kind: SourceKind,
        name: &At<String>,
    ) -> Result<bool, Diagnostic> {
        let Some(known) = self.catalog.get(&name.node) else { return Ok(true) };
        match if_exists {
            IfExists::Keep => Ok(false),
            IfExists::Replace if known.is_read_only => {
                let said = format!("{} is a SOURCE, which is not replaced", name.node);
                Err(Diagnostic::new(name.span, said).help("drop it first"))
            }
            IfExists::Replace if known.kind == kind => Ok(true),
            IfExists::Replace => {
                let said = format!("{} exists, and is a {}", name.node, known.kind);
                Err(Diagnostic::new(name.span, said).help("give it another name"))
            }
            IfExists::Refuse => {
                let said = format!("a {} called {} exists", known.kind, name.node);
                Err(Diagnostic::new(name.span, said).help("give it another name, or write CREATE OR REPLACE"))
            }
        }
    }

    /// A source that takes the place of another has its topic, formats and columns, and maybe more columns behind.
    fn replacing(&self, source: Source, name: &At<String>) -> Result<Source, Diagnostic> {
        let Some(known) = self.catalog.get(&source.name) else { return Ok(source) };
        let differs = if known.topic != source.topic {
            Some("another topic".to_owned())
        } else if (&known.key_format, &known.value_format) != (&source.key_format, &source.value_format) {
            Some("other formats".to_owned())
        } else if known.key != source.key {
            Some("another key".to_owned())
        } else {
            let kept = known.value.iter().zip(source.value.iter().map(Some).chain(std::iter::repeat(None)));
            let mut changed = kept.filter(|(old, new)| *new != Some(*old));
            changed.next().map(|(old, _)| format!("no column {old} in its place"))
        };
        match differs {
            None => Ok(source),
            Some(how) => {
                let said = format!("{} can't be replaced by one with {how}", name.node);
                Err(Diagnostic::new(name.span, said)
                    .help("add columns behind those that are there, or drop it first"))
            }
        }
    }

    fn known(&self, name: &At<String>) -> Planned<&Source> {
        if let Some(source) = self.catalog.get(&name.node) {
            return Ok(source);
        }
        if self.failed.contains(&name.node) {
            return Err(Vec::new());
        }
        let known: Vec<_> = self.catalog.sources().map(|source| source.name.as_str()).collect();
        let help = if known.is_empty() {
            "create it first".to_owned()
        } else {
            format!("there are {}", known.join(", "))
        };
        Err(vec![Diagnostic::new(name.span, format!("there is no stream or table {}", name.node)).help(help)])
    }
}

/// The setting that closes windows whose input is idle.
pub(crate) const IDLE_MS: &str = "windows.close.idle.ms";

/// The settings that keep changes of a group back in ksqlDB until they come to so many bytes: of none, each is told.
pub(crate) const CACHE_BYTES: [&str; 2] = ["cache.max.bytes.buffering", "statestore.cache.max.bytes"];

/// The setting that has rules begin where their streams end.
pub(crate) const RESET: &str = "auto.offset.reset";

/// The properties that say how a rule runs.
fn properties() -> impl Iterator<Item = &'static str> {
    ["processing.guarantee", RESET, IDLE_MS].into_iter().chain(CACHE_BYTES)
}

/// Whether SET takes a property: one that says how a rule runs, or any of ksqlDB's own or of Kafka Streams behind it, most of
/// which say nothing here.
pub fn is_property(name: &str) -> bool {
    name.starts_with("ksql.") || properties().any(|known| known == name)
}

fn set(catalog: &mut Catalog, property: &At<String>, value: Option<&At<String>>) -> Result<(), Diagnostic> {
    let name = property.node.strip_prefix("ksql.streams.").unwrap_or(&property.node);
    if name == "processing.guarantee"
        && let Some(value) = value.filter(|value| Guarantee::named(&value.node).is_none())
    {
        let said = Diagnostic::new(value.span, format!("there is no guarantee '{}'", value.node));
        return Err(said.help("there are 'at_least_once' and 'exactly_once_v2'"));
    }
    if name == RESET
        && let Some(value) = value.filter(|value| !["earliest", "latest"].contains(&value.node.as_str()))
    {
        let said = Diagnostic::new(value.span, format!("'{}' is no place to begin", value.node));
        return Err(said.help("there are 'earliest' and 'latest'"));
    }
    if name == IDLE_MS
        && let Some(value) = value.filter(|value| value.node.parse::<u64>().is_err())
    {
        return Err(Diagnostic::new(value.span, "this is a number of milliseconds"));
    }
    if CACHE_BYTES.contains(&name)
        && let Some(value) = value.filter(|value| value.node.parse::<u64>().is_err())
    {
        return Err(Diagnostic::new(value.span, "this is a number of bytes"));
    }
    if !is_property(&property.node) {
        let said = Diagnostic::new(property.span, format!("the property '{}' can't be set", property.node));
        let known: Vec<_> = properties().map(|known| format!("'{known}'")).collect();
        return Err(said.help(format!("{} can, and those that begin with 'ksql.'", known.join(", "))));
    }
    catalog.set(name, value.map(|value| value.node.as_str()));
    Ok(())
}

/// A column's name as a property gives it: quoted, or folded to capitals.
fn property_name(text: &str) -> String {
    let quoted = text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    quoted.map_or_else(|| text.to_uppercase(), str::to_owned)
}

/// A time such as `10 SECONDS`, in milliseconds.
fn duration(text: &str) -> Option<i64> {
    let mut words = text.split_whitespace();
    let (number, unit) = (words.next()?.parse::<i64>().ok()?, words.next()?.to_uppercase());
    let factor = match unit.strip_suffix('S').unwrap_or(&unit) {
        "MILLISECOND" => 1,
        "SECOND" => 1000,
        "MINUTE" => 60_000,
        "HOUR" => 3_600_000,
        "DAY" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(factor).filter(|time| *time > 0 && words.next().is_none())
}

/// Binds what must be true or false.
fn condition(scope: &Scope, expr: &At<Expr>) -> Result<Bound, Diagnostic> {
    truth(bind(scope, expr), expr)
}

fn truth(bound: Typed, expr: &At<Expr>) -> Result<Bound, Diagnostic> {
    match bound? {
        (bound, Type::Boolean) => Ok(bound),
        (_, ty) => Err(Diagnostic::new(expr.span, format!("this is {ty}, where a condition is expected"))),
    }
}
