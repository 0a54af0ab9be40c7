use std::io::{Write, stdout};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use millstream_avro_codec::{AvroRows, Registry};
use millstream_json_codec::{Document, JsonRows};
use millstream_model::Headers;
use millstream_ports::{
    DelimitedRows, KafkaRows, NoRows, RowFormat, RowSpec, Side, base64_bytes, base64_text,
};
use millstream_rule_engine::{Formats, Message, Trial, TrialError};
use millstream_sql::{Catalog, Source};

use super::Verdict;
use super::case::{Case, Record, Window};
use super::compare::compare;
use super::wire::Half;
use crate::scripts;

/// Runs one case in memory, with a registry of its own.
pub(crate) fn run(case: &Case, registry: &Registry, is_shown: bool) -> Verdict {
    let verdict = match judge(case, registry, is_shown) {
        Ok(verdict) => verdict,
        Err(error) => Verdict::Failed(format!("{error:#}")),
    };
    if is_shown {
        let _ = writeln!(stdout(), "{}: {verdict:?}", case.id);
    }
    verdict
}

struct World {
    registry: Registry,
    formats: Vec<(&'static str, Arc<dyn RowFormat>)>,
}

impl World {
    fn new(registry: &Registry) -> Self {
        let registry = registry.emptied();
        let formats: Vec<(&str, Arc<dyn RowFormat>)> = vec![
            ("AVRO", Arc::new(AvroRows::new(&registry))),
            ("JSON", Arc::new(JsonRows::new())),
            ("JSON_SR", Arc::new(JsonRows::with_schemas(Arc::new(registry.clone())))),
            ("DELIMITED", Arc::new(DelimitedRows)),
            ("KAFKA", Arc::new(KafkaRows)),
            ("NONE", Arc::new(NoRows)),
        ];
        Self { registry, formats }
    }

    fn trial(&self) -> Trial {
        let all = self.formats.iter().cloned();
        let formats = all.fold(Formats::default(), |formats, (name, format)| formats.with(name, format));
        Trial::new(formats)
    }

    /// Registers the schemas that a case's topics have beforehand.
    fn prepare(&self, topic: &Document, case: &Case) -> anyhow::Result<()> {
        let name = topic.get("name").and_then(Document::as_text).context("a topic has no name")?;
        for (half, schema, id) in
            [("key", "keySchema", "keySchemaId"), ("value", "valueSchema", "valueSchemaId")]
        {
            let Some(schema) = topic.get(schema).filter(|schema| !schema.is_null()) else { continue };
            let given = topic.get(id).and_then(Document::as_whole).and_then(|id| id.try_into().ok());
            let id = given.or_else(|| said_id(case, half));
            self.registry.put(&format!("{name}-{half}"), id, &schema.to_string())?;
        }
        Ok(())
    }
}

/// The id that the statements expect a topic's schema to have, where the topic does not say it.
fn said_id(case: &Case, half: &str) -> Option<u32> {
    let property = format!("{}_SCHEMA_ID", half.to_uppercase());
    let said = case.statements.iter().find_map(|statement| {
        let upper = statement.to_uppercase();
        let behind = upper.split_once(&property)?.1.trim_start().strip_prefix('=')?.trim_start().to_owned();
        Some(behind.chars().take_while(char::is_ascii_digit).collect::<String>())
    });
    said?.parse().ok()
}

fn judge(case: &Case, registry: &Registry, is_shown: bool) -> anyhow::Result<Verdict> {
    let world = World::new(registry);
    case.topics.iter().try_for_each(|topic| world.prepare(topic, case))?;
    let mut trial = world.trial();
    scripts::register(&case.functions, |name, about, signature, call| {
        trial.register(name, about, signature, call)
    })?;
    for (name, value) in &case.properties {
        trial.execute(&format!("SET '{name}' = '{value}';")).ok();
    }
    for (place, statement) in case.statements.iter().enumerate() {
        let is_last = place + 1 == case.statements.len();
        if let Err(refused) = trial.execute(statement) {
            return Ok(at_refusal(&refused, is_last && case.expected_error.is_some(), statement));
        }
    }
    let inputs = case.inputs.iter().map(|input| message(&world, trial.catalog(), input));
    let inputs = inputs.collect::<anyhow::Result<Vec<_>>>()?;
    let written = match (trial.play(&inputs), &case.expected_error) {
        (Ok(_), Some(expected)) => {
            let said = expected.get("message").and_then(Document::as_text).unwrap_or_default();
            return Ok(Verdict::Failed(format!("nothing was refused, where the expectation is: {said}")));
        }
        (Err(failed), Some(_)) => return Ok(Verdict::Passed(failed.to_string())),
        (Err(failed), None) => bail!("a query failed: {failed}"),
        (Ok(written), None) => written,
    };
    if is_shown {
        show(&world, trial.catalog(), &written);
    }
    if !case.outputs.is_empty() {
        outputs(case, &world, trial.catalog(), &written)?;
    }
    case.sources.iter().try_for_each(|source| known(source, trial.catalog(), &world))?;
    Ok(Verdict::Passed(String::new()))
}

/// A refusal is what was expected, or our own limit, or a mistake of ours.
fn at_refusal(refused: &TrialError, is_expected: bool, statement: &str) -> Verdict {
    let is_unsupported = matches!(refused, TrialError::Mistakes(mistakes) if mistakes.iter().any(|mistake| mistake.is_unsupported));
    let said = format!("{refused} (in: {statement})");
    match (is_unsupported, is_expected) {
        (true, _) => Verdict::Unsupported(said),
        (false, true) => Verdict::Passed(said),
        (false, false) => Verdict::Failed(said),
    }
}

/// The source that a topic's records are written by: the last that names it, for later ones are the queries' own.
fn source_of<'c>(catalog: &'c Catalog, topic: &str) -> Option<&'c Source> {
    catalog.sources().find(|source| source.topic == topic)
}

