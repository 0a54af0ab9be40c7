use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Breaks a running group in every way there is, and counts what was lost and what came twice.
#[derive(Parser)]
pub(crate) struct Arguments {
    /// Says more of what happens inside.
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) deed: Deed,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Deed {
    /// The whole run: broker, instances, load, faults, and the verdict in the last line.
    Run(Plan),
    /// One instance of the group; the run starts them.
    #[command(hide = true)]
    Member(Member),
    /// The embedded broker in a process of its own; the run starts it.
    #[command(hide = true)]
    Broker(Serve),
}

/// Which broker the run is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum On {
    /// Apache Kafka, by `docker/local/kafka.sh`.
    Kafka,
    /// The embedded broker.
    Embedded,
}

/// A run.
#[derive(Args, Clone)]
pub(crate) struct Plan {
    /// Which broker to run on.
    #[arg(long, value_enum, default_value = "kafka")]
    pub(crate) on: On,
    /// The broker's port; the next one is used too.
    #[arg(long, default_value_t = 21_500)]
    pub(crate) port: u16,
    /// Decides which faults come when, and the order of the keys.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How long records are written, in seconds.
    #[arg(long, default_value_t = 180)]
    pub(crate) duration_s: u64,
    /// Records written a second.
    #[arg(long, default_value_t = 5_000)]
    pub(crate) rate: u64,
    /// Processes of the group.
    #[arg(long, default_value_t = 3)]
    pub(crate) instances: usize,
    /// Hot standbys of each partition.
    #[arg(long, default_value_t = 1)]
    pub(crate) standbys: u32,
    /// Partitions of the topics.
    #[arg(long, default_value_t = 6)]
    pub(crate) partitions: u32,
    /// Keys that the records are spread over.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) keys: u64,
    /// How long the group waits for a member that is not heard of, in milliseconds.
    #[arg(long, default_value_t = 3_000)]
    pub(crate) session_ms: u64,
    /// Gives the instances names that outlive them, so that a quick restart moves nothing.
    #[arg(long)]
    pub(crate) named: bool,
    /// The group's protocol: auto, classic or consumer.
    #[arg(long, default_value = "auto")]
    pub(crate) protocol: String,
    /// Where broker, tables and logs are kept; a folder that does not exist yet, or is empty.
    #[arg(long, default_value = "target/chaos")]
    pub(crate) folder: PathBuf,
    /// The scripts that start an Apache Kafka.
    #[arg(long, default_value = "docker/local/kafka.sh")]
    pub(crate) kafka_script: PathBuf,
}

/// An instance.
#[derive(Args)]
pub(crate) struct Member {
    #[arg(long)]
    pub(crate) brokers: String,
    #[arg(long)]
    pub(crate) folder: PathBuf,
    #[arg(long)]
    pub(crate) standbys: u32,
    #[arg(long)]
    pub(crate) session_ms: u64,
    #[arg(long)]
    pub(crate) protocol: String,
    #[arg(long)]
    pub(crate) name: Option<String>,
}

/// The embedded broker.
#[derive(Args)]
pub(crate) struct Serve {
    #[arg(long)]
    pub(crate) port: u16,
    #[arg(long)]
    pub(crate) folder: PathBuf,
}
