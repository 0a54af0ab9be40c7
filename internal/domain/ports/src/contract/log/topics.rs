use std::collections::BTreeMap;

use super::Stage;
use crate::{TopicSpec, World};

pub(super) fn suite<W: World>(stage: &Stage<'_, W>) {
    topics_are_created_once_and_described_in_the_order_asked(stage);
}

fn topics_are_created_once_and_described_in_the_order_asked<W: World>(stage: &Stage<'_, W>) {
    let (wide, compacted) = (stage.topic("wide", 5), stage.topic_name("compacted"));
    let settings = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
    let spec = TopicSpec { name: compacted.clone(), partitions: 2, replication: Some(1), settings };
    stage.world.create_topic(&spec).unwrap();
    stage.world.create_topic(&spec).unwrap();

    let asked = [stage.topic_name("absent"), compacted, wide];
    let found = stage.world.describe_topics(&asked).unwrap();
    let partitions: Vec<_> = found.iter().map(|topic| topic.as_ref().map(|topic| topic.partitions)).collect();
    assert_eq!(partitions, [None, Some(2), Some(5)], "a topic that does not exist is none, and is not made");
    let names: Vec<_> = found.iter().flatten().map(|topic| &topic.name).collect();
    assert_eq!(names, [&asked[1], &asked[2]]);
    let policies: Vec<_> =
        found.iter().flatten().map(|topic| topic.settings.get("cleanup.policy").cloned()).collect();
    assert_eq!(policies[0].as_deref(), Some("compact"));
    assert_ne!(policies[1].as_deref(), Some("compact"));
}
