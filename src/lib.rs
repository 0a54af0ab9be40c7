//! Stateful stream processing on Apache Kafka: Goka's group tables, in typed Rust.
//!
//! A *group* reads input topics, keeps one *group table* with a value for each key, and writes output topics. Its table is
//! local, fast, and safe in a compacted changelog topic, so that any instance can take any partition over. What happens to
//! each record is a callback; what the callback sets and emits takes effect together or not at all.
//!
//! ```no_run
//! use millstream::{DecimalText, GroupGraph, KafkaLog, KafkaWorld, Output, Processor, SledTables, Table, Utf8};
//!
//! // Counts how often each word comes, and emits each new count.
//! let (table, counts) = (Table::new(DecimalText), Output::new("counts", Utf8, DecimalText));
//! let (kept, emitted) = (table.clone(), counts.clone());
//! let graph = GroupGraph::define("counter")
//!     .input("words", Utf8, Utf8, move |context, word: &str, _: &str| {
//!         let count = context.get(&kept)?.unwrap_or(0) + 1;
//!         context.set(&kept, &count)?;
//!         Ok(context.emit(&emitted, &word, &count)?)
//!     })
//!     .persist(&table)
//!     .output(&counts)
//!     .build()?;
//!
//! let tables = SledTables::at("state");
//! let world = KafkaWorld::new(KafkaLog::new("localhost:9092"), move |id| tables.open(id));
//! Processor::new(world, graph).start()?.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! By default nothing is lost: offsets are committed behind acknowledged effects, producers are idempotent and wait for all
//! in-sync replicas, undecodable records go to a dead-letter topic, and a topic that does not fit stops the start with the
//! command that mends it.

pub use millstream_avro_codec::{Avro, AvroBorrowed, Forwarding, Registry, key_subject, value_subject};
pub use millstream_fjall_table::{FjallTable, FjallTables};
pub use millstream_json_codec::{Json, JsonBorrowed};
pub use millstream_kafka_log::{GroupProtocol, KafkaLog, KafkaWorld};
pub use millstream_model::{HeaderSource, Headers, Offset, Partition, Timestamp, TopicName};
pub use millstream_ports::{
    Action, Bytes, Codec, CodecError, DecimalText, Int64, KeyRange, Meter, Nullable, Owned, PortError,
    Sample, SampleKind, Shape, TableId, TableStore, Tally, TopicDescription, TopicSpec, Utf8, World,
};
pub use millstream_runtime::{
    AfterRetries, Answer, CallbackResult, Completion, Context, ContextError, DeadLetter, DeadLetters,
    Delivery, EdgePolicies, EmitError, Emitter, Freshness, GroupBuilder, GroupGraph, Join, LetterFilter,
    Lookup, Loop, MemoryBudget, Next, Output, Page, PartitionStatus, Policies, Policy, Processor,
    ProcessorError, QueryError, Reached, Replayed, Replays, Retry, Running, SessionTable, Settings, Snapshot,
    StandbyStatus, Status, Stepped, Stop, Table, TableClient, TableSnapshot, Timer, Traces, View, ViewClient,
    ViewError, Visiting, Visitor, When, Window, WindowTable, dead_letter_header,
};
pub use millstream_sled_table::{SledTable, SledTables};
pub use millstream_topology::{GroupSpec, Partitioner, TopicFault};

/// Rules in SQL, inside one's own program: [`Engine`](rules::Engine) runs them on a world, [`Trial`](rules::Trial) in memory,
/// and both take functions written in Rust.
pub mod rules {
    pub use millstream_avro_codec::AvroRows;
    pub use millstream_json_codec::JsonRows;
    pub use millstream_model::{Decimal, Type, Value};
    pub use millstream_ports::{DelimitedRows, KafkaRows, NoRows, RowFormat};
    pub use millstream_rule_engine::{
        DeployError, Engine, Formats, Message, RunningRule, Trial, TrialError, delivered,
    };
    pub use millstream_sql::{
        Catalog, Diagnostic, Failure, Function, Functions, Guarantee, Rule, Shape, Source, Verdict, explain,
        render,
    };
}

/// Group tables and views over HTTP, whichever instance is asked, with figures, health and a console: by the feature `http`,
/// which is on unless told otherwise.
///
/// A [`Server`](http::Server) answers a [`Site`](http::Site), whose [`Tables`](http::Tables) are what it serves; by
/// [`Owners`](http::Owners) the instances of a group know which of them has which partition.
#[cfg(feature = "http")]
pub mod http {
    pub use millstream_http_api::{
        Access, Console, HttpError, KeyForm, Listening, Peers, Routes, ServedTable, ServedView, Server, Site,
        Tables, ToJson, Token, WatchedGroup,
    };
    pub use millstream_runtime::Owners;
    pub use millstream_telemetry::Exporter;
}

/// Testing one's own groups in memory: [`Tester`](testing::Tester) steps a group on a world with no broker.
pub mod testing {
    pub use millstream_sim::{Chance, Faults, Sim, SimRecord, TestError, Tester};
}
