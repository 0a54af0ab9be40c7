use std::sync::PoisonError;

use millstream_model::Offset;
use millstream_ports::{Groups, PortError, Side, TopicSpec, Topics, World};
use millstream_sql::{Catalog, Command, Source, SourceKind, ask, command, plan, substitute};

use super::answer::{Answer, Told};
use super::entry::{RESET, STREAMS};
use super::push::Push;
use super::session::Session;
use super::{Broken, Fault, Server};
use crate::deploy::named;
use crate::formats::Formats;

/// Runs statements: a [`Server`] of any world, for those who let people and programs ask.
pub trait Statements: Send + Sync {
    /// Does what one statement says. Settings and variables are those of `session`, and `${name}` stands for a variable.
    ///
    /// # Errors
    /// When the statement is wrong, can't be done as things are, or the log, the registry or the storage refuse.
    fn run(&self, session: &mut Session, text: &str) -> Result<Answer, Fault>;

    /// Writes a row of a source, its columns by name as texts of SQL expressions, and waits until it is safe.
    ///
    /// # Errors
    /// As [`Statements::run`].
    fn insert_row(&self, source: &str, columns: &[(String, String)]) -> Result<(), Fault>;

    /// The stream or table of a name.
    fn source(&self, name: &str) -> Option<Source>;

    /// Waits until the statement that the journal has at `place` is carried out here, whichever server took it.
    ///
    /// # Errors
    /// When that does not come to be in time.
    fn await_statement(&self, place: i64) -> Result<(), Fault>;

    /// What servers that share statements and work have in common.
    fn service_id(&self) -> String;

    /// Statements of the journal that can't be carried out any more.
    fn broken(&self) -> Vec<Broken>;

    /// Whether it does its work.
    ///
    /// # Errors
    /// Why it does not.
    fn health(&self) -> Result<(), String>;
}

impl<W: World + Topics + Groups> Statements for Server<W> {
    fn run(&self, session: &mut Session, text: &str) -> Result<Answer, Fault> {
        let text = text.trim().trim_end_matches(';').trim_end();
        let text = put_in(text, session).map_err(|name| {
            Fault::statement(format!("the variable {name} is not defined; write DEFINE {name} = '…'"))
        })?;
        let asked = command(&text, &self.inner.book().catalog);
        let asked = asked.map_err(|mistake| Fault::mistakes(&text, vec![mistake]))?;
        self.carry_out(session, &text, asked)
    }

    fn insert_row(&self, source: &str, columns: &[(String, String)]) -> Result<(), Fault> {
        let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
        let names: Vec<_> = columns.iter().map(|(name, _)| quoted(name)).collect();
        let values: Vec<_> = columns.iter().map(|(_, value)| value.as_str()).collect();
        let text =
            format!("INSERT INTO {} ({}) VALUES ({})", quoted(source), names.join(", "), values.join(", "));
        self.insert(&text)
    }

    fn source(&self, name: &str) -> Option<Source> {
        self.inner.book().catalog.get(name).cloned()
    }

    fn await_statement(&self, place: i64) -> Result<(), Fault> {
        let end = Offset(place).next();
        self.inner.progress.await_applied(end, self.inner.settings.answer_wait)
    }

    fn service_id(&self) -> String {
        self.inner.settings.service_id.clone()
    }

    fn broken(&self) -> Vec<Broken> {
        Server::broken(self)
    }

    fn health(&self) -> Result<(), String> {
        Server::health(self)
    }
}

impl<W: World + Topics + Groups> Server<W> {
    fn carry_out(&self, session: &mut Session, text: &str, asked: Command) -> Result<Answer, Fault> {
        match asked {
            Command::Create { name, kind, is_query } => {
                if !is_query {
                    self.create_declared_topic(text)?;
                }
                self.changed(session, text, format!("{kind}/`{name}`/create"))
            }
            Command::Drop { name, deletes_topic } => self.drop_source(session, text, &name, deletes_topic),
            Command::Alter(name) => self.changed(session, text, format!("source/`{name}`/alter")),
            Command::InsertSelect(name) => self.changed(session, text, format!("stream/`{name}`/insert")),
            Command::CreateType(name) => self.changed(session, text, format!("type/`{name}`/create")),
            Command::DropType(name) => self.changed(session, text, format!("type/`{name}`/drop")),
            Command::Steer { how, query } => {
                let query = query.unwrap_or_else(|| "ALL".to_owned());
                self.changed(session, text, format!("query/{query}/{}", format!("{how:?}").to_lowercase()))
            }
            Command::InsertValues => {
                self.insert(text)?;
                Ok(told("Inserted"))
            }
            Command::Delete { table, condition } => {
                let count = self.delete(&table, condition.as_deref())?;
                Ok(told(format!("Deleted {count} rows of {table}")))
            }
            Command::Select => self.select(session, text),
            Command::Print(printed) => Ok(Answer::Printing(self.print(&printed)?)),
            Command::Show { what, is_extended } => self.show(what, is_extended, session),
            Command::Describe { name, is_extended } => self.describe(&name, is_extended),
            Command::DescribeFunction(name) => self.describe_function(&name),
            Command::Explain(what) => self.explain(&what),
            Command::Assert(asserted) => {
                let said = self.assert(&asserted)?;
                Ok(Answer::Asserted(asserted, said))
            }
            Command::RunScript(file) => Ok(Answer::Script(file)),
            Command::Set(name, value) => set(session, &name, value.as_deref()),
            Command::Define(name, value) => {
                session.define(&name, value.as_deref());
                Ok(told(format!(
                    "Variable {name} was {}",
                    if value.is_some() { "defined" } else { "undefined" }
                )))
            }
        }
    }

