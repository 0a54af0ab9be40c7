use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use millstream_http_api::{Access, Token};
use millstream_model::TopicName;
use millstream_settings::{Key, Settings, SettingsError, Sources};
use millstream_shop::Case;
use millstream_storefront::{FilterTopics, filter_topic_of};
use millstream_telemetry::{Spans, Verbosity};

/// The group's name unless told otherwise.
const GROUP: &str = "product-stream";

/// Where metrics are unless told otherwise, or a free address when it is taken.
const HTTP: &str = "127.0.0.1:9101";

/// Passes on the products whose name contains a text, and tells each product whose images are complete.
///
/// At the prompt a line sets the text, an empty line clears it, and :help lists the commands. The filter holds for every
/// record processed after it was set, reaches all instances of the group, and is still there after a restart. Lines may
/// also come from a pipe; the program ends with the last of them, as it does on :quit. SIGINT and SIGTERM end it too:
/// what is under way is finished and committed first, and a second signal does not wait for that.
///
/// The exit code is 0 when it ended well, 1 when it failed and 2 when a setting is missing or malformed.
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
    /// Where the group table is kept [default: ~/.local/state/millstream]
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
    /// Threads, each with partitions of its own [default: one a processor]
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Where metrics and health are served, host:port, with port 0 for a free one; 'off' for nowhere [default:
    /// 127.0.0.1:9101, or a free one when that is taken]
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
    /// List records that were set aside since they could not be processed, and replay them, of this group or any other
    DeadLetters {
        #[command(subcommand)]
        verb: crate::letters::Verb,
    },
}

/// Where metrics and health are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HttpAddress {
    /// Nowhere.
    Off,
    /// There and nowhere else.
    Given(String),
    /// There if that is free, as nobody asked for it.
    Default(&'static str),
}

/// What the program runs with.
pub(crate) struct StreamSettings {
    pub(crate) all: Settings,
    pub(crate) group: String,
    pub(crate) topics: FilterTopics,
    pub(crate) state_dir: PathBuf,
    pub(crate) workers: Option<NonZeroUsize>,
    pub(crate) standbys: u32,
    pub(crate) commit_interval_ms: Option<u64>,
    pub(crate) memory_budget_bytes: Option<usize>,
    pub(crate) http: HttpAddress,
    pub(crate) access: Access,
    /// Where other instances and people reach this one, where that is not where it listens.
    pub(crate) advertised_url: Option<String>,
    pub(crate) case: Case,
    /// What tells spans, once it was begun; nothing without it.
    pub(crate) spans: Option<Arc<Spans>>,
    pub(crate) verbosity: Verbosity,
}

impl StreamSettings {
    pub(crate) fn of(arguments: &Arguments) -> Result<Self, SettingsError> {
        Self::from(arguments, Sources::of_process())
    }

    fn from(arguments: &Arguments, sources: Sources) -> Result<Self, SettingsError> {
        let all = load(arguments, sources)?;
        let group = group(&all)?;
        let minds_case = all.get::<bool>("stream.case_sensitive_filter")?.unwrap_or(false);
        all.brokers()?;
        all.registry_url()?;
        Ok(Self {
            topics: topics(&all, &group)?,
            state_dir: all.get::<PathBuf>("stream.state_dir")?.unwrap_or_else(default_state_dir),
            workers: all.get("stream.workers")?,
            standbys: all.get("stream.standbys")?.unwrap_or(0),
            commit_interval_ms: all.get("stream.commit_interval_ms")?,
            memory_budget_bytes: all.get("stream.memory_budget_bytes")?,
            http: http_address(&all)?,
            access: access(&all)?,
            advertised_url: all.get("stream.advertised_url")?,
            case: if minds_case { Case::Sensitive } else { Case::Insensitive },
            verbosity: if arguments.verbose { Verbosity::Verbose } else { Verbosity::Normal },
            spans: None,
            group,
            all,
        })
    }
}

fn load(arguments: &Arguments, sources: Sources) -> Result<Settings, SettingsError> {
    let common = &arguments.common;
    let sources = sources
        .config(common.config.clone())
        .flag(Key::KafkaBrokers.name(), common.brokers.as_ref())
        .flag(Key::SchemaRegistryUrl.name(), common.registry.as_ref())
        .flag("stream.state_dir", arguments.state_dir.as_ref().map(|path| path.display()))
        .flag("stream.workers", arguments.workers)
        .flag("stream.http_address", arguments.http.as_ref());
    Settings::load(sources)
}

fn group(all: &Settings) -> Result<String, SettingsError> {
    Ok(all.get::<String>("stream.group")?.unwrap_or_else(|| GROUP.to_owned()))
}

/// What dead letters are looked after with: they may be any group's, so nothing of the shop is asked for.
pub(crate) struct LetterSettings {
    pub(crate) all: Settings,
    pub(crate) group: String,
    pub(crate) verbosity: Verbosity,
}

impl LetterSettings {
    pub(crate) fn of(arguments: &Arguments) -> Result<Self, SettingsError> {
        let all = load(arguments, Sources::of_process())?;
        all.brokers()?;
        let verbosity = if arguments.verbose { Verbosity::Verbose } else { Verbosity::Normal };
        Ok(Self { group: group(&all)?, verbosity, all })
    }
}

fn topics(all: &Settings, group: &str) -> Result<FilterTopics, SettingsError> {
    Ok(FilterTopics {
        products: all.topic(Key::ProductTopic)?,
        filtered: all.topic(Key::ProductFilteredTopic)?,
        complete: all.topic(Key::ProductWithFullImgSetTopic)?,
        filter: filter_topic(group)?,
    })
}

