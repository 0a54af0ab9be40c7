//! The world, the formats and how each rule runs, from settings.

use std::sync::Arc;
use std::time::Duration;

use millstream_avro_codec::{AvroRows, Registry};
use millstream_json_codec::JsonRows;
use millstream_kafka_log::{KafkaLog, KafkaWorld};
use millstream_ports::{
    DelimitedRows, FoundColumns, KafkaRows, NoRows, PortError, RowCodec, RowFormat, RowSpec, Side,
};
use millstream_rule_engine::{Formats, ServerSettings, delivered};
use millstream_runtime::{MemoryBudget, Settings, Traces};
use millstream_sled_table::{SledTable, SledTables};
use millstream_telemetry::{SpanSettings, Spans};

use crate::scripts;
use crate::settings::RuleSettings;

/// Kafka, and tables in sled.
pub(crate) type RuleWorld = KafkaWorld<SledTable>;

pub(crate) fn world(settings: &RuleSettings) -> anyhow::Result<RuleWorld> {
    // Where they may be missing nothing is asked of them.
    let brokers = settings.all.brokers().unwrap_or_default();
    let kafka = KafkaLog::new(brokers).with_properties(settings.all.kafka_properties())?;
    let tables = SledTables::at(&settings.state_dir);
    Ok(KafkaWorld::new(kafka, move |id| tables.open(id)))
}

pub(crate) fn formats(settings: &RuleSettings) -> anyhow::Result<Formats> {
    let missing = match settings.all.registry_url() {
        Ok(url) => return Ok(formats_over(&Registry::new(url.reveal())?)),
        Err(missing) => missing,
    };
    let without = |name: &str| {
        Arc::new(WithoutRegistry(format!("{name} keeps its schemas in a registry, and {missing}")))
    };
    Ok(plain_formats().with("AVRO", without("AVRO")).with("JSON_SR", without("JSON_SR")))
}

/// A format whose schemas are nowhere: statements that name its columns can be looked at, and not be run.
struct WithoutRegistry(String);

impl WithoutRegistry {
    fn refuse<T>(&self) -> Result<T, PortError> {
        Err(PortError::stop(&self.0))
    }
}

impl RowFormat for WithoutRegistry {
    fn is_at_hand(&self) -> Result<(), PortError> {
        self.refuse()
    }

    fn columns(&self, _: &str, _: Side, _: Option<u32>) -> Result<FoundColumns, PortError> {
        self.refuse()
    }

    fn reader(&self, _: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        self.refuse()
    }

    fn writer(&self, _: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        self.refuse()
    }
}

/// All formats, their schemas in this registry.
pub(crate) fn formats_over(registry: &Registry) -> Formats {
    plain_formats()
        .with("AVRO", Arc::new(AvroRows::new(registry)))
        .with("JSON_SR", Arc::new(JsonRows::with_schemas(Arc::new(registry.clone()))))
}

/// Those that keep no schemas.
fn plain_formats() -> Formats {
    Formats::default()
        .with("JSON", Arc::new(JsonRows::new()))
        .with("DELIMITED", Arc::new(DelimitedRows))
        .with("NONE", Arc::new(NoRows))
        .with("KAFKA", Arc::new(KafkaRows))
}

/// Begins to tell spans, if the settings name a collector.
pub(crate) fn spans(all: &millstream_settings::Settings) -> anyhow::Result<Option<Arc<Spans>>> {
    let Some((endpoint, ratio)) = all.collector()? else { return Ok(None) };
    let settings = SpanSettings { service: "rules".to_owned(), endpoint, ratio };
    Ok(Some(Arc::new(Spans::start(&settings)?)))
}

pub(crate) fn each(settings: &RuleSettings) -> Settings {
    let each = Settings {
        workers: settings.workers,
        standbys: settings.standbys,
        traces: Traces::from(settings.spans.clone()),
        commit_interval: Some(Duration::from_millis(settings.commit_interval_ms)),
        memory: settings.memory_budget_bytes.map_or_else(MemoryBudget::default, MemoryBudget::of_bytes),
        ..Settings::default()
    };
    delivered(&each, Some(settings.guarantee))
}

pub(crate) fn server(settings: &RuleSettings) -> anyhow::Result<ServerSettings> {
    let mut server = ServerSettings {
        service_id: settings.server.service_id.clone(),
        rules: each(settings),
        ..ServerSettings::default()
    };
    let functions = scripts::functions(settings.functions.as_deref())?;
    scripts::register(&functions, |name, about, signature, call| {
        server.functions.register(name, about, signature, call)
    })?;
    Ok(server)
}