    fn changed(&self, session: &Session, text: &str, subject: String) -> Result<Answer, Fault> {
        let (outcome, offset) = self.write(session, text)?;
        let (message, query) = (outcome.message, outcome.query);
        Ok(Answer::Done(Told { message, place: Some(offset.0), query, subject: Some(subject) }))
    }

    fn select(&self, session: &Session, text: &str) -> Result<Answer, Fault> {
        let catalog = self.inner.book().catalog.clone();
        let formats = &self.inner.formats;
        let asking = ask(text, &catalog, formats).map_err(|mistakes| Fault::mistakes(text, mistakes))?;
        let columns = asking.columns.clone();
        if asking.is_push {
            let from_first = session.reads_from_first();
            let flow = Box::new(Push::open(&self.inner.world, formats, asking, from_first)?);
            return Ok(Answer::Flow { columns, flow });
        }
        Ok(Answer::Rows { columns, rows: self.pull(asking)? })
    }

    fn drop_source(
        &self,
        session: &Session,
        text: &str,
        name: &str,
        deletes_topic: bool,
    ) -> Result<Answer, Fault> {
        let source = self.inner.book().catalog.get(name).cloned();
        let done = self.changed(session, text, format!("source/`{name}`/drop"))?;
        self.inner.copies.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.inner.rows.lock().unwrap_or_else(PoisonError::into_inner).forget(name);
        if let Some(source) = source.filter(|_| deletes_topic) {
            self.delete_topic_of(&source).map_err(|error| {
                let said = format!("{name} was dropped, and its topic '{}' is still there", source.topic);
                PortError::stop(said).because(error)
            })?;
        }
        Ok(done)
    }

    /// Deletes the topic of a source that was dropped, with the schemas registered for it: what is created under its name next
    /// is something else.
    fn delete_topic_of(&self, source: &Source) -> Result<(), PortError> {
        for (format, side) in [(&source.key_format, Side::Key), (&source.value_format, Side::Value)] {
            if let Ok(format) = self.inner.formats.get(format) {
                format.forget(&source.topic, side)?;
            }
        }
        self.inner.world.delete_topic(&named(&source.topic)?)
    }

    /// Creates the topic of a declared source, where it is not there and its width is said.
    fn create_declared_topic(&self, text: &str) -> Result<(), Fault> {
        let mut known = self.inner.book().catalog.clone();
        let before = known.clone();
        let (_, mistakes) = plan(text, &mut known, &self.inner.formats);
        if !mistakes.is_empty() {
            return Err(Fault::mistakes(text, mistakes));
        }
        let Some(source) = known.sources().find(|source| before.get(&source.name) != Some(*source)) else {
            return Ok(());
        };
        self.admit(source)?;
        let name = named(&source.topic)?;
        if self.inner.world.describe_topics(std::slice::from_ref(&name))?.iter().any(Option::is_some) {
            return Ok(());
        }
        let Some(partitions) = source.partitions else {
            let said = format!(
                "topic '{name}' does not exist; create it, or say how wide it shall be with PARTITIONS"
            );
            return Err(Fault::statement(said));
        };
        let policy = if source.kind == SourceKind::Table { "compact" } else { "delete" };
        let replicas = source.replicas.and_then(|replicas| u16::try_from(replicas).ok());
        let spec = TopicSpec {
            name,
            partitions,
            replication: replicas.or(self.inner.settings.rules.replication),
            settings: [("cleanup.policy".to_owned(), policy.to_owned())].into(),
        };
        Ok(self.inner.world.create_topic(&spec)?)
    }
}

/// The statement with the session's variables in it, unless that is turned off.
fn put_in(text: &str, session: &Session) -> Result<String, String> {
    let choice = session.settings().get("ksql.variable.substitution.enable");
    if choice.is_some_and(|choice| choice.eq_ignore_ascii_case("false")) {
        return Ok(text.to_owned());
    }
    substitute(text, session.variables())
}

fn told(message: impl Into<String>) -> Answer {
    Answer::Done(Told { message: message.into(), ..Told::default() })
}

fn set(session: &mut Session, name: &str, value: Option<&str>) -> Result<Answer, Fault> {
    let plain = name.strip_prefix(STREAMS).unwrap_or(name);
    if plain == RESET {
        if let Some(value) = value.filter(|value| !["earliest", "latest"].contains(value)) {
            return Err(Fault::statement(format!(
                "'{value}' is no place to begin; there are 'earliest' and 'latest'"
            )));
        }
    } else {
        let text =
            format!("SET '{}'='{}'", name.replace('\'', "''"), value.unwrap_or_default().replace('\'', "''"));
        let (_, mistakes) = plan(&text, &mut Catalog::new(), &Formats::default());
        if value.is_some() && !mistakes.is_empty() {
            return Err(Fault::mistakes(&text, mistakes));
        }
    }
    session.set(name, value);
    Ok(told(match value {
        Some(value) => format!("Successfully changed local property '{name}' to '{value}'."),
        None => format!("Successfully unset local property '{name}'."),
    }))
}
