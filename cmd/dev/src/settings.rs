use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A small broker that speaks Kafka's protocol, for trying out, developing and testing on one machine.
///
/// Any Kafka client works with it unchanged. It keeps one copy of everything and asks nobody who they are: for production use
/// Apache Kafka.
#[derive(Debug, Parser)]
#[command(name = "dev", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) deed: Deed,
    /// Log what happens
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Deed {
    /// Serve until Ctrl-C; a second start finds the data again
    Up(Up),
    /// Show the whole platform: broker, registry, rules, stream, products, and a search with its recommendation
    Demo(Demo),
    /// Serve schemas alone, over any Kafka, until Ctrl-C
    Registry(Schemas),
    /// Remove the data
    Wipe {
        /// The folder of the data
        #[arg(long, env = "MILLSTREAM_DEV_DATA", default_value = ".dev")]
        data: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The folder of the data
    #[arg(long, env = "MILLSTREAM_DEV_DATA", default_value = ".dev")]
    pub(crate) data: PathBuf,
    /// The port for Kafka clients; 0 takes a free one
    #[arg(long, env = "KAFKA_PORT", default_value_t = 9092)]
    pub(crate) kafka_port: u16,
    /// The port of the schema registry; 0 takes a free one
    #[arg(long, env = "REGISTRY_PORT", default_value_t = 8081)]
    pub(crate) registry_port: u16,
    /// Serve no schemas
    #[arg(long)]
    pub(crate) no_registry: bool,
    /// The address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) listen: IpAddr,
    /// Allow an address that other machines can reach
    #[arg(long)]
    pub(crate) listen_anywhere: bool,
    /// Make a topic of so many partitions when a client first names it; 0 makes none
    #[arg(long, value_name = "PARTITIONS", default_value_t = 1)]
    pub(crate) auto_create: usize,
    /// Wait for the disk before each acknowledgement, so that records also survive a loss of power
    #[arg(long)]
    pub(crate) fsync: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) up: Up,
    /// How many products the shop emits, once in the life of the data
    #[arg(long, default_value_t = 10_000)]
    pub(crate) count: u64,
    /// What is searched for
    #[arg(long, value_name = "PRODUCT", default_value = "Oak desk lamp")]
    pub(crate) search: String,
    /// SQL rules, a file or a folder of them
    #[arg(long, value_name = "PATH", default_value = "rules/personal_recom.sql")]
    pub(crate) rules: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Schemas {
    /// The Kafka that keeps the schemas: host:port, several with commas between
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092")]
    pub(crate) brokers: String,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:8081")]
    pub(crate) listen: SocketAddr,
    /// Allow an address that other machines can reach
    #[arg(long)]
    pub(crate) listen_anywhere: bool,
}