fn http_address(all: &Settings) -> Result<HttpAddress, SettingsError> {
    let Some(address) = all.get::<String>("stream.http_address")? else {
        return Ok(HttpAddress::Default(HTTP));
    };
    if address == "off" {
        return Ok(HttpAddress::Off);
    }
    match address.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(HttpAddress::Given(address))
        }
        _ => Err(malformed(
            "STREAM_HTTP_ADDRESS",
            format!("'{address}' is no address; write host:port, with port 0 for a free one, or 'off'"),
        )),
    }
}

/// Who may ask over HTTP. A token is told by nothing here.
fn access(all: &Settings) -> Result<Access, SettingsError> {
    let mut access = Access::default();
    if let Some(text) = all.get::<String>("stream.http_token")? {
        let token = Token::new(text.trim());
        let reason = "a token is one word of printable characters".to_owned();
        access = access.by_token(token.ok_or_else(|| malformed("STREAM_HTTP_TOKEN", reason))?);
    }
    if let Some(url) = all.get::<String>("stream.advertised_url")? {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        if rest.is_none_or(str::is_empty) {
            let reason = format!("'{url}' is no web address; write such as http://stream-1:9101");
            return Err(malformed("STREAM_ADVERTISED_URL", reason));
        }
        access = access.named(&url);
    }
    let (certificate, key) = ("stream.http_certificate", "stream.http_key");
    match (all.get::<PathBuf>(certificate)?, all.get::<PathBuf>(key)?) {
        (None, None) => Ok(access),
        (Some(certificate), Some(key)) => access
            .by_tls(&certificate, &key)
            .map_err(|error| malformed("STREAM_HTTP_CERTIFICATE", error.to_string())),
        _ => {
            let reason = "TLS takes both a certificate and its key, STREAM_HTTP_KEY".to_owned();
            Err(malformed("STREAM_HTTP_CERTIFICATE", reason))
        }
    }
}

fn filter_topic(group: &str) -> Result<TopicName, SettingsError> {
    filter_topic_of(group).map_err(|error| malformed("STREAM_GROUP", error.to_string()))
}

fn malformed(name: &str, reason: String) -> SettingsError {
    SettingsError::Malformed {
        name: name.to_owned(),
        found: "the configuration".to_owned(),
        reason,
        places: "flags, the environment, config.yaml and .env".to_owned(),
    }
}

/// State outlives the process and the machine's restart, so it is kept where a user's state belongs.
fn default_state_dir() -> PathBuf {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = given("XDG_STATE_HOME").or_else(|| Some(given("HOME")?.join(".local/state")));
    base.map_or_else(|| PathBuf::from("state"), |base| base.join("millstream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(arguments: &[&str], more: &[(&str, &str)]) -> Result<StreamSettings, SettingsError> {
        let arguments = Arguments::try_parse_from([&["stream"], arguments].concat()).unwrap();
        let needed = [
            ("KAFKA_BROKERS", "localhost:9092"),
            ("SCHEMA_REGISTRY_URL", "http://localhost:8081"),
            ("PRODUCT_TOPIC", "products"),
            ("PRODUCT_FILTERED_TOPIC", "filtered"),
            ("PRODUCT_WITH_FULL_IMG_SET_TOPIC", "complete"),
        ];
        let sources = Sources::at("no/such/folder").environment(needed).environment(more.iter().copied());
        StreamSettings::from(&arguments, sources)
    }

    #[test]
    fn what_is_not_told_has_a_default() {
        let all = settings(&[], &[]).unwrap();
        assert_eq!(
            (all.group.as_str(), all.topics.filter.as_str()),
            ("product-stream", "product-stream-filter")
        );
        assert_eq!((all.case, all.http, all.workers), (Case::Insensitive, HttpAddress::Default(HTTP), None));
        assert_eq!(all.standbys, 0);
    }

    #[test]
    fn flags_count_more_than_the_environment() {
        let environment = [
            ("STREAM_GROUP", "other"),
            ("STREAM_WORKERS", "3"),
            ("STREAM_CASE_SENSITIVE_FILTER", "true"),
            ("STREAM_HTTP_ADDRESS", "off"),
        ];
        let all = settings(&[], &environment).unwrap();
        assert_eq!((all.topics.filter.as_str(), all.case), ("other-filter", Case::Sensitive));
        assert_eq!((all.workers.map(NonZeroUsize::get), all.http), (Some(3), HttpAddress::Off));
        let all = settings(&["--workers", "5", "--http", "127.0.0.1:0"], &environment).unwrap();
        let http = HttpAddress::Given("127.0.0.1:0".to_owned());
        assert_eq!((all.workers.map(NonZeroUsize::get), all.http), (Some(5), http));
    }

    #[test]
    fn what_makes_no_sense_is_told_by_its_name() {
        for (name, value) in [
            ("STREAM_GROUP", "a group"),
            ("STREAM_WORKERS", "0"),
            ("STREAM_COMMIT_INTERVAL_MS", "soon"),
            ("STREAM_CASE_SENSITIVE_FILTER", "maybe"),
            ("STREAM_HTTP_ADDRESS", "9101"),
            ("STREAM_HTTP_ADDRESS", "localhost:http"),
            ("STREAM_HTTP_TOKEN", "two words"),
            ("STREAM_HTTP_CERTIFICATE", "alone.pem"),
            ("STREAM_ADVERTISED_URL", "stream-1:9101"),
        ] {
            let told = settings(&[], &[(name, value)]).err().unwrap().to_string();
            assert!(told.starts_with(name) && !told.contains("two words"), "{told}");
        }
        assert!(Arguments::try_parse_from(["stream", "--workers", "0"]).is_err());
        assert!(Arguments::try_parse_from(["stream", "topics"]).is_err());
    }
}
