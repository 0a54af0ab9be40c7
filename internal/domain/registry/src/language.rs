use std::collections::{BTreeMap, BTreeSet};

use crate::avro::{Avro, Incompatibility, Name, Named, incompatibilities};
use crate::json::Json;
use crate::{Definition, Language, Level, Reference, Refusal, State, protobuf};

/// How many versions of subjects a schema may take types from, by way of others or not.
const REFERENCES_MAX: usize = 500;

/// How a schema is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// As new: defaults have to fit.
    New,
    /// As one that was let in elsewhere.
    Known,
}

/// A schema that was read.
pub(crate) struct Understood {
    /// As it is kept and given back.
    pub(crate) definition: Definition,
    /// What it is to the rules of evolution; `None` for languages that have none here.
    avro: Option<Avro>,
}

/// What a schema is, however it is spelled: schemas with one identity have one id.
pub(crate) fn identity(definition: &Definition) -> Definition {
    let text = match definition.language {
        Language::Avro => Avro::parse_leniently(&definition.text).map(|avro| avro.canonical()),
        Language::Json => Json::parse(&definition.text).map(|json| json.to_string()),
        Language::Protobuf => protobuf::tokens(&definition.text),
    };
    // What can't be read came from elsewhere, and is what it says.
    Definition { text: text.unwrap_or_else(|_| definition.text.clone()), ..definition.clone() }
}

/// Reads a schema, and all that it refers to.
///
/// # Errors
/// [`Refusal::InvalidSchema`] when it is none, or refers to what is not there.
pub(crate) fn understand(
    state: &State,
    definition: &Definition,
    care: Care,
    normalize: bool,
) -> Result<Understood, Refusal> {
    if definition.text.trim().is_empty() {
        return Err(Refusal::InvalidSchema("Empty schema".to_owned()));
    }
    let mut foreign = Foreign { state, types: BTreeMap::new(), seen: BTreeSet::new() };
    foreign.take(&definition.references, definition.language)?;
    let read = match definition.language {
        Language::Avro => avro(&definition.text, foreign.types, care, normalize),
        Language::Json => json(&definition.text, normalize).map(|text| (text, None)),
        Language::Protobuf => protobuf::tokens(&definition.text).map(|_| (definition.text.clone(), None)),
    };
    let (text, avro) = read.map_err(|why| {
        Refusal::InvalidSchema(format!("Invalid schema of type {}: {why}", definition.language.name()))
    })?;
    let mut definition = Definition { text, ..definition.clone() };
    if normalize {
        definition.references.sort();
        definition.references.dedup();
    }
    Ok(Understood { definition, avro })
}

fn avro(
    text: &str,
    foreign: BTreeMap<Name, Named>,
    care: Care,
    normalize: bool,
) -> Result<(String, Option<Avro>), String> {
    let parsed = Avro::parse(text, foreign, care == Care::New)?;
    let text = if normalize { parsed.normal() } else { parsed.canonical() };
    Ok((text, Some(parsed)))
}

fn json(text: &str, normalize: bool) -> Result<String, String> {
    match Json::parse(text)? {
        json @ (Json::Object(_) | Json::Bool(_)) => {
            Ok(if normalize { json.sorted() } else { json }.to_string())
        }
        _ => Err("a JSON Schema is an object, true or false".to_owned()),
    }
}

/// Types that other subjects define.
struct Foreign<'a> {
    state: &'a State,
    types: BTreeMap<Name, Named>,
    seen: BTreeSet<&'a Reference>,
}

impl<'a> Foreign<'a> {
    fn take(&mut self, references: &'a [Reference], language: Language) -> Result<(), Refusal> {
        for reference in references {
            let kept = self.state.entry(&reference.subject, reference.version).ok_or_else(|| {
                Refusal::InvalidSchema(format!(
                    "No schema reference found for subject \"{}\" and version {}",
                    reference.subject, reference.version
                ))
            })?;
            let definition = kept.definition();
            if definition.language != language {
                let (own, other) = (language.name(), definition.language.name());
                let said = format!(
                    "a schema of type {own} can't refer to '{}', which is {other}",
                    reference.subject
                );
                return Err(Refusal::InvalidSchema(said));
            }
            // Imported schemas may refer to each other in a circle.
            if !self.seen.insert(reference) {
                continue;
            }
            if self.seen.len() > REFERENCES_MAX {
                return Err(Refusal::InvalidSchema(format!(
                    "it refers to more than {REFERENCES_MAX} schemas"
                )));
            }
            self.take(&definition.references, language)?;
            if language == Language::Avro {
                self.define(&definition.text, reference)?;
            }
        }
        Ok(())
    }

    fn define(&mut self, text: &str, reference: &Reference) -> Result<(), Refusal> {
        let types = std::mem::take(&mut self.types);
        let parsed = Avro::parse(text, types, false);
        let Reference { subject, version, .. } = reference;
        let unreadable =
            |why| Refusal::InvalidSchema(format!("version {version} of subject '{subject}': {why}"));
        self.types = parsed.map_err(unreadable)?.into_foreign();
        Ok(())
    }
}

/// Why `new` does not go with `old` at this level; nothing means that it does.
///
/// # Errors
/// [`Refusal::NotPermitted`] for languages whose compatibility is not checked here.
pub(crate) fn objections(level: Level, new: &Understood, old: &Understood) -> Result<Vec<String>, Refusal> {
    if new.definition.language != old.definition.language {
        return Ok(vec!["Incompatible because of different schema type".to_owned()]);
    }
    let (Some(new), Some(old)) = (&new.avro, &old.avro) else {
        return Err(not_checked(new.definition.language, level));
    };
    let mut found = Vec::new();
    if level.reads_old() {
        found.extend(incompatibilities(new, old).iter().map(|found| told(found, "new", "old")));
    }
    if level.is_read_by_old() {
        found.extend(incompatibilities(old, new).iter().map(|found| told(found, "old", "new")));
    }
    Ok(found)
}

fn not_checked(language: Language, level: Level) -> Refusal {
    Refusal::NotPermitted(format!(
        "this registry does not check the compatibility of schemas of type {}, so it can't promise {}; set the \
         subject's compatibility to NONE to register schemas unchecked",
        language.name(),
        level.name()
    ))
}

/// In the shape that Confluent's clients know; `{}` and quotes are part of it, though it is no JSON.
fn told(found: &Incompatibility, reader: &str, writer: &str) -> String {
    let Incompatibility { kind, place, detail } = found;
    let what = kind.told(reader, writer, detail);
    format!("{{errorType:'{kind}', description:'{what}, at path '{place}'', additionalInfo:'{detail}'}}")
}
