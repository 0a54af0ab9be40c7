//! What the statements of the journal have made: sources, types and queries.
//!
//! It follows from the entries alone, in their order: two servers that have read the same have the same book, and of two
//! statements that do not go together the later one is refused by all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millstream_sql::{
    Catalog, Command, Diagnostic, Functions, Rule, Shape, SourceKind, Steering, Verdict, command, plan,
};

use super::columns::{Found, Remembered};
use super::entry::{Entry, RESET, STREAMS};
use super::fault::Fault;
use super::shared_groups::{Leaves, SharedGroup};
use crate::deploy::twice;
use crate::formats::Formats;

/// A query that keeps a source filled.
#[derive(Clone, Debug)]
pub struct QueryEntry {
    /// Its id, such as `CTAS_PAGES_12`.
    pub id: String,
    /// Its statement.
    pub text: String,
    /// What it does.
    pub rule: Arc<Rule>,
    /// Whether it is told to rest.
    pub is_paused: bool,
    /// How often it was made anew; a change calls for a new start.
    pub version: i64,
    /// Whether its streams are read from where they ended when it first began, rather than from their first records.
    pub is_from_end: bool,
}

/// What a statement has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was done, in a sentence.
    pub message: String,
    /// The query that it made.
    pub query: Option<String>,
    /// Whether that goes on for one that was there.
    pub goes_on: bool,
    /// The columns that it left out, as the registry had them.
    pub(crate) columns: Found,
    /// The groups whose inner topics are of no more use.
    pub ended: Vec<String>,
}

/// A statement that counted when it was written and is refused now, as after a change of version.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The statement.
    pub text: String,
    /// Why it is refused.
    pub reason: String,
    /// The key of its entry, until it is set aside.
    pub(crate) key: Option<String>,
}

/// The state that the journal's entries make.
#[derive(Clone)]
pub(crate) struct Book {
    /// The sources and types.
    pub catalog: Catalog,
    /// The queries, by id.
    pub queries: BTreeMap<String, QueryEntry>,
    /// Each source's statements, the one that made it first.
    pub statements: BTreeMap<String, Vec<String>>,
    /// Statements that do not count any more.
    pub broken: Vec<Broken>,
    /// The keys of the entries that each source, type or query is of.
    keys: BTreeMap<String, Vec<String>>,
    /// The keys of entries that nothing is of any more, in the order in which they may be taken out.
    pub(crate) garbage: Vec<String>,
    /// Where each source's statement stands.
    pub(crate) made: BTreeMap<String, i64>,
    /// The consumer groups that queries share, by name.
    pub(crate) shared: BTreeMap<String, Arc<SharedGroup>>,
    /// Where the last entry that counted stands.
    pub(super) last: i64,
    /// What the statement at hand asked of the registry.
    found: Found,
    service: String,
}

impl Book {
    pub(crate) fn new(service: &str, functions: &Functions) -> Self {
        Self {
            catalog: Catalog::new().using(functions.clone()),
            queries: BTreeMap::new(),
            statements: BTreeMap::new(),
            broken: Vec::new(),
            keys: BTreeMap::new(),
            garbage: Vec::new(),
            made: BTreeMap::new(),
            shared: BTreeMap::new(),
            last: -1,
            found: Found::new(),
            service: service.to_owned(),
        }
    }

    /// Takes an entry in, or refuses it and stays as it is, but for what is to be taken out of the journal.
    pub(crate) fn apply(&mut self, entry: &Entry, formats: &Formats) -> Result<Outcome, Fault> {
        let mut next = self.clone();
        match next.take(entry, formats) {
            Ok(mut outcome) => {
                outcome.columns = std::mem::take(&mut next.found);
                next.last = entry.offset;
                *self = next;
                Ok(outcome)
            }
            Err(fault) => {
                // Nothing came between its check and its place: it was right once, and is kept until somebody looks.
                if self.last < entry.seen {
                    let (text, reason) = (entry.text.clone(), fault.to_string());
                    self.broken.push(Broken { text, reason, key: Some(entry.key.clone()) });
                } else {
                    self.garbage.push(entry.key.clone());
                }
                Err(fault)
            }
        }
    }

