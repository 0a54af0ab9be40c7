use std::thread;
use std::time::{Duration, Instant};

use millstream_ports::{Action, Groups, PortError, RowFormat, Side, Topics, World};
use millstream_sql::Asserted;

use super::{Fault, Server};
use crate::deploy::named;

/// Time between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl<W: World + Topics + Groups> Server<W> {
    /// Waits until what is asserted is so, as long as it may take. Answers what was found.
    pub(crate) fn assert(&self, asserted: &Asserted) -> Result<String, Fault> {
        let timeout_ms = match asserted {
            Asserted::Topic { timeout_ms, .. } | Asserted::Schema { timeout_ms, .. } => *timeout_ms,
            _ => {
                return Err(Fault::statement(
                    "rows and sources are asserted in the scripts of `rules test` only",
                ));
            }
        };
        let deadline = Instant::now() + Duration::from_millis(timeout_ms);
        loop {
            match self.holds(asserted)? {
                Ok(said) => return Ok(said),
                Err(why) if Instant::now() >= deadline => return Err(Fault::Assertion(why)),
                Err(_) => thread::sleep(LOOK_AGAIN),
            }
        }
    }

    /// Whether it is so now, in a sentence that says it or what is not.
    fn holds(&self, asserted: &Asserted) -> Result<Result<String, String>, PortError> {
        match asserted {
            Asserted::Topic { topic, with, exists, .. } => self.topic_is(topic, with, *exists),
            Asserted::Schema { subject, id, exists, .. } => {
                let is_there = self.has_schema(subject.as_deref(), *id)?;
                let id = id.map_or_else(String::new, |id| format!(" by id {id}"));
                let what = format!(
                    "schema{id}{}",
                    subject.iter().fold(String::new(), |_, subject| format!(" under {subject}"))
                );
                Ok(as_wanted(&what, is_there, *exists))
            }
            _ => Ok(Err("this is asserted in scripts only".to_owned())),
        }
    }

    fn topic_is(
        &self,
        topic: &str,
        with: &[(String, String)],
        exists: bool,
    ) -> Result<Result<String, String>, PortError> {
        let found = self.inner.world.describe_topics(&[named(topic)?])?.into_iter().flatten().next();
        let Some(found) = found.filter(|_| exists) else {
            let is_there = self.inner.world.describe_topics(&[named(topic)?])?.iter().any(Option::is_some);
            return Ok(as_wanted(&format!("topic {topic}"), is_there, exists));
        };
        for (name, wanted) in with {
            let value = match name.as_str() {
                "PARTITIONS" => Some(found.partitions.to_string()),
                "REPLICAS" => Some(found.replicas.to_string()),
                _ => found.settings.get(&name.to_lowercase()).cloned(),
            };
            let value = value.unwrap_or_else(|| "not known".to_owned());
            if value != *wanted {
                return Ok(Err(format!("topic {topic} has {name} {value}, not {wanted}")));
            }
        }
        Ok(Ok(format!("Topic {topic} exists")))
    }

    fn has_schema(&self, subject: Option<&str>, id: Option<u32>) -> Result<bool, PortError> {
        let (topic, side) = match subject {
            Some(subject) => match (subject.strip_suffix("-key"), subject.strip_suffix("-value")) {
                (Some(topic), _) => (topic, Side::Key),
                (_, Some(topic)) => (topic, Side::Value),
                _ => return Ok(false),
            },
            None => ("-", Side::Value),
        };
        for format in ["AVRO", "JSON_SR"] {
            let Ok(format) = self.inner.formats.get(format) else { continue };
            match RowFormat::columns(format.as_ref(), topic, side, id) {
                Ok(_) => return Ok(true),
                Err(error) if error.action() == Action::Retry => return Err(error),
                Err(_) => {}
            }
        }
        Ok(false)
    }
}

fn as_wanted(what: &str, is_there: bool, exists: bool) -> Result<String, String> {
    match (is_there, exists) {
        (true, true) => Ok(format!("{what} exists")),
        (false, false) => Ok(format!("{what} does not exist")),
        (true, false) => Err(format!("{what} exists")),
        (false, true) => Err(format!("{what} does not exist")),
    }
}