fn halves<'a>(world: &'a World, catalog: &'a Catalog, topic: &'a str) -> [Half<'a>; 2] {
    let source = source_of(catalog, topic);
    let half = |side, format, columns| Half { topic, side, format, columns, registry: &world.registry };
    match source {
        Some(source) => [
            half(Side::Key, source.key_format.as_str(), source.key.as_slice()),
            half(Side::Value, source.value_format.as_str(), source.value.as_slice()),
        ],
        None => [half(Side::Key, "KAFKA", &[]), half(Side::Value, "JSON", &[])],
    }
}

fn message(world: &World, catalog: &Catalog, input: &Record) -> anyhow::Result<Message> {
    if let Some(source) = source_of(catalog, &input.topic) {
        register(world, source)?;
    }
    let [key, value] = halves(world, catalog, &input.topic);
    let in_topic = |half: &str| format!("the input's {half} to {}", input.topic);
    let mut key = key.write(&input.key).with_context(|| in_topic("key"))?;
    if let (Some(key), Some(window)) = (&mut key, input.window) {
        if window.is_session {
            key.extend_from_slice(&window.end.to_be_bytes());
        }
        key.extend_from_slice(&window.start.to_be_bytes());
    }
    let header = |(name, value): &(String, Option<String>)| {
        let value = value.as_deref().map(|value| base64_bytes(value).context("a header is not in base64"));
        Ok((name.clone(), value.transpose()?))
    };
    Ok(Message {
        topic: input.topic.clone(),
        key,
        value: value.write(&input.value).with_context(|| in_topic("value"))?,
        timestamp: input.timestamp.unwrap_or(0),
        headers: Headers(input.headers.iter().map(header).collect::<anyhow::Result<_>>()?),
    })
}

/// A topic that has no schema yet gets that of its source, as a producer to it would register one.
fn register(world: &World, source: &Source) -> anyhow::Result<()> {
    let sides = [
        (Side::Key, "key", &source.key_format, &source.key, &source.key_options),
        (Side::Value, "value", &source.value_format, &source.value, &source.value_options),
    ];
    for (side, half, format, columns, options) in sides {
        let is_known = world.registry.latest(&format!("{}-{half}", source.topic))?.is_some();
        let format = world.formats.iter().find(|(name, _)| name == format).filter(|_| !is_known);
        if let Some((_, format)) = format.filter(|_| !columns.is_empty()) {
            format.writer(RowSpec { topic: &source.topic, side, columns, options })?;
        }
    }
    Ok(())
}

/// Every topic that is looked at holds exactly the records expected, in their order.
fn outputs(case: &Case, world: &World, catalog: &Catalog, written: &[Message]) -> anyhow::Result<()> {
    let mut topics: Vec<_> = case.outputs.iter().map(|output| output.topic.as_str()).collect();
    topics.sort_unstable();
    topics.dedup();
    for topic in topics {
        let expected: Vec<_> = case.outputs.iter().filter(|output| output.topic == topic).collect();
        let actual: Vec<_> = written.iter().filter(|message| message.topic == topic).collect();
        for (place, (expected, actual)) in expected.iter().zip(&actual).enumerate() {
            same(case, world, catalog, expected, actual)
                .with_context(|| format!("record {place} of {topic}"))?;
        }
        if expected.len() != actual.len() {
            bail!("{topic}: {} records came where {} are expected", actual.len(), expected.len());
        }
    }
    Ok(())
}