    /// What may be taken out of the journal, in this order, once what is broken was set aside: an entry that is refused goes
    /// before those that it is refused for, which would else make it count.
    pub(crate) fn removable(&self) -> Vec<String> {
        if self.garbage.is_empty() {
            return Vec::new();
        }
        self.broken
            .iter()
            .filter_map(|broken| broken.key.clone())
            .chain(self.garbage.iter().cloned())
            .collect()
    }

    /// An entry was taken out.
    pub(crate) fn taken_out(&mut self, key: &str) {
        self.garbage.retain(|garbage| garbage != key);
        self.broken.retain(|broken| broken.key.as_deref() != Some(key));
    }

    fn take(&mut self, entry: &Entry, formats: &Formats) -> Result<Outcome, Fault> {
        let asked = command(&entry.text, &self.catalog)
            .map_err(|mistake| Fault::mistakes(&entry.text, vec![mistake]))?;
        match asked {
            Command::Create { name, kind, is_query } => self.create(&name, kind, is_query, entry, formats),
            Command::InsertSelect(target) => self.insert(&target, entry, formats),
            Command::Drop { name, .. } => self.drop_source(&name, entry, formats),
            Command::Alter(name) => {
                self.not_filled(&name, "altered")?;
                self.planned(entry, formats)?;
                self.statements.entry(name.clone()).or_default().push(entry.text.clone());
                self.keys.entry(source(&name)).or_default().push(entry.key.clone());
                Ok(Outcome { message: format!("{name} altered"), ..Outcome::default() })
            }
            Command::CreateType(name) => {
                self.planned(entry, formats)?;
                self.keys.entry(type_of(&name)).or_default().push(entry.key.clone());
                Ok(Outcome { message: format!("Registered type {name}"), ..Outcome::default() })
            }
            Command::DropType(name) => {
                self.planned(entry, formats)?;
                self.forget(&type_of(&name), Some(entry));
                Ok(Outcome { message: format!("Dropped type {name}"), ..Outcome::default() })
            }
            Command::Steer { how, query } => self.steer(how, query.as_deref(), entry),
            _ => Err(Fault::statement("the statement changes nothing that is kept")),
        }
    }

    /// Plans a statement under its settings, and keeps what it makes known.
    fn planned(&mut self, entry: &Entry, formats: &Formats) -> Result<Vec<Rule>, Fault> {
        let mut known = self.catalog.clone();
        let quoted = |text: &str| text.replace('\'', "''");
        // Where a query begins is no matter of its plan.
        let planned = || entry.settings.iter().filter(|(name, _)| *name != RESET);
        for (name, value) in planned() {
            let text = format!("SET '{STREAMS}{}'='{}';", quoted(name), quoted(value));
            let (_, mistakes) = plan(&text, &mut known, formats);
            Fault::unless(&text, mistakes)?;
        }
        let remembered = Remembered::new(formats, &entry.columns);
        let (plan, mut mistakes) = millstream_sql::plan(&entry.text, &mut known, &remembered);
        self.found = remembered.found();
        mistakes.extend(plan.rules.iter().filter_map(twice));
        Fault::unless(&entry.text, mistakes)?;
        for (name, _) in planned() {
            let _ = millstream_sql::plan(&format!("UNSET '{STREAMS}{}';", quoted(name)), &mut known, formats);
        }
        self.catalog = known;
        Ok(plan.rules)
    }

    fn create(
        &mut self,
        name: &str,
        kind: SourceKind,
        is_query: bool,
        entry: &Entry,
        formats: &Formats,
    ) -> Result<Outcome, Fault> {
        let before = self.catalog.get(name).cloned();
        let rules = self.planned(entry, formats)?;
        let is_there = before.is_some();
        if is_there && rules.is_empty() && self.catalog.get(name) == before.as_ref() {
            self.garbage.push(entry.key.clone());
            let message = format!("{name} exists already; nothing was done");
            return Ok(Outcome { message, ..Outcome::default() });
        }
        let filling = self.filled_by(name);
        let mut outcome = Outcome::default();
        if !is_query && filling.is_some() {
            return Err(Fault::statement(format!("{name} is filled by a query; drop it first")));
        }
        for rule in rules {
            let id = Self::id(if kind == SourceKind::Table { "CTAS" } else { "CSAS" }, name, entry);
            let replaced = self.replaced(filling.as_deref(), name, &rule)?;
            let stays = filling.clone().or_else(|| entry.query.clone());
            outcome.goes_on = stays.is_some();
            let id = stays.unwrap_or(id);
            self.leave(&id, Leaves::Changes(entry.offset));
            outcome.message = replaced.map_or_else(
                || format!("Created query with ID {id}"),
                |verdict| format!("Replaced query with ID {id}; {verdict}"),
            );
            self.add(&id, rule, entry);
            outcome.query = Some(id);
        }
        if is_there {
            let kept = self.garbage.len();
            // A query that is replaced runs, whatever it was told before.
            if let Some(id) = &filling {
                self.forget(&query(id), None);
            }
            self.forget(&source(name), None);
            let keys = self.garbage.split_off(kept);
            self.let_go(filling.as_deref().unwrap_or_default(), keys);
        }
        self.keys.entry(source(name)).or_default().push(entry.key.clone());
        self.statements.insert(name.to_owned(), vec![entry.text.clone()]);
        self.made.insert(name.to_owned(), entry.offset);
        if outcome.query.is_none() {
            outcome.message = format!("{} created", capital(kind));
        }
        Ok(outcome)
    }

