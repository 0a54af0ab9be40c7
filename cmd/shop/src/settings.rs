use std::path::PathBuf;

use clap::Parser;
use millstream_settings::{Key, Settings, SettingsError, Sources};

/// Emits random, believable products. A part of them comes with an incomplete image set, completed by later messages.
#[derive(Parser)]
#[command(name = "shop", version)]
pub(crate) struct Arguments {
    /// How many products; messages that complete images come on top
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) count: u64,
    /// Messages a second; as fast as it goes without
    #[arg(long, value_name = "R", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// The same seed emits the same products; a random one without
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// How many stores announce products
    #[arg(long, default_value_t = 5, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) stores: u32,
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

fn rate(text: &str) -> Result<f64, String> {
    match text.trim_end_matches("/s").parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(rate),
        _ => Err("a rate is a number of messages a second above 0".to_owned()),
    }
}

/// What the program runs with.
pub(crate) struct ShopSettings {
    pub(crate) all: Settings,
    pub(crate) topic: millstream_settings::TopicName,
}

impl ShopSettings {
    pub(crate) fn of(arguments: &Arguments) -> Result<Self, SettingsError> {
        let sources = Sources::of_process()
            .config(arguments.config.clone())
            .flag(Key::KafkaBrokers.name(), arguments.brokers.as_ref())
            .flag(Key::SchemaRegistryUrl.name(), arguments.registry.as_ref());
        let all = Settings::load(sources)?;
        let topic = all.topic(Key::ProductTopic)?;
        all.brokers()?;
        all.registry_url()?;
        Ok(Self { all, topic })
    }
}
