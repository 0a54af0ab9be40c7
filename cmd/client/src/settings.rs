use std::path::PathBuf;

use clap::Parser;
use millstream_avro_codec::Registry;
use millstream_kafka_log::{KafkaLog, KafkaWorld};
use millstream_model::TopicName;
use millstream_settings::{Key, Settings, SettingsError, Sources};
use millstream_sled_table::{SledTable, SledTables};

/// Searches products by their full name, and shows the recommendations that come back.
///
/// With lines from a pipe each is a search; answers are shown until --wait is over. With --once answers are JSON lines,
/// and the exit code is 0 when a recommendation came and 3 when none did.
#[derive(Parser)]
#[command(name = "client", version)]
pub(crate) struct Arguments {
    /// Who searches
    #[arg(long, env = "USER", default_value = "guest", value_name = "U")]
    user: String,
    /// Search once, print the answers as JSON lines, and end
    #[arg(long, value_name = "PROMPT")]
    pub(crate) once: Option<String>,
    /// How many seconds to wait for answers
    #[arg(long, default_value_t = 10.0, value_name = "S", value_parser = seconds)]
    pub(crate) wait: f64,
    /// Kafka's brokers, host:port with commas between
    #[arg(long, value_name = "LIST")]
    brokers: Option<String>,
    /// The schema registry's address
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
    /// A settings file other than config.yaml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log what happens inside
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("a wait is a number of seconds, at most a day".to_owned()),
    }
}

/// What the program runs with.
pub(crate) struct ClientSettings {
    pub(crate) user: String,
    pub(crate) prompts: TopicName,
    pub(crate) recommendations: TopicName,
    all: Settings,
}

impl ClientSettings {
    pub(crate) fn of(arguments: &Arguments) -> Result<Self, SettingsError> {
        let sources = Sources::of_process()
            .config(arguments.config.clone())
            .flag(Key::KafkaBrokers.name(), arguments.brokers.as_ref())
            .flag(Key::SchemaRegistryUrl.name(), arguments.registry.as_ref());
        let all = Settings::load(sources)?;
        all.brokers()?;
        all.registry_url()?;
        let (prompts, recommendations) =
            (all.topic(Key::ProductFindTopic)?, all.topic(Key::RecommendationTopic)?);
        Ok(Self { user: arguments.user.clone(), prompts, recommendations, all })
    }

    pub(crate) fn world(&self) -> anyhow::Result<KafkaWorld<SledTable>> {
        let kafka = KafkaLog::new(self.all.brokers()?).with_properties(self.all.kafka_properties())?;
        // The client keeps no tables; a world has a place for them all the same.
        let tables = SledTables::at("state");
        Ok(KafkaWorld::new(kafka, move |id| tables.open(id)))
    }

    pub(crate) fn registry(&self) -> anyhow::Result<Registry> {
        Ok(Registry::new(self.all.registry_url()?.reveal())?)
    }
}

/// Where earlier searches are kept.
pub(crate) fn history_file() -> Option<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder =
        given("XDG_STATE_HOME").or_else(|| Some(given("HOME")?.join(".local/state")))?.join("millstream");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("client_history"))
}
