use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use millstream_avro_codec::{Avro, AvroBorrowed, Forwarding, Registry, value_subject};
use millstream_http_api::{KeyForm, ServedTable};
use millstream_kafka_log::{KafkaLog, KafkaWorld};
use millstream_ports::{Codec, Nullable, PortError, TopicSpec, Utf8, World};
use millstream_runtime::{
    Emitter, MemoryBudget, Output, Owners, Processor, ProcessorError, Running, Settings, Traces,
};
use millstream_sled_table::{SledTable, SledTables};
use millstream_storefront::wire::{PRODUCT_SCHEMA, PRODUCT_STATE_SCHEMA, ProductStateWire};
use millstream_storefront::{FILTER_KEY, FilterParts, ProductShape, ProductStateShape, filter_graph};

use millstream_telemetry::{SpanSettings, Spans};
use millstream_topology::{GroupSpec, Partitioner};

use crate::dead_letters::LetterTopic;
use crate::settings::StreamSettings;

/// How long a filter may take to reach this instance's own copy.
const FILTER_WAIT: Duration = Duration::from_secs(30);

type StreamWorld = KafkaWorld<SledTable>;
type FilterEmitter = Emitter<StreamWorld, Utf8, Nullable<Utf8>>;

/// The stream at work, with the way to set its filter.
pub(crate) struct Stream {
    pub(crate) running: Running,
    filter_topic: millstream_model::TopicName,
    emitter: Mutex<FilterEmitter>,
    states: AvroBorrowed<ProductStateShape>,
    world: StreamWorld,
    registry: Registry,
    spec: GroupSpec,
}

pub(crate) fn kafka(settings: &StreamSettings) -> anyhow::Result<KafkaLog> {
    Ok(KafkaLog::new(settings.all.brokers()?).with_properties(settings.all.kafka_properties())?)
}

pub(crate) fn registry(settings: &StreamSettings) -> anyhow::Result<Registry> {
    Ok(Registry::new(settings.all.registry_url()?.reveal())?)
}

fn world(settings: &StreamSettings) -> anyhow::Result<StreamWorld> {
    let tables = SledTables::at(&settings.state_dir);
    Ok(KafkaWorld::new(kafka(settings)?, move |id| tables.open(id)))
}

/// The filter's topic: one partition, compacted, since only the newest filter counts.
pub(crate) fn filter_spec(settings: &StreamSettings) -> TopicSpec {
    let compacted = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
    TopicSpec { name: settings.topics.filter.clone(), partitions: 1, replication: None, settings: compacted }
}

impl Stream {
    /// Starts to process, under `filter` if there is one: it is set before the first record is looked at.
    pub(crate) fn start(settings: &StreamSettings, filter: Option<&str>) -> anyhow::Result<Self> {
        let (world, registry) = (world(settings)?, registry(settings)?);
        let filter_topic = settings.topics.filter.clone();
        if world.describe_topics(std::slice::from_ref(&filter_topic))?.iter().all(Option::is_none) {
            world.create_topic(&filter_spec(settings))?;
        }
        let states = AvroBorrowed::writer(
            &registry,
            &value_subject(&format!("{}-table", settings.group)),
            PRODUCT_STATE_SCHEMA,
        )?;
        let (processor, spec) = processor(settings, &world, &registry, states.clone())?;
        let output = Output::new(filter_topic.as_str(), Utf8, Nullable(Utf8));
        let mut emitter = Emitter::open(&world, &format!("{}-filter", settings.group), output)?;
        if let Some(text) = filter {
            emit_filter(&mut emitter, text)?;
        }
        let (running, emitter) = (processor.start()?, Mutex::new(emitter));
        Ok(Self { running, filter_topic, emitter, states, world, registry, spec })
    }

    /// Sets the filter for all instances, and waits until this one goes by it. An empty text clears it.
    pub(crate) fn set_filter(&self, text: &str) -> anyhow::Result<()> {
        let mut emitter = self.emitter.lock().unwrap_or_else(PoisonError::into_inner);
        emit_filter(&mut emitter, text)?;
        let (key, value) = (FILTER_KEY.as_bytes(), Some(text.as_bytes()));
        let reached = self.running.wait_lookup(&self.filter_topic, key, value, FILTER_WAIT);
        reached.with_context(|| match self.filter() {
            Ok(other) => format!("this instance goes by \"{other}\", which another may have set since"),
            Err(error) => format!("the filter can't be read: {error}"),
        })
    }