fn same(
    case: &Case,
    world: &World,
    catalog: &Catalog,
    expected: &Record,
    actual: &Message,
) -> anyhow::Result<()> {
    let is_exact = !case
        .properties
        .iter()
        .any(|(name, value)| name == "use.exact.numeric.comparison" && value.eq_ignore_ascii_case("false"));
    let [key_half, value_half] = halves(world, catalog, &expected.topic);
    let mut key = actual.key.as_deref();
    if let Some(expected) = expected.window {
        let (rest, window) = unwrapped(key.context("there is no key")?, expected)?;
        anyhow::ensure!(window == expected, "window: expected {expected:?}, came {window:?}");
        key = Some(rest);
    }
    let is_exact = is_exact && value_half.format != "JSON_SR";
    let differs = |half: &str, reason: String| anyhow!("{half}{reason}");
    compare(&expected.key, &key_half.read(key)?, is_exact).map_err(|reason| differs("key", reason))?;
    let value = value_half.read(actual.value.as_deref())?;
    compare(&expected.value, &value, is_exact).map_err(|reason| differs("value", reason))?;
    let is_told = !case.inputs.is_empty() || expected.timestamp != Some(0);
    if let Some(timestamp) = expected.timestamp.filter(|_| is_told) {
        anyhow::ensure!(
            timestamp == actual.timestamp,
            "timestamp: expected {timestamp}, came {}",
            actual.timestamp
        );
    }
    let encoded =
        |(name, value): &(String, Option<Vec<u8>>)| (name.clone(), value.as_deref().map(base64_text));
    let headers: Vec<_> = actual.headers.0.iter().map(encoded).collect();
    anyhow::ensure!(
        headers == expected.headers,
        "headers: expected {:?}, came {headers:?}",
        expected.headers
    );
    Ok(())
}

/// Takes the window off a key.
fn unwrapped(key: &[u8], expected: Window) -> anyhow::Result<(&[u8], Window)> {
    let last = |key: &[u8]| -> anyhow::Result<(usize, i64)> {
        let (rest, last) = key.split_last_chunk::<8>().context("there is no window behind the key")?;
        Ok((rest.len(), i64::from_be_bytes(*last)))
    };
    let (mut rest, start) = last(key)?;
    let mut end = start + (expected.end - expected.start);
    if expected.is_session {
        (rest, end) = last(key.get(..rest).unwrap_or_default())?;
    }
    Ok((key.get(..rest).unwrap_or_default(), Window { start, end, is_session: expected.is_session }))
}

/// A source has the kind and the columns expected.
fn known(expected: &Document, catalog: &Catalog, world: &World) -> anyhow::Result<()> {
    let text = |name: &str| expected.get(name).and_then(Document::as_text);
    let name = text("name").context("a source has no name")?;
    let source = catalog.get(name).with_context(|| format!("there is no source {name}"))?;
    if let Some(kind) = text("type") {
        anyhow::ensure!(kind.eq_ignore_ascii_case(&source.kind.to_string()), "{name} is a {}", source.kind);
    }
    if let Some(schema) = text("schema") {
        let mut scratch = world.trial();
        let statement =
            format!("CREATE STREAM WANTED ({schema}) WITH (KAFKA_TOPIC='wanted', FORMAT='JSON');");
        // A key made of a row's partition is called so, which no declared column can be.
        let statement = statement.replace("PRIMARY KEY", "KEY").replace("ROWPARTITION", "MADE_ROWPARTITION");
        scratch.execute(&statement).with_context(|| format!("the schema '{schema}'"))?;
        let wanted = scratch.catalog().get("WANTED").context("the schema was not taken")?;
        let said = |source: &Source| {
            let list = |columns: &[_]| columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let said = format!("key ({}) value ({})", list(&source.key), list(&source.value));
            said.replace("MADE_ROWPARTITION", "ROWPARTITION")
        };
        anyhow::ensure!(
            said(wanted) == said(source),
            "{name}: expected {}, came {}",
            said(wanted),
            said(source)
        );
    }
    for (half, format) in [("keyFormat", &source.key_format), ("valueFormat", &source.value_format)] {
        let wanted = expected.get(half).map(|half| half.get("format").unwrap_or(half));
        if let Some(wanted) = wanted.and_then(Document::as_text) {
            anyhow::ensure!(wanted == format, "{name}: {half} expected {wanted}, came {format}");
        }
    }
    Ok(())
}

fn show(world: &World, catalog: &Catalog, written: &[Message]) {
    for message in written {
        let [key, value] = halves(world, catalog, &message.topic);
        let told = |half: &Half<'_>, bytes: Option<&[u8]>| match half.read(bytes) {
            Ok(document) => document.to_string(),
            Err(error) => format!("{bytes:?} ({error:#})"),
        };
        let (key, value) = (told(&key, message.key.as_deref()), told(&value, message.value.as_deref()));
        let Message { topic, timestamp, .. } = message;
        let _ = writeln!(stdout(), "  {topic} key {key} value {value} timestamp {timestamp}");
    }
}
