use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Parser;
use millstream_settings::{Key, Listen, Secret, Settings, SettingsError, Sources, TopicName};
use millstream_storefront::Pace;
use millstream_telemetry::SpanSettings;

/// Emits random, believable products. A part of them comes with an incomplete image set, completed by later messages.
///
/// Ctrl-C ends it well: what is under way is delivered first. The exit code is 1 when a delivery failed and 2 when a
/// setting is missing or malformed.
#[derive(Parser)]
#[command(name = "shop", version)]
pub(crate) struct Arguments {
    /// How many products; messages that complete images come on top
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) count: u64,
    /// Messages a second, such as 50/s [default: as fast as it goes]
    #[arg(long, value_name = "R/s", value_parser = pace, default_value = "max", hide_default_value = true)]
    pub(crate) rate: Pace,
    /// The same seed emits the same products [default: a random one, told at the end]
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// How many stores announce products
    #[arg(long, default_value = "5", value_name = "K")]
    pub(crate) stores: NonZeroU32,
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
    pub(crate) verbose: bool,
}

fn pace(text: &str) -> Result<Pace, String> {
    if text == "max" {
        return Ok(Pace::default());
    }
    let number = text.strip_suffix("/s").unwrap_or(text).trim().parse().ok();
    number
        .and_then(Pace::per_second)
        .ok_or_else(|| "a rate is a number of messages a second above 0, such as 50/s".to_owned())
}

/// Another one at each start; it is told, so that the run can be repeated.
pub(crate) fn random_seed() -> u64 {
    // Each state is keyed at random by the system; small seeds are easier to type again.
    RandomState::new().build_hasher().finish() >> 32
}

/// What the program runs with.
pub(crate) struct ShopSettings {
    pub(crate) brokers: String,
    pub(crate) kafka: BTreeMap<String, String>,
    pub(crate) registry_url: Secret,
    pub(crate) topic: TopicName,
    /// Where figures are served; nowhere without it.
    pub(crate) http_address: Option<String>,
    /// Where spans go; nowhere without it.
    pub(crate) spans: Option<SpanSettings>,
}

impl ShopSettings {
    pub(crate) fn of(arguments: &Arguments) -> Result<Self, SettingsError> {
        let sources = Sources::of_process()
            .config(arguments.config.clone())
            .flag(Key::KafkaBrokers.name(), arguments.brokers.as_ref())
            .flag(Key::SchemaRegistryUrl.name(), arguments.registry.as_ref())
            .flag("shop.http_address", arguments.http.as_ref());
        let all = Settings::load(sources)?;
        Ok(Self {
            brokers: all.brokers()?,
            kafka: all.kafka_properties(),
            registry_url: all.registry_url()?,
            topic: all.topic(Key::ProductTopic)?,
            http_address: all.get::<Listen>("shop.http_address")?.and_then(Listen::address),
            spans: spans(&all)?,
        })
    }
}

/// Where spans go, if the settings name a collector.
fn spans(all: &Settings) -> Result<Option<SpanSettings>, SettingsError> {
    let of = |(endpoint, ratio)| SpanSettings { service: "shop".to_owned(), endpoint, ratio };
    Ok(all.collector()?.map(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_written_with_or_without_its_unit() {
        for fine in ["50", "50/s", "0.5 /s"] {
            let arguments = Arguments::try_parse_from(["shop", "--rate", fine]);
            assert!(arguments.is_ok_and(|arguments| arguments.rate != Pace::default()), "{fine}");
        }
        for wrong in ["0", "-1/s", "fast", "50/m", "nan"] {
            let rate = format!("--rate={wrong}");
            assert!(Arguments::try_parse_from(["shop", rate.as_str()]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_told_has_a_default() {
        let arguments = Arguments::try_parse_from(["shop"]).unwrap();
        assert_eq!((arguments.count, arguments.stores.get(), arguments.seed), (1000, 5, None));
        assert_eq!(arguments.rate, Pace::default());
        assert!(Arguments::try_parse_from(["shop", "--stores", "0"]).is_err());
    }
}
