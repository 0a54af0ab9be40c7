use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use millstream_http_api::{Access, Token};
use millstream_settings::{Key, Listen, Settings, SettingsError, Sources};
use millstream_sql::Guarantee;
use millstream_telemetry::Spans;

/// Runs SQL rules: each keeps a topic filled from others.
#[derive(Parser)]
#[command(name = "rules", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    deed: Option<Deed>,
    /// Kafka's brokers, host:port with commas between
    #[arg(long, global = true, value_name = "LIST")]
    brokers: Option<String>,
    /// The schema registry's address
    #[arg(long, global = true, value_name = "URL")]
    registry: Option<String>,
    /// A folder of functions written in Rhai, one a file
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) functions: Option<PathBuf>,
    /// A settings file other than config.yaml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log what happens inside
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

impl Arguments {
    /// What is asked for; nothing at all asks for the console.
    pub(crate) fn deed(&self) -> Deed {
        self.deed.clone().unwrap_or_else(|| Deed::Console(ConsoleDeed::default()))
    }
}

/// The console's own arguments.
#[derive(Args, Clone, Default)]
pub(crate) struct ConsoleDeed {
    /// The server that is asked; by default the one on this machine, and where none runs one of its own
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// How answers are shown: tabular or json
    #[arg(long, value_name = "HOW", value_parser = ["tabular", "json"], default_value = "tabular")]
    output: String,
    /// Carry out these statements, and end
    #[arg(short, long, value_name = "STATEMENTS")]
    pub(crate) execute: Option<String>,
    /// Carry out the statements of a file, and end
    #[arg(short, long, value_name = "FILE", conflicts_with = "execute")]
    pub(crate) file: Option<PathBuf>,
    /// Name and password that the server asks for, with a colon between
    #[arg(long, value_name = "NAME:PASSWORD", env = "RULES_BASIC_AUTH", hide_env_values = true)]
    pub(crate) basic_auth: Option<String>,
    /// The token that the server asks for
    #[arg(long, value_name = "TOKEN", env = "RULES_BEARER_TOKEN", hide_env_values = true)]
    pub(crate) bearer_token: Option<String>,
}

impl ConsoleDeed {
    pub(crate) fn is_json(&self) -> bool {
        self.output == "json"
    }
}

