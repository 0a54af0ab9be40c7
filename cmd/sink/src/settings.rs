use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use millstream_model::TopicName;
use millstream_settings::{Key, Listen, Settings, SettingsError, Sources};

/// Where figures and health are served unless somebody says otherwise.
const HTTP: &str = "127.0.0.1:9103";

/// Replicates topics to a database: one row a key, each record once.
#[derive(Parser)]
#[command(name = "sink", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) deed: Deed,
    /// Kafka's brokers, host:port with commas between
    #[arg(long, global = true, value_name = "LIST")]
    brokers: Option<String>,
    /// The schema registry's address
    #[arg(long, global = true, value_name = "URL")]
    registry: Option<String>,
    /// A settings file other than config.yaml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log what happens inside
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Subcommand)]
pub(crate) enum Deed {
    /// To PostgreSQL, at the address that `DATABASE_DSN` says, until SIGINT or SIGTERM
    Postgres(Postgres),
}

#[derive(Args)]
pub(crate) struct Postgres {
    /// The topics, with commas between; the shop's five, if none are named
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = topic)]
    topics: Vec<TopicName>,
    /// The column of a topic's keys that are no records, as TOPIC=COLUMN; otherwise it is 'key'
    #[arg(long, value_name = "TOPIC=COLUMN", value_parser = pair)]
    key: Vec<(String, String)>,
    /// The database's schema that has the tables
    #[arg(long, value_name = "NAME")]
    schema: Option<String>,
    /// Where metrics and health are served; 'off' for nowhere
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    /// End once all that is in the topics now is in the tables
    #[arg(long)]
    pub(crate) once: bool,
}

/// A topic and its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) topic: TopicName,
    pub(crate) table: String,
    pub(crate) key_column: String,
}

/// What the program runs with.
pub(crate) struct SinkSettings {
    pub(crate) all: Settings,
    pub(crate) routes: Vec<Route>,
    pub(crate) schema: String,
    /// What the groups' names begin with, where somebody says it.
    pub(crate) group: Option<String>,
    pub(crate) http_address: Option<String>,
}

/// The shop's topics: the setting that names each, its table, and the column of its keys. Recommendations have keys that are
/// records.
const SHOP: [(Key, &str, &str); 5] = [
    (Key::ProductTopic, "shop_products", "id"),
    (Key::ProductFilteredTopic, "analytic_products_filtered", "id"),
    (Key::ProductFindTopic, "analytic_products_find", "prompt"),
    (Key::ProductWithFullImgSetTopic, "shop_products_full_img_set", "id"),
    (Key::RecommendationTopic, "personal_recom", "key"),
];

impl SinkSettings {
    pub(crate) fn of(arguments: &Arguments) -> anyhow::Result<Self> {
        let Deed::Postgres(given) = &arguments.deed;
        let sources = Sources::of_process()
            .config(arguments.config.clone())
            .flag(Key::KafkaBrokers.name(), arguments.brokers.as_ref())
            .flag(Key::SchemaRegistryUrl.name(), arguments.registry.as_ref())
            .flag("sink.schema", given.schema.as_ref())
            .flag("sink.http_address", given.http.as_ref());
        let all = Settings::load(sources)?;
        let http = all.get::<Listen>("sink.http_address")?;
        all.brokers()?;
        all.registry_url()?;
        all.database_dsn()?;
        Ok(Self {
            routes: routes(&all, given)?,
            schema: all.get("sink.schema")?.unwrap_or_else(|| "public".to_owned()),
            group: all.get("sink.group")?,
            http_address: http.map_or_else(|| Some(HTTP.to_owned()), Listen::address),
            all,
        })
    }
}

fn routes(all: &Settings, given: &Postgres) -> Result<Vec<Route>, SettingsError> {
    let named: BTreeMap<&str, &str> =
        given.key.iter().map(|(topic, column)| (topic.as_str(), column.as_str())).collect();
    let shop = SHOP.iter().filter_map(|(key, table, column)| Some((all.topic(*key).ok()?, *table, *column)));
    let shop: Vec<_> = shop.collect();
    let topics: Vec<TopicName> = if given.topics.is_empty() {
        SHOP.iter().map(|(key, _, _)| all.topic(*key)).collect::<Result<_, SettingsError>>()?
    } else {
        given.topics.clone()
    };
    Ok(topics.into_iter().map(|topic| route(topic, &shop, &named)).collect())
}

fn route(topic: TopicName, shop: &[(TopicName, &str, &str)], named: &BTreeMap<&str, &str>) -> Route {
    let known = shop.iter().find(|(known, _, _)| *known == topic);
    let table = known.map_or(topic.as_str(), |(_, table, _)| table).to_owned();
    let column = named.get(topic.as_str()).copied().or(known.map(|(_, _, column)| *column));
    Route { table, key_column: column.unwrap_or("key").to_lowercase(), topic }
}

fn topic(name: &str) -> Result<TopicName, String> {
    TopicName::new(name.trim()).map_err(|error| error.to_string())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(topic, column)| !topic.is_empty() && !column.is_empty());
    parts
        .map(|(topic, column)| (topic.to_owned(), column.to_owned()))
        .ok_or_else(|| "it is not of the form TOPIC=COLUMN".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(arguments: &[&str]) -> Vec<Route> {
        let all = SHOP.map(|(key, table, _)| (key.name().to_uppercase(), format!("x-{table}")));
        let settings = Settings::load(Sources::at("no/such/folder").environment(all)).unwrap();
        let arguments = Arguments::parse_from([&["sink", "postgres"], arguments].concat());
        let Deed::Postgres(given) = &arguments.deed;
        routes(&settings, given).unwrap()
    }

    fn told(routes: &[Route]) -> Vec<String> {
        routes.iter().map(|route| format!("{} {} {}", route.topic, route.table, route.key_column)).collect()
    }

    #[test]
    fn the_shops_topics_have_the_connectors_tables() {
        assert_eq!(
            told(&routed(&[])),
            [
                "x-shop_products shop_products id",
                "x-analytic_products_filtered analytic_products_filtered id",
                "x-analytic_products_find analytic_products_find prompt",
                "x-shop_products_full_img_set shop_products_full_img_set id",
                "x-personal_recom personal_recom key",
            ]
        );
    }

    #[test]
    fn other_topics_have_tables_of_their_names() {
        let routes =
            routed(&["--topics", "orders,x-shop_products", "--topics", "visits", "--key", "visits=Visitor"]);
        assert_eq!(
            told(&routes),
            ["orders orders key", "x-shop_products shop_products id", "visits visits visitor"]
        );
        assert!(Arguments::try_parse_from(["sink", "postgres", "--key", "visits"]).is_err());
        assert!(Arguments::try_parse_from(["sink", "postgres", "--topics", "no topic"]).is_err());
    }
}
