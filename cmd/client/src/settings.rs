use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use millstream_settings::{Key, Listen, Secret, Settings, SettingsError, Sources, TopicName};
use millstream_telemetry::{SpanSettings, Verbosity};

/// Searches products by their full name, and shows the recommendations that come back.
///
/// With lines from a pipe each is a search; answers are shown until --wait is over after the last line. With --once
/// answers are JSON lines, and the exit code is 0 when a recommendation came and 3 when none did.
#[derive(Parser)]
#[command(name = "client", version)]
pub(crate) struct Arguments {
    /// Who searches [default: $USER, or guest]
    #[arg(long, value_name = "U", value_parser = text)]
    user: Option<String>,
    /// Search once, print the answers as JSON lines, and end with the first that has a product
    #[arg(long, value_name = "PROMPT", value_parser = text)]
    pub(crate) once: Option<String>,
    /// How many seconds to wait for answers, with --once or lines from a pipe
    #[arg(long, default_value = "10", value_name = "S", value_parser = seconds)]
    wait: Duration,
    /// Show answers as JSON lines instead of tables, which on a terminal leave out what is past 20 products
    #[arg(long)]
    json: bool,
    /// Kafka's brokers, host:port with commas between
    #[arg(long, value_name = "LIST")]
    brokers: Option<String>,
    /// The schema registry's address
    #[arg(long, value_name = "URL")]
    registry: Option<String>,
    /// Where figures are served for Prometheus meanwhile; nowhere unless it is said
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    /// A settings file other than config.yaml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log what happens inside
    #[arg(short, long)]
    verbose: bool,
}

fn text(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("a wait is a number of seconds, at most a day".to_owned()),
    }
}

/// What the program runs with.
pub(crate) struct ClientSettings {
    pub(crate) user: String,
    pub(crate) wait: Duration,
    pub(crate) is_json: bool,
    pub(crate) verbosity: Verbosity,
    pub(crate) brokers: String,
    pub(crate) kafka: BTreeMap<String, String>,
    pub(crate) registry_url: Secret,
    pub(crate) prompts: TopicName,
    pub(crate) recommendations: TopicName,
    /// Where figures are served; nowhere without it.
    pub(crate) http_address: Option<String>,
    /// Where spans go; nowhere without it.
    pub(crate) spans: Option<SpanSettings>,
}

impl ClientSettings {
    pub(crate) fn of(arguments: &Arguments) -> Result<Self, SettingsError> {
        let sources = Sources::of_process()
            .config(arguments.config.clone())
            .flag(Key::KafkaBrokers.name(), arguments.brokers.as_ref())
            .flag(Key::SchemaRegistryUrl.name(), arguments.registry.as_ref())
            .flag("client.http_address", arguments.http.as_ref());
        let all = Settings::load(sources)?;
        Ok(Self {
            user: user(arguments.user.as_deref(), env::var("USER").ok()),
            wait: arguments.wait,
            is_json: arguments.json,
            verbosity: if arguments.verbose { Verbosity::Verbose } else { Verbosity::Quiet },
            brokers: all.brokers()?,
            kafka: all.kafka_properties(),
            registry_url: all.registry_url()?,
            prompts: all.topic(Key::ProductFindTopic)?,
            recommendations: all.topic(Key::RecommendationTopic)?,
            http_address: all.get::<Listen>("client.http_address")?.and_then(Listen::address),
            spans: spans(&all)?,
        })
    }
}

/// Where spans go, if the settings name a collector.
fn spans(all: &Settings) -> Result<Option<SpanSettings>, SettingsError> {
    let of = |(endpoint, ratio)| SpanSettings { service: "client".to_owned(), endpoint, ratio };
    Ok(all.collector()?.map(of))
}

fn user(flag: Option<&str>, variable: Option<String>) -> String {
    let login = variable.filter(|name| !name.trim().is_empty());
    flag.map(str::to_owned).or(login).unwrap_or_else(|| "guest".to_owned())
}

/// Where earlier searches are kept: among the user's own state, wherever the program is started.
pub(crate) fn history_file() -> Option<PathBuf> {
    let given = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = given("XDG_STATE_HOME").or_else(|| Some(given("HOME")?.join(".local/state")))?;
    Some(base.join("millstream").join("client_history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_always_asks() {
        for (flag, variable, expected) in [
            (Some("ann"), Some("bob"), "ann"),
            (None, Some("bob"), "bob"),
            (None, Some(" "), "guest"),
            (None, None, "guest"),
        ] {
            assert_eq!(user(flag, variable.map(str::to_owned)), expected);
        }
    }

    #[test]
    fn arguments_are_checked() {
        let once = |prompt: &str| Arguments::try_parse_from(["client", "--once", prompt]);
        assert_eq!(once(" Oak lamp ").unwrap().once.as_deref(), Some("Oak lamp"));
        assert!(once(" ").is_err());
        for (wait, fine) in [("0", true), ("2.5", true), ("-1", false), ("x", false), ("1e9", false)] {
            let wait = format!("--wait={wait}");
            assert_eq!(Arguments::try_parse_from(["client", wait.as_str()]).is_ok(), fine, "{wait}");
        }
    }
}