#[derive(Clone, Subcommand)]
pub(crate) enum Deed {
    /// Type statements and see what comes of them; what `rules` does by itself too
    Console(ConsoleDeed),
    /// Run every statement of files, or of the .sql files in folders, until SIGINT or SIGTERM
    Run {
        /// Files and folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Where the rules' tables are kept
        #[arg(long, value_name = "FOLDER")]
        state_dir: Option<PathBuf>,
        /// Threads a rule, each with partitions of its own
        #[arg(long, value_name = "N")]
        workers: Option<usize>,
        /// Where metrics and health are served; 'off' for nowhere
        #[arg(long, value_name = "ADDRESS")]
        http: Option<String>,
        /// How often each record takes effect, unless a file says it: `at_least_once` or `exactly_once_v2`
        #[arg(long, value_name = "NAME")]
        processing_guarantee: Option<String>,
    },
    /// Run statements as people and programs send them, with ksqlDB's REST API, until SIGINT or SIGTERM
    Serve {
        /// Where the API is served
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
        /// What servers that share statements and work have in common
        #[arg(long, value_name = "NAME")]
        service_id: Option<String>,
        /// Where the rules' tables are kept
        #[arg(long, value_name = "FOLDER")]
        state_dir: Option<PathBuf>,
        /// Threads a rule, each with partitions of its own
        #[arg(long, value_name = "N")]
        workers: Option<usize>,
        /// Where metrics and health are served; 'off' for nowhere
        #[arg(long, value_name = "ADDRESS")]
        http: Option<String>,
    },
    /// Run cases of statements, inputs and expected outputs in memory, and say how many come out as expected
    Conform {
        /// A file with one case in JSON a line
        file: PathBuf,
        /// Where the report is written, in JSON
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        /// Run only the case of this name; with -v, show what it gave
        #[arg(long, value_name = "ID")]
        case: Option<String>,
    },
    /// Run the examples beside rule files, for each X.sql those in X.test.yaml, and the scripts that have --@test in them
    Test {
        /// Rule files, and folders of them
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Say what each rule does, step by step, and which topics and schemas it needs
    Explain {
        /// Files and folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Say everything that is wrong with files, and run nothing
    Check {
        /// Files and folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
}

/// What the program runs with.
pub(crate) struct RuleSettings {
    pub(crate) all: Settings,
    pub(crate) state_dir: PathBuf,
    /// A folder of functions that are scripts.
    pub(crate) functions: Option<PathBuf>,
    pub(crate) workers: usize,
    /// Other processes that keep each table close behind its owner.
    pub(crate) standbys: u32,
    pub(crate) commit_interval_ms: u64,
    pub(crate) guarantee: Guarantee,
    pub(crate) memory_budget_bytes: Option<usize>,
    pub(crate) http_address: Option<String>,
    /// Who may ask there.
    pub(crate) http_access: Access,
    pub(crate) server: ServerChoice,
    /// What tells spans, once it was begun; nothing without it.
    pub(crate) spans: Option<Arc<Spans>>,
}

/// What a server of statements runs with beside.
pub(crate) struct ServerChoice {
    /// Where the API is served.
    pub(crate) listen: String,
    /// What servers that share statements and work have in common.
    pub(crate) service_id: String,
    /// Name and password that must be shown, with a colon between.
    pub(crate) basic_auth: Option<String>,
    /// A token that must be shown.
    pub(crate) bearer_token: Option<String>,
    /// Whether the address may be one that everybody reaches, though nothing must be shown.
    pub(crate) is_open: bool,
}

impl RuleSettings {
    pub(crate) fn of(arguments: &Arguments) -> Result<Self, SettingsError> {
        let mut sources = Sources::of_process()
            .config(arguments.config.clone())
            .flag(Key::KafkaBrokers.name(), arguments.brokers.as_ref())
            .flag(Key::SchemaRegistryUrl.name(), arguments.registry.as_ref())
            .flag("rules.functions", arguments.functions.as_ref().map(|path| path.display()));
        if let Deed::Run { state_dir, workers, http, processing_guarantee, .. } = &arguments.deed() {
            sources = sources
                .flag("rules.state_dir", state_dir.as_ref().map(|path| path.display()))
                .flag("rules.workers", workers.as_ref())
                .flag("rules.processing_guarantee", processing_guarantee.as_ref())
                .flag("rules.http_address", http.as_ref());
        }
        if let Deed::Serve { listen, service_id, state_dir, workers, http } = &arguments.deed() {
            sources = sources
                .flag("rules.listen", listen.as_ref())
                .flag("rules.service_id", service_id.as_ref())
                .flag("rules.state_dir", state_dir.as_ref().map(|path| path.display()))
                .flag("rules.workers", workers.as_ref())
                .flag("rules.http_address", http.as_ref());
        }
        let all = Settings::load(sources)?;
        let http = all.get::<Listen>("rules.http_address")?;
        let needs_servers = !matches!(arguments.deed(), Deed::Check { .. } | Deed::Explain { .. });
        told(all.brokers(), needs_servers)?;
        // Formats that keep schemas ask for it.
        told(all.registry_url(), false)?;
        let Named(guarantee) =
            all.get("rules.processing_guarantee")?.unwrap_or(Named(Guarantee::AtLeastOnce));
        Ok(Self {
            guarantee,
            state_dir: all.get::<PathBuf>("rules.state_dir")?.unwrap_or_else(default_state_dir),
            functions: all.get("rules.functions")?,
            workers: all.get("rules.workers")?.unwrap_or(1),
            standbys: all.get("rules.standbys")?.unwrap_or(0),
            commit_interval_ms: all.get("rules.commit_interval_ms")?.unwrap_or(500),
            server: ServerChoice {
                listen: all.get("rules.listen")?.unwrap_or_else(|| "127.0.0.1:8088".to_owned()),
                service_id: all.get("rules.service_id")?.unwrap_or_else(|| "default".to_owned()),
                basic_auth: all.get("rules.basic_auth")?,
                bearer_token: all.get("rules.bearer_token")?,
                is_open: all.get("rules.allow_everybody")?.unwrap_or(false),
            },
            memory_budget_bytes: all.get("rules.memory_budget_bytes")?,
            http_address: http.map_or_else(|| Some("127.0.0.1:9102".to_owned()), Listen::address),
            http_access: http_access(&all)?,
            spans: None,
            all,
        })
    }
}

/// What is wrong with an address; of one that is not needed, that it is missing is not.
fn told<T>(address: Result<T, SettingsError>, is_needed: bool) -> Result<(), SettingsError> {
    match address {
        Err(SettingsError::Missing { .. }) if !is_needed => Ok(()),
        address => address.map(drop),
    }
}

/// Who may ask where figures and the console are. A token is told by nothing here.
fn http_access(all: &Settings) -> Result<Access, SettingsError> {
    let Some(text) = all.get::<String>("rules.http_token")? else { return Ok(Access::default()) };
    let token = Token::new(text.trim()).ok_or_else(|| SettingsError::Malformed {
        name: "RULES_HTTP_TOKEN".to_owned(),
        found: "the configuration".to_owned(),
        reason: "a token is one word of printable characters".to_owned(),
        places: "the environment, config.yaml and .env".to_owned(),
    })?;
    Ok(Access::default().by_token(token))
}

/// A guarantee by the name that ksqlDB gives it.
struct Named(Guarantee);

impl FromStr for Named {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Guarantee::named(name).map(Self).ok_or("it is 'at_least_once' or 'exactly_once_v2'")
    }
}

/// State outlives the process and the machine's restart, so it is kept where a user's state belongs.
fn default_state_dir() -> PathBuf {
    state_base().map_or_else(|| PathBuf::from("state"), |base| base.join("millstream"))
}

/// Where a user's state belongs.
pub(crate) fn state_base() -> Option<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    given("XDG_STATE_HOME").or_else(|| Some(given("HOME")?.join(".local/state")))
}
