//! A Kafka that speaks TLS and asks who is there: every mechanism opens it, and a wrong secret is refused in a sentence that
//! does not tell it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use millstream_kafka_log::{KafkaLog, KafkaWorld, NoTables};
use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Action, Delivery, GroupLog, Outlet, Polled, TopicSpec, World};

use crate::broker::{Guarded, PASSWORD, fill, until};

const P0: Partition = Partition::new(0);

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn world(guarded: &Guarded, mechanism: &str, others: Pairs<'_>) -> KafkaWorld<NoTables> {
    let authority = guarded.authority();
    let all =
        [("security.protocol", "SASL_SSL"), ("ssl.ca.location", &authority), ("sasl.mechanism", mechanism)];
    let all: BTreeMap<_, _> =
        all.iter().chain(others).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    KafkaWorld::without_tables(KafkaLog::new(guarded.brokers()).with_properties(all).unwrap())
}

#[test]
fn a_guarded_kafka_is_opened_by_every_mechanism_and_by_the_right_secret_only() {
    let guarded = Guarded::start();
    let shop: Pairs<'_> = &[("sasl.username", "shop"), ("sasl.password", PASSWORD)];
    let token: Pairs<'_> =
        &[("enable.sasl.oauthbearer.unsecure.jwt", "true"), ("sasl.oauthbearer.config", "principal=shop")];
    for (mechanism, secrets) in
        [("SCRAM-SHA-512", shop), ("SCRAM-SHA-256", shop), ("PLAIN", shop), ("OAUTHBEARER", token)]
    {
        works(&world(&guarded, mechanism, secrets), mechanism);
    }
    for mechanism in ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] {
        let wrong = [("sasl.username", "shop"), ("sasl.password", "hunter2")];
        refuses(&world(&guarded, mechanism, &wrong), &["Authentication failed", "sasl.password"]);
    }
    let stranger = KafkaLog::new(guarded.brokers());
    let plain = [("security.protocol".to_owned(), "SSL".to_owned())];
    let stranger = KafkaWorld::without_tables(stranger.with_properties(plain.into()).unwrap());
    refuses(&stranger, &["ssl.ca.location"]);
}

/// What no build here can do is said at the start, and not waited for.
#[test]
fn tokens_by_oidc_are_refused_at_the_start() {
    let all = [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.method", "oidc"),
        ("sasl.oauthbearer.client.secret", "hunter2"),
        ("sasl.oauthbearer.token.endpoint.url", "http://127.0.0.1:1/token"),
    ];
    let all: BTreeMap<_, _> = all.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let error = KafkaLog::new("127.0.0.1:1").with_properties(all).err().unwrap();
    let said = error.to_string();
    assert_eq!(error.action(), Action::Stop, "{said}");
    assert!(said.contains("OIDC") && said.contains("SCRAM") && !said.contains("hunter2"), "{said}");
}

/// Administration, a writer, and a member under exactly-once.
fn works(world: &KafkaWorld<NoTables>, mechanism: &str) {
    let name = TopicName::new(format!("guarded-{}", mechanism.to_lowercase())).unwrap();
    let spec = TopicSpec { name: name.clone(), partitions: 1, replication: None, settings: BTreeMap::new() };
    world.create_topic(&spec).unwrap();
    let mut outlet = world.outlet("guarded").unwrap();
    fill(&mut outlet, &name, 5);
    outlet.settle().unwrap();
    let group = format!("guarded-{mechanism}");
    let mut member = world.join_group(&group, 0, std::slice::from_ref(&name), Delivery::ExactlyOnce).unwrap();
    let mut count = 0;
    until("all is read", || {
        match member.poll(Duration::from_millis(50), 10, |_| ControlFlow::Continue(())).unwrap() {
            Polled::Records(records) => count += records,
            Polled::Assigned(partitions) => {
                member.accept(&partitions).unwrap();
                for partition in partitions {
                    member.start(partition).unwrap();
                }
            }
            other => panic!("{other:?}"),
        }
        count == 5
    });
    fill(&mut member, &name, 1);
    member.settle().unwrap();
    member.commit(&[(0, P0, Offset(5))]).unwrap();
    member.leave();
}

fn refuses(world: &KafkaWorld<NoTables>, words: &[&str]) {
    let error = world.describe_topics(&[TopicName::new("any").unwrap()]).unwrap_err();
    let said = format!("{error} {error:?}");
    assert_eq!(error.action(), Action::Stop, "{said}");
    for word in words {
        assert!(said.contains(word), "'{said}' should name '{word}'");
    }
    assert!(!said.contains("hunter2"), "{said}");
}
