//! The world in memory keeps what Kafka and the stores keep.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use millstream_model::{Partition, TopicName};
use millstream_ports::{TableId, World, contract};
use millstream_sim::Sim;

#[test]
fn its_log_keeps_the_contract_of_every_log() {
    contract::log(&Sim::new(), "virtual-");
    contract::log(&Sim::live(), "live-");
}

#[test]
fn its_tables_keep_the_contract_of_every_store() {
    let sim = Sim::new();
    let table = TopicName::new("t").unwrap();
    let id = TableId { owner: "g".into(), table, partition: Partition::new(0) };
    contract::table_store(|| sim.open_table(&id).unwrap());
}
