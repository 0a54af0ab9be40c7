use super::*;

fn name(text: &str) -> TopicName {
    TopicName::new(text).unwrap()
}

fn topic(text: &str, partitions: u32, policy: &str) -> TopicDescription {
    let settings = [("cleanup.policy".to_owned(), policy.to_owned())].into();
    TopicDescription { name: name(text), partitions, replicas: 1, settings }
}

fn spec() -> GroupSpec {
    GroupSpec {
        group: "g".into(),
        inputs: vec![name("in"), name("g-loop")],
        loopback: Some(name("g-loop")),
        changelog: Some(name("g-table")),
        joins: vec![name("joined")],
        outputs: vec![(name("out"), crate::Partitioner::Murmur2)],
        dead_letters: Some(name("g-dead-letters")),
        ..GroupSpec::default()
    }
}

#[test]
fn internal_topics_are_created_as_wide_as_the_input() {
    let found = [topic("in", 6, "delete"), topic("joined", 6, "compact"), topic("out", 2, "delete")];
    let survey = Survey::of(&spec(), &found, Some(3));
    assert_eq!(survey.faults, []);
    let made: Vec<_> = survey
        .missing
        .iter()
        .map(|t| (t.name.as_str(), t.partitions, t.settings.get("cleanup.policy").unwrap().as_str()))
        .collect();
    assert_eq!(made, [("g-table", 6, "compact"), ("g-loop", 6, "delete"), ("g-dead-letters", 1, "delete")]);
    assert!(survey.missing.iter().all(|t| t.replication == Some(3)));
    assert_eq!(survey.partitions.get(&name("g-table")), Some(&6));
}

#[test]
fn each_fault_says_what_is_wrong_and_the_command_that_mends_it() {
    let found = [
        topic("in", 4, "delete"),
        topic("joined", 3, "compact"),
        topic("g-table", 4, "delete"),
        topic("g-loop", 8, "delete"),
    ];
    let faults: Vec<_> = Survey::of(&spec(), &found, None).faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 4, "{faults:#?}");
    let said = faults.join("\n");
    for words in [
        "topic 'joined' has 3 partitions where the first input of group 'g' has 4",
        "--alter --topic joined --partitions 4",
        "topic 'g-table' is the changelog of group 'g' and has cleanup.policy=delete",
        "--entity-name g-table --add-config cleanup.policy=compact",
        "--delete --topic g-loop",
        "topic 'out' does not exist",
    ] {
        assert!(said.contains(words), "missing {words:?} in\n{said}");
    }
}

#[test]
fn a_changelog_that_is_narrower_than_its_inputs_is_not_mended_by_more_partitions_alone() {
    let spec = GroupSpec {
        inputs: vec![name("in")],
        changelog: Some(name("g-table")),
        group: "g".into(),
        ..GroupSpec::default()
    };
    let found = [topic("in", 6, "delete"), topic("g-table", 4, "compact")];
    let faults: Vec<_> = Survey::of(&spec, &found, None).faults.iter().map(ToString::to_string).collect();
    let said = faults.join("\n");
    for words in [
        "g-table' has 4 partitions",
        "begin without theirs",
        "another name for the group",
        "--alter --topic g-table --partitions 6",
    ] {
        assert!(said.contains(words), "missing {words:?} in\n{said}");
    }
}

#[test]
fn a_changelog_that_also_deletes_is_refused() {
    let found = [
        topic("in", 1, "delete"),
        topic("joined", 1, "compact"),
        topic("out", 1, "delete"),
        topic("g-table", 1, "compact,delete"),
    ];
    assert_eq!(Survey::of(&spec(), &found, None).faults.len(), 1);
}
