//! SHOW, DESCRIBE and EXPLAIN.

use millstream_ports::{Groups, Topics, World};
use millstream_sql::{
    Listed, Rule, Source, SourceKind, aggregate_functions, ask, explain, plan, table_functions,
};

use super::answer::{Answer, Described, FunctionTold, ListedQuery, Property};
use super::book::{Book, QueryEntry};
use super::session::Session;
use super::{Fault, Server};
use crate::deploy::named;

impl<W: World + Topics + Groups> Server<W> {
    pub(crate) fn show(&self, what: Listed, is_extended: bool, session: &Session) -> Result<Answer, Fault> {
        Ok(match what {
            Listed::Streams => Answer::Sources(what, self.sources(SourceKind::Stream, is_extended)?),
            Listed::Tables => Answer::Sources(what, self.sources(SourceKind::Table, is_extended)?),
            Listed::Topics => {
                let topics = self.inner.world.list_topics()?.into_iter();
                Answer::Topics(topics.filter(|topic| !self.is_inner(topic.name.as_str())).collect())
            }
            Listed::AllTopics => Answer::Topics(self.inner.world.list_topics()?),
            Listed::Queries => {
                let book = self.inner.book().clone();
                Answer::Queries(book.queries.values().map(|query| self.listed(query)).collect())
            }
            Listed::Properties => Answer::Properties(self.properties(session)),
            Listed::Types => {
                let types = self.inner.book().catalog.types();
                Answer::Types(types.into_iter().map(|(name, ty)| (name, ty.to_string())).collect())
            }
            Listed::Functions => Answer::Functions(self.functions()),
            Listed::Variables => Answer::Variables(session.variables().clone()),
            Listed::Connectors => {
                return Err(Fault::statement("there are no connectors here; they are Kafka Connect's"));
            }
        })
    }

    /// Whether a topic is kept for the work of servers, such as a query's table, and is nobody's stream or table.
    fn is_inner(&self, topic: &str) -> bool {
        topic.starts_with('_') || topic.starts_with(&format!("rules-{}-", self.inner.settings.service_id))
    }

    fn sources(&self, kind: SourceKind, is_extended: bool) -> Result<Vec<Described>, Fault> {
        let book = self.inner.book().clone();
        let sources = book.catalog.sources().filter(|source| source.kind == kind);
        sources.map(|source| self.described(source, &book, is_extended)).collect()
    }

    pub(crate) fn describe(&self, name: &str, is_extended: bool) -> Result<Answer, Fault> {
        let book = self.inner.book().clone();
        let Some(source) = book.catalog.get(name) else {
            let known: Vec<_> = book.catalog.sources().map(|source| source.name.as_str()).collect();
            let help = if known.is_empty() {
                "there are none".to_owned()
            } else {
                format!("there are {}", known.join(", "))
            };
            return Err(Fault::statement(format!("there is no stream or table {name}; {help}")));
        };
        Ok(Answer::Described(Box::new(self.described(source, &book, is_extended)?)))
    }

    fn described(&self, source: &Source, book: &Book, is_extended: bool) -> Result<Described, Fault> {
        let of = |is_it: &dyn Fn(&Rule) -> bool| {
            let found = book.queries.values().filter(|query| is_it(&query.rule));
            found.map(|query| self.listed(query)).collect::<Vec<_>>()
        };
        let reads = |rule: &Rule| rule.query.sources().iter().any(|read| read.name == source.name);
        let topic = if is_extended {
            let topic = named(&source.topic)?;
            self.inner.world.describe_topics(&[topic])?.into_iter().flatten().next()
        } else {
            None
        };
        let writers = of(&|rule: &Rule| rule.sink.name == source.name);
        let figures = self.figures(&writers);
        Ok(Described {
            statements: book.statements.get(&source.name).cloned().unwrap_or_default(),
            readers: of(&reads),
            writers,
            topic,
            figures,
            is_extended,
            source: source.clone(),
        })
    }

    fn figures(&self, queries: &[ListedQuery]) -> Vec<(String, u64)> {
        let book = self.inner.book();
        let crew = self.inner.crew();
        let mut all = vec![
            ("records-in".to_owned(), 0),
            ("records-out".to_owned(), 0),
            ("dead-letters".to_owned(), 0),
            ("lag".to_owned(), 0),
        ];
        let known = queries.iter().filter_map(|query| book.queries.get(&query.id));
        for (query, status) in known.filter_map(|query| Some((query, crew.status(&query.id)?))) {
            let now = status.snapshot();
            let sum = |counts: &[(millstream_model::TopicName, u64)]| {
                counts.iter().map(|(_, count)| count).sum::<u64>()
            };
            let (rows, letters) = if book.group_with(&query.id).is_some() {
                // The group's figures are of all that share it.
                let own = crew.watched(query);
                (own.rows, own.failed)
            } else {
                (sum(&now.records_out), now.dead_letters)
            };
            let more = [sum(&now.records_in), rows, letters, now.lag()];
            for ((_, total), more) in all.iter_mut().zip(more) {
                *total += more;
            }
        }
        all
    }