    /// The filter that this instance goes by; empty when all products pass.
    pub(crate) fn filter(&self) -> Result<String, PortError> {
        let value = self.running.lookup(&self.filter_topic, FILTER_KEY.as_bytes())?;
        Ok(value.map_or_else(String::new, |bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Calls `read` with what the group table holds of a product, where this instance owns it.
    pub(crate) fn state<T>(
        &self,
        id: &str,
        read: impl FnOnce(ProductStateWire<'_>) -> T,
    ) -> anyhow::Result<Option<T>> {
        let bytes = self.running.table().get(id.as_bytes())?;
        Ok(bytes.map(|bytes| self.states.decode(&bytes).map(read)).transpose()?)
    }

    /// Which instance has which partition; the others learn that this one is at `url`.
    pub(crate) fn owners(&self, url: &str) -> anyhow::Result<Arc<Owners>> {
        Ok(Arc::new(Owners::open(&self.world, &self.spec, self.running.status(), url)?))
    }

    /// What the group has set aside, where its policies set anything aside.
    pub(crate) fn dead_letters(&self) -> Option<LetterTopic<StreamWorld>> {
        let topic = self.spec.dead_letters.clone()?;
        Some(LetterTopic::new(self.world.clone(), topic))
    }

    /// The group table as it is served over HTTP.
    pub(crate) fn served_table(&self, owners: Arc<Owners>) -> ServedTable {
        let codec = Avro::<serde_json::Value>::reader(&self.registry);
        ServedTable {
            name: self.spec.changelog.as_ref().map(ToString::to_string).unwrap_or_default(),
            client: self.running.table(),
            owners,
            partitioner: Partitioner::default(),
            key: KeyForm::Text,
            value: Arc::new(move |bytes| codec.decode(bytes).map_err(|error| error.to_string())),
        }
    }

    /// Drains, commits and closes.
    pub(crate) fn finish(self) -> Result<(), ProcessorError> {
        self.running.stop()
    }
}

/// Begins to tell spans, if the settings name a collector.
pub(crate) fn spans(all: &millstream_settings::Settings) -> anyhow::Result<Option<Arc<Spans>>> {
    let Some((endpoint, ratio)) = all.collector()? else { return Ok(None) };
    let settings = SpanSettings { service: "stream".to_owned(), endpoint, ratio };
    Ok(Some(Arc::new(Spans::start(&settings)?)))
}

/// Writes the filter to its topic, and makes sure that it is there.
fn emit_filter(emitter: &mut FilterEmitter, text: &str) -> anyhow::Result<()> {
    emitter.emit(&FILTER_KEY, &Some(text.trim()))?;
    Ok(emitter.flush()?)
}

fn processor(
    settings: &StreamSettings,
    world: &StreamWorld,
    registry: &Registry,
    states: AvroBorrowed<ProductStateShape>,
) -> anyhow::Result<(Processor<StreamWorld>, GroupSpec)> {
    let subject = value_subject(settings.topics.filtered.as_str());
    // Its schema is known to readers of the filtered topic before the first record is there.
    Avro::<()>::writer(registry, &subject, PRODUCT_SCHEMA)?;
    let forwarding = Forwarding::to(registry, subject);
    let complete = value_subject(settings.topics.complete.as_str());
    let parts = FilterParts {
        product: AvroBorrowed::<ProductShape>::writer(registry, &complete, PRODUCT_SCHEMA)?,
        state: states,
        check_forward: Arc::new(move |bytes: &[u8]| forwarding.check(bytes)),
        case: settings.case,
    };
    let graph = filter_graph(&settings.group, &settings.topics, parts)?;
    let (spec, defaults) = (graph.spec().clone(), Settings::default());
    let tuned = Settings {
        workers: settings.workers.map_or(defaults.workers, NonZeroUsize::get),
        commit_interval: settings.commit_interval_ms.map(Duration::from_millis),
        memory: settings.memory_budget_bytes.map_or_else(|| defaults.memory.clone(), MemoryBudget::of_bytes),
        standbys: settings.standbys,
        traces: Traces::from(settings.spans.clone()),
        ..defaults
    };
    Ok((Processor::new(world.clone(), graph).settings(tuned), spec))
}