    /// How a query that is there fits the rule that is to go on from what it keeps and has written.
    fn replaced(&self, filling: Option<&str>, name: &str, rule: &Rule) -> Result<Option<Verdict>, Fault> {
        let Some(old) = filling.and_then(|id| self.queries.get(id)) else { return Ok(None) };
        let verdict = Shape::of(&old.rule).verdict(&Shape::of(rule));
        if verdict.keeps_state() {
            return Ok(Some(verdict));
        }
        let kind = rule.sink.kind.to_string().to_uppercase();
        let said = format!(
            "{name} can't be replaced, {verdict}\ngive it another name to have it begin anew beside {}; or write DROP {kind} {name} and create it again, which begins anew without what it kept",
            old.id
        );
        Err(Fault::statement(said))
    }

    fn add(&mut self, id: &str, rule: Rule, entry: &Entry) {
        let rule = Arc::new(Rule { name: format!("{}-{id}", self.service), ..rule });
        let made = QueryEntry {
            id: id.to_owned(),
            text: entry.text.clone(),
            rule,
            is_paused: false,
            version: entry.offset,
            is_from_end: entry.is_from_end(),
        };
        self.queries.insert(id.to_owned(), made);
    }

    fn insert(&mut self, target: &str, entry: &Entry, formats: &Formats) -> Result<Outcome, Fault> {
        let rules = self.planned(entry, formats)?;
        let id = format!("INSERTQUERY_{}", entry.offset);
        for rule in rules {
            self.add(&id, rule, entry);
        }
        self.keys.entry(query(&id)).or_default().push(entry.key.clone());
        let message = format!("Created query with ID {id}, which fills {target}");
        Ok(Outcome { message, query: Some(id), ..Outcome::default() })
    }

    fn drop_source(&mut self, name: &str, entry: &Entry, formats: &Formats) -> Result<Outcome, Fault> {
        let own = self.filled_by(name);
        let reads = |query: &&QueryEntry| {
            query.rule.query.sources().iter().any(|source| source.name == name)
                || (query.rule.sink.name == name && Some(&query.id) != own.as_ref())
        };
        let users: Vec<_> = self.queries.values().filter(reads).map(|query| query.id.clone()).collect();
        if !users.is_empty() {
            let users = users.join(", ");
            let said =
                format!("can't drop {name}: it is read or written by {users}; terminate what uses it first");
            return Err(Fault::statement(said));
        }
        let is_there = self.catalog.get(name).is_some();
        self.planned(entry, formats)?;
        let mut outcome = Outcome::default();
        if let Some(query) = own.and_then(|id| self.queries.remove(&id)) {
            self.leave(&query.id, Leaves::Ends);
            outcome.ended.push(group(&query.rule.name));
        }
        self.statements.remove(name);
        self.made.remove(name);
        self.forget(&source(name), Some(entry));
        outcome.message = if is_there {
            format!("Source {name} was dropped")
        } else {
            format!("{name} does not exist; nothing was done")
        };
        Ok(outcome)
    }

    /// The query that a source was created with.
    pub(crate) fn filled_by(&self, name: &str) -> Option<String> {
        let fills =
            |query: &&QueryEntry| query.rule.sink.name == name && !query.id.starts_with("INSERTQUERY_");
        self.queries.values().find(fills).map(|query| query.id.clone())
    }

