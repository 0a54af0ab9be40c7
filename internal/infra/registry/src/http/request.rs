use millstream_registry_rules::{
    Definition, Filter, Language, Reference, Refusal, Registration, State, Subject, VersionRange,
};
use serde::Deserialize;
use serde_json::Value;

/// A schema as clients send it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SchemaRequest {
    #[serde(default)]
    schema: Option<String>,
    #[serde(default)]
    schema_type: Option<String>,
    #[serde(default)]
    references: Option<Vec<ReferenceRequest>>,
    #[serde(default)]
    metadata: Option<Value>,
    #[serde(default)]
    rule_set: Option<Value>,
    #[serde(default)]
    id: Option<i64>,
    #[serde(default)]
    version: Option<i64>,
    #[serde(default)]
    schema_tags_to_add: Option<Value>,
    #[serde(default)]
    schema_tags_to_remove: Option<Value>,
}

#[derive(Deserialize)]
struct ReferenceRequest {
    name: String,
    subject: String,
    version: i64,
}

impl SchemaRequest {
    /// What is asked for, where `state` holds: a reference may be to the latest version.
    pub(super) fn registration(&self, state: &State, normalize: bool) -> Result<Registration, Refusal> {
        if self.schema_tags_to_add.is_some() || self.schema_tags_to_remove.is_some() {
            return Err(Refusal::NotPermitted(
                "this registry does not change the tags within schemas".to_owned(),
            ));
        }
        let language =
            self.schema_type.as_deref().filter(|name| !name.is_empty()).map(Language::called).transpose()?;
        let references = self.references.iter().flatten();
        let definition = Definition {
            language: language.unwrap_or_default(),
            text: self.schema.clone().unwrap_or_default(),
            references: references.map(|reference| reference.resolved(state)).collect::<Result<_, _>>()?,
            metadata: self.metadata.as_ref().filter(|json| !json.is_null()).map(ToString::to_string),
            rule_set: self.rule_set.as_ref().filter(|json| !json.is_null()).map(ToString::to_string),
        };
        // Negative ids and versions from 0 downward are clients' words for none.
        let id = self.id.filter(|id| *id >= 0).map(u32::try_from).transpose();
        let version = self.version.filter(|version| *version > 0).map(u32::try_from).transpose();
        let beyond = |_| Refusal::InvalidSchema("the id or the version is beyond 2^31-1".to_owned());
        Ok(Registration { definition, id: id.map_err(beyond)?, version: version.map_err(beyond)?, normalize })
    }
}

impl ReferenceRequest {
    fn resolved(&self, state: &State) -> Result<Reference, Refusal> {
        let subject = Subject::new(self.subject.as_str())?;
        let version = match VersionRange::parse(&self.version.to_string())? {
            VersionRange::Exactly(version) => version,
            VersionRange::Latest => {
                state
                    .version(&subject, VersionRange::Latest, Filter::Live)
                    .map_err(|refusal| absent(&refusal))?
                    .0
            }
        };
        Ok(Reference { name: self.name.clone(), subject, version })
    }
}

fn absent(refusal: &Refusal) -> Refusal {
    Refusal::InvalidSchema(format!("a schema that it refers to is not there: {refusal}"))
}
