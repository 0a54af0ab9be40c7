use std::path::PathBuf;

use clap::{Parser, Subcommand};
use millstream_model::TopicName;
use millstream_settings::{Key, Settings, SettingsError, Sources};
use millstream_shop::Case;
use millstream_storefront::{FilterTopics, filter_topic_of};

/// The group's name unless told otherwise.
const GROUP: &str = "product-stream";

/// Passes on the products whose name contains a text, and tells each product whose images are complete.
///
/// At the prompt a line sets the text, an empty line clears it, and :help lists the commands. The filter holds for every
/// record processed after it was set, reaches all instances of the group, and is still there after a restart. With lines
/// from a pipe the program ends with the last of them.
#[derive(Parser)]
#[command(name = "stream", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) deed: Option<Deed>,
    /// Set the filter at the start
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Read nothing from the terminal; run until SIGINT or SIGTERM
    #[arg(long)]
    pub(crate) no_repl: bool,
    /// Where the group table is kept
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
    /// Threads, each with partitions of its own
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Where metrics and health are served; 'off' for nowhere
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    #[command(flatten)]
    common: Common,
    /// Log what happens inside
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

#[derive(clap::Args)]
struct Common {
    /// Kafka's brokers, host:port with commas between
    #[arg(long, global = true, value_name = "LIST")]
    brokers: Option<String>,
    /// The schema registry's address
    #[arg(long, global = true, value_name = "URL")]
    registry: Option<String>,
    /// A settings file other than config.yaml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum Deed {
    /// Create or verify the shop's topics, and register their schemas
    Topics {
        /// What to do with them
        #[arg(value_parser = ["create"])]
        verb: String,
        /// How many partitions new topics get
        #[arg(long, default_value_t = 6, value_name = "N")]
        partitions: u32,
    },
}

/// What the program runs with.
pub(crate) struct StreamSettings {
    pub(crate) all: Settings,
    pub(crate) group: String,
    pub(crate) topics: FilterTopics,
    pub(crate) state_dir: PathBuf,
    pub(crate) workers: Option<usize>,
    pub(crate) commit_interval_ms: Option<u64>,
    pub(crate) http_address: Option<String>,
    pub(crate) case: Case,
}

impl StreamSettings {
    pub(crate) fn of(arguments: &Arguments) -> Result<Self, SettingsError> {
        let common = &arguments.common;
        let sources = Sources::of_process()
            .config(common.config.clone())
            .flag(Key::KafkaBrokers.name(), common.brokers.as_ref())
            .flag(Key::SchemaRegistryUrl.name(), common.registry.as_ref())
            .flag("stream.state_dir", arguments.state_dir.as_ref().map(|path| path.display()))
            .flag("stream.workers", arguments.workers)
            .flag("stream.http_address", arguments.http.as_ref());
        let all = Settings::load(sources)?;
        let group = all.get::<String>("stream.group")?.unwrap_or_else(|| GROUP.to_owned());
        let topics = FilterTopics {
            products: all.topic(Key::ProductTopic)?,
            filtered: all.topic(Key::ProductFilteredTopic)?,
            complete: all.topic(Key::ProductWithFullImgSetTopic)?,
            filter: filter_topic(&group)?,
        };
        let http = all.get::<String>("stream.http_address")?.unwrap_or_else(|| "127.0.0.1:9101".to_owned());
        let minds_case = all.get::<bool>("stream.case_sensitive_filter")?.unwrap_or(false);
        all.brokers()?;
        all.registry_url()?;
        Ok(Self {
            state_dir: all.get::<PathBuf>("stream.state_dir")?.unwrap_or_else(default_state_dir),
            workers: all.get("stream.workers")?,
            commit_interval_ms: all.get("stream.commit_interval_ms")?,
            http_address: (http != "off").then_some(http),
            case: if minds_case { Case::Sensitive } else { Case::Insensitive },
            group,
            topics,
            all,
        })
    }
}

fn filter_topic(group: &str) -> Result<TopicName, SettingsError> {
    filter_topic_of(group).map_err(|error| SettingsError::Malformed {
        name: "STREAM_GROUP".to_owned(),
        found: "the settings".to_owned(),
        reason: error.to_string(),
        places: "the environment and config.yaml".to_owned(),
    })
}

/// State outlives the process and the machine's restart, so it is kept where a user's state belongs.
fn default_state_dir() -> PathBuf {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = given("XDG_STATE_HOME").or_else(|| Some(given("HOME")?.join(".local/state")));
    base.map_or_else(|| PathBuf::from("state"), |base| base.join("millstream"))
}