    fn listed(&self, query: &QueryEntry) -> ListedQuery {
        ListedQuery {
            id: query.id.clone(),
            text: query.text.clone(),
            sink: query.rule.sink.name.clone(),
            topic: query.rule.sink.topic.clone(),
            reads: query.rule.query.sources().iter().map(|source| source.name.clone()).collect(),
            state: self.inner.crew().state(query),
        }
    }

    fn properties(&self, session: &Session) -> Vec<Property> {
        let settings = &self.inner.settings;
        let ms = |time: std::time::Duration| time.as_millis().to_string();
        let delivery = match settings.rules.delivery {
            millstream_runtime::Delivery::AtLeastOnce => "at_least_once",
            millstream_runtime::Delivery::ExactlyOnce => "exactly_once_v2",
        };
        let server = [
            ("ksql.service.id", settings.service_id.clone()),
            ("ksql.streams.auto.offset.reset", "latest".to_owned()),
            ("ksql.streams.commit.interval.ms", ms(settings.rules.commit_interval())),
            ("ksql.streams.num.stream.threads", settings.rules.workers.to_string()),
            ("ksql.streams.processing.guarantee", delivery.to_owned()),
        ];
        let server =
            server.into_iter().map(|(name, value)| Property { name: name.to_owned(), value, is_own: false });
        let own = session.settings().iter();
        let own =
            own.map(|(name, value)| Property { name: name.clone(), value: value.clone(), is_own: true });
        server.chain(own).collect()
    }

    fn functions(&self) -> Vec<(String, &'static str)> {
        let book = self.inner.book();
        let scalar = book.catalog.functions().iter().map(|function| (function.name().to_owned(), "SCALAR"));
        let aggregate = aggregate_functions().map(|function| (function.name().to_owned(), "AGGREGATE"));
        let table = table_functions().map(|function| (function.name().to_owned(), "TABLE"));
        let mut all: Vec<_> = scalar.chain(aggregate).chain(table).collect();
        all.sort();
        all
    }

    pub(crate) fn describe_function(&self, name: &str) -> Result<Answer, Fault> {
        let own = |parts: (&str, &str)| (parts.0.to_owned(), parts.1.to_owned());
        if let Some(found) = aggregate_functions().find(|function| function.name() == name) {
            let (name, about) = own((found.name(), found.about()));
            let ways = found.signatures().collect();
            return Ok(Answer::Function(FunctionTold { name, kind: "AGGREGATE", about, ways }));
        }
        if let Some(found) = table_functions().find(|function| function.name() == name) {
            let (name, about) = own((found.name(), found.about()));
            return Ok(Answer::Function(FunctionTold {
                name,
                kind: "TABLE",
                about,
                ways: vec![found.signature()],
            }));
        }
        let book = self.inner.book();
        let found = book.catalog.functions().get(name);
        let found = found.ok_or_else(|| {
            Fault::statement(format!("there is no function {name}; SHOW FUNCTIONS lists them"))
        })?;
        let (name, about) = own((found.name(), found.about()));
        Ok(Answer::Function(FunctionTold { name, kind: "SCALAR", about, ways: found.signatures().collect() }))
    }

    /// A query's steps: of one that runs, by its id, or of a statement.
    pub(crate) fn explain(&self, what: &str) -> Result<Answer, Fault> {
        let book = self.inner.book().clone();
        let id = what.trim_matches('`').to_uppercase();
        if let Some(query) = book.queries.get(&id) {
            return Ok(Answer::Explained(query.rule.to_string(), Some(Box::new(self.listed(query)))));
        }
        if !what.contains(char::is_whitespace) {
            return Err(Fault::no_query(&id, book.queries.keys()));
        }
        let formats = &self.inner.formats;
        if ["SELECT", "WITH"]
            .iter()
            .any(|word| what.get(..word.len()).is_some_and(|first| first.eq_ignore_ascii_case(word)))
        {
            let asking =
                ask(what, &book.catalog, formats).map_err(|mistakes| Fault::mistakes(what, mistakes))?;
            return Ok(Answer::Explained(asking.rule.to_string(), None));
        }
        let mut known = book.catalog.clone();
        let (plan, mistakes) = plan(what, &mut known, formats);
        if !mistakes.is_empty() {
            return Err(Fault::mistakes(what, mistakes));
        }
        if plan.rules.is_empty() {
            return Err(Fault::statement("the statement starts no query, so there is nothing to explain"));
        }
        Ok(Answer::Explained(explain(&plan.rules), None))
    }
}
