//! Topics made, widened, changed, removed, and what is refused.

use std::collections::BTreeMap;

use rdkafka::TopicPartitionList;
use rdkafka::admin::{
    AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;

use crate::stage::{Stage, WAIT, unique, until};

pub fn run(stage: &Stage) {
    topics_are_made_once_and_described(stage);
    what_makes_no_sense_is_refused(stage);
    topics_are_widened(stage);
    settings_are_told_and_changed(stage);
    topics_are_removed(stage);
    records_are_deleted_from_the_front(stage);
}

fn make(stage: &Stage, topic: &NewTopic<'_>) -> Result<(), Code> {
    let made = pollster::block_on(stage.admin().create_topics([topic], &AdminOptions::new())).unwrap();
    made.into_iter().next().unwrap().map(|_| ()).map_err(|(_, code)| code)
}

fn partitions(stage: &Stage, topic: &str) -> Option<usize> {
    let consumer: BaseConsumer = stage.config(&[]).create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), WAIT).unwrap();
    let found = metadata.topics().iter().find(|found| found.name() == topic).unwrap();
    found.error().is_none().then(|| found.partitions().len())
}

fn topics_are_made_once_and_described(stage: &Stage) {
    let name = stage.topic("made", 3, &[]);
    until("it is seen", || partitions(stage, &name) == Some(3));
    let again = NewTopic::new(&name, 3, TopicReplication::Fixed(1));
    assert_eq!(make(stage, &again), Err(Code::TopicAlreadyExists));
    assert_eq!(partitions(stage, &unique("absent")), None, "topics are not made by asking for them");
}

fn what_makes_no_sense_is_refused(stage: &Stage) {
    let name = unique("refused");
    let long = "x".repeat(250);
    let fixed = TopicReplication::Fixed;
    for (topic, code) in [
        (NewTopic::new("no/slash", 1, fixed(1)), Code::InvalidTopic),
        (NewTopic::new("..", 1, fixed(1)), Code::InvalidTopic),
        (NewTopic::new(&long, 1, fixed(1)), Code::InvalidTopic),
        (NewTopic::new(&name, 0, fixed(1)), Code::InvalidPartitions),
        (NewTopic::new(&name, 1, fixed(2)), Code::InvalidReplicationFactor),
        (NewTopic::new(&name, 1, fixed(1)).set("no.such", "1"), Code::InvalidConfig),
        (NewTopic::new(&name, 1, fixed(1)).set("cleanup.policy", "burn"), Code::InvalidConfig),
        (NewTopic::new(&name, 1, fixed(1)).set("retention.ms", "long"), Code::InvalidConfig),
    ] {
        assert_eq!(make(stage, &topic), Err(code), "{topic:?}");
    }
    let only_looked_at = NewTopic::new(&name, 1, fixed(1));
    let options = AdminOptions::new().validate_only(true);
    let looked = pollster::block_on(stage.admin().create_topics([&only_looked_at], &options)).unwrap();
    assert!(looked[0].is_ok());
    assert_eq!(partitions(stage, &name), None);
}

fn topics_are_widened(stage: &Stage) {
    let name = stage.topic("widened", 2, &[]);
    let widen = |count| {
        let wider = NewPartitions::new(&name, count);
        let done =
            pollster::block_on(stage.admin().create_partitions([&wider], &AdminOptions::new())).unwrap();
        done.into_iter().next().unwrap().map(|_| ()).map_err(|(_, code)| code)
    };
    assert_eq!(widen(5), Ok(()));
    until("all are seen", || partitions(stage, &name) == Some(5));
    assert_eq!(widen(5), Err(Code::InvalidPartitions));
    assert_eq!(widen(3), Err(Code::InvalidPartitions));
}

fn settings(stage: &Stage, topic: &str) -> BTreeMap<String, String> {
    let topic = ResourceSpecifier::Topic(topic);
    let told = pollster::block_on(stage.admin().describe_configs([&topic], &AdminOptions::new())).unwrap();
    let entries = told.into_iter().next().unwrap().unwrap().entries.into_iter();
    entries.map(|entry| (entry.name, entry.value.unwrap_or_default())).collect()
}

fn settings_are_told_and_changed(stage: &Stage) {
    let name = stage.topic("settings", 1, &[("cleanup.policy", "compact"), ("max.message.bytes", "12345")]);
    let before = settings(stage, &name);
    let pick = |settings: &BTreeMap<String, String>, name: &str| settings[name].clone();
    assert_eq!(pick(&before, "cleanup.policy"), "compact");
    assert_eq!(pick(&before, "max.message.bytes"), "12345");
    assert_eq!(pick(&before, "delete.retention.ms"), "86400000", "what nobody set has its default");
    let alter = |pairs: &[(&str, &str)]| {
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(&name));
        for (name, value) in pairs {
            change = change.set(name, value);
        }
        // The client tells of no refusal of a single topic.
        pollster::block_on(stage.admin().alter_configs([&change], &AdminOptions::new())).unwrap();
    };
    alter(&[("retention.ms", "5000")]);
    until("the change is seen", || settings(stage, &name)["retention.ms"] == "5000");
    assert_eq!(settings(stage, &name)["cleanup.policy"], "delete", "it takes the place of all that was set");
    alter(&[("retention.ms", "-7")]);
    alter(&[("retention.ms", "1"), ("no.such", "1")]);
    assert_eq!(settings(stage, &name)["retention.ms"], "5000", "what is refused changes nothing");
}

fn topics_are_removed(stage: &Stage) {
    let name = stage.topic("removed", 1, &[]);
    stage.send(&name, &["old"]);
    let remove = || {
        let done = pollster::block_on(stage.admin().delete_topics(&[&name], &AdminOptions::new())).unwrap();
        done.into_iter().next().unwrap().map(|_| ()).map_err(|(_, code)| code)
    };
    assert_eq!(remove(), Ok(()));
    until("it is gone", || partitions(stage, &name).is_none());
    assert_eq!(remove(), Err(Code::UnknownTopicOrPartition));
    until("one of the same name can be made", || {
        make(stage, &NewTopic::new(&name, 1, TopicReplication::Fixed(1))).is_ok()
    });
    until("it is there", || partitions(stage, &name) == Some(1));
    stage.send(&name, &["new"]);
    assert_eq!(stage.values(&name, "read_committed", 1), ["new"], "nothing is left of the old one");
}

fn records_are_deleted_from_the_front(stage: &Stage) {
    let name = stage.topic("front", 1, &[]);
    stage.send(&name, &["a", "b", "c", "d"]);
    let delete = |offset| {
        let mut places = TopicPartitionList::new();
        places.add_partition_offset(&name, 0, offset).unwrap();
        let done = pollster::block_on(stage.admin().delete_records(&places, &AdminOptions::new())).unwrap();
        done.elements()[0].error().map_err(|error| error.rdkafka_error_code().unwrap())
    };
    assert_eq!(delete(rdkafka::Offset::Offset(3)), Ok(()));
    let consumer: BaseConsumer = stage.config(&[("group.id", "none")]).create().unwrap();
    assert_eq!(consumer.fetch_watermarks(&name, 0, WAIT).unwrap(), (3, 4));
    assert_eq!(stage.values(&name, "read_committed", 1), ["d"]);
    assert_eq!(delete(rdkafka::Offset::Offset(9)), Err(Code::OffsetOutOfRange));
    assert_eq!(delete(rdkafka::Offset::End), Ok(()));
    assert_eq!(consumer.fetch_watermarks(&name, 0, WAIT).unwrap(), (4, 4));
}