    fn not_filled(&self, name: &str, deed: &str) -> Result<(), Fault> {
        match self.filled_by(name) {
            None => Ok(()),
            Some(id) => Err(Fault::statement(format!(
                "{name} can't be {deed}: its columns are those of {id}; write CREATE OR REPLACE"
            ))),
        }
    }

    fn steer(&mut self, how: Steering, of: Option<&str>, entry: &Entry) -> Result<Outcome, Fault> {
        let ids: Vec<String> = match of {
            None => self.queries.keys().cloned().collect(),
            Some(id) if self.queries.contains_key(id) => vec![id.to_owned()],
            Some(id) => return Err(Fault::no_query(id, self.queries.keys())),
        };
        let mut outcome = Outcome::default();
        for id in &ids {
            if how == Steering::Terminate {
                self.leave(id, Leaves::Ends);
                if let Some(ended) = self.queries.remove(id) {
                    outcome.ended.push(group(&ended.rule.name));
                }
            } else if let Some(query) = self.queries.get_mut(id) {
                query.is_paused = how == Steering::Pause;
                if query.is_paused {
                    self.leave(id, Leaves::Rests(entry.offset));
                }
            }
        }
        self.keep_steering(how, &ids, entry);
        let deed = match how {
            Steering::Terminate => "terminated",
            Steering::Pause => "paused",
            Steering::Resume => "resumed",
        };
        outcome.message = if ids.is_empty() {
            "There are no queries".to_owned()
        } else {
            format!("Query {deed}: {}", ids.join(", "))
        };
        Ok(outcome)
    }

    /// An entry that steers is kept as long as what it steers is there.
    fn keep_steering(&mut self, how: Steering, ids: &[String], entry: &Entry) {
        for id in ids {
            // An inserting query's own entry goes with it; one that a source came with is kept for the source's sake.
            let is_own = how == Steering::Terminate && id.starts_with("INSERTQUERY_");
            if is_own {
                self.forget(&query(id), None);
            } else {
                self.keys.entry(query(id)).or_default().push(entry.key.clone());
            }
        }
        let is_held = self.keys.values().any(|keys| keys.contains(&entry.key));
        if !is_held {
            self.garbage.push(entry.key.clone());
        }
    }

    /// Lets go of the entries that something was of, and at last of the one that ends it.
    fn forget(&mut self, of: &str, by: Option<&Entry>) {
        let mut keys = self.keys.remove(of).unwrap_or_default();
        if let Some(name) = of.strip_prefix("source/") {
            let ended = |id: &String| {
                id.strip_prefix("CTAS_").or_else(|| id.strip_prefix("CSAS_")).is_some_and(|rest| {
                    rest.rsplit_once('_').is_some_and(|(source, number)| {
                        source == plain(name) && number.parse::<i64>().is_ok()
                    })
                })
            };
            let steering: Vec<_> = self
                .keys
                .keys()
                .filter_map(|key| key.strip_prefix("query/"))
                .map(str::to_owned)
                .filter(ended)
                .collect();
            let alive: BTreeSet<_> = self.queries.keys().cloned().collect();
            for id in steering.iter().filter(|id| !alive.contains(*id)) {
                keys.extend(self.keys.remove(&query(id)).unwrap_or_default());
            }
        }
        let held: BTreeSet<_> = self.keys.values().flatten().cloned().collect();
        self.garbage.extend(keys.into_iter().filter(|key| !held.contains(key)));
        self.garbage.extend(by.map(|entry| entry.key.clone()));
    }

    fn id(kind: &str, name: &str, entry: &Entry) -> String {
        format!("{kind}_{}_{}", plain(name), entry.offset)
    }
}

/// A source's name as a part of a group's, and so of topics' names.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

/// The group that a rule of this name is.
pub(crate) fn group(rule: &str) -> String {
    format!("rules-{}", rule.to_lowercase())
}

fn source(name: &str) -> String {
    format!("source/{name}")
}

fn type_of(name: &str) -> String {
    format!("type/{name}")
}

fn query(id: &str) -> String {
    format!("query/{id}")
}

fn capital(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Stream => "Stream",
        SourceKind::Table => "Table",
    }
}

/// Mistakes in a text, as a fault.
impl Fault {
    fn unless(text: &str, mistakes: Vec<Diagnostic>) -> Result<(), Self> {
        if mistakes.is_empty() { Ok(()) } else { Err(Self::mistakes(text, mistakes)) }
    }
}
