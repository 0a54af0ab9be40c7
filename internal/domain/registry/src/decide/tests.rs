mod deleting;
mod modes;
mod registering;
mod sharing;

use crate::{Decision, Definition, Language, Reference, Refusal, Registered, Registration, State, Subject};

pub(crate) fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

/// A registry of one writer, whose records all count.
#[derive(Default)]
pub(crate) struct Alone {
    pub(crate) state: State,
}

impl Alone {
    /// Applies a decision, and gives its answer.
    pub(crate) fn done<T>(&mut self, decision: Result<Decision<T>, Refusal>) -> Result<T, Refusal> {
        let decision = decision?;
        for record in &decision.records {
            self.state.apply(record, None);
        }
        Ok(decision.answer)
    }

    pub(crate) fn register(&mut self, name: &str, text: &str) -> Result<Registered, Refusal> {
        self.register_as(name, &Registration::of(Definition::avro(text)))
    }

    pub(crate) fn register_as(&mut self, name: &str, wanted: &Registration) -> Result<Registered, Refusal> {
        let decision = self.state.register(&subject(name), wanted);
        self.done(decision)
    }

    pub(crate) fn id(&mut self, name: &str, text: &str) -> u32 {
        self.register(name, text).unwrap().id
    }
}

pub(crate) fn referring(text: &str, to: &[(&str, &str, u32)]) -> Registration {
    let reference = |(name, to, version): &(&str, &str, u32)| Reference {
        name: (*name).to_owned(),
        subject: subject(to),
        version: *version,
    };
    let references = to.iter().map(reference).collect();
    Registration::of(Definition { references, ..Definition::avro(text) })
}

pub(crate) fn in_language(language: Language, text: &str) -> Registration {
    Registration::of(Definition { language, ..Definition::avro(text) })
}
