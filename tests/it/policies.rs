use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use millstream::{
    CallbackResult, Context, Delivery, GroupGraph, KafkaLog, KafkaWorld, Output, Policies, Policy, Processor,
    ProcessorError, Running, Settings, Table, Utf8, World, dead_letter_header,
};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::edges::{spec, world};
use crate::outside::{Seen, read_all};
use crate::stack::{Stack, until};

/// What makes no sense goes to the dead letters; what a callback fails at stops the processor, or goes where it is told.
pub fn run(stack: &Stack) {
    undecodable_records_are_dead_letters(stack);
    a_failing_callback_stops_the_processor_and_loses_nothing(stack);
    panics_are_set_aside_like_errors(stack);
    letters_are_listed_and_replayed_by_the_program(stack);
    what_is_too_large_goes_by_the_policy_of_its_output(stack);
}

fn send(stack: &Stack, topic: &str, records: &[(&str, &[u8])]) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", stack.brokers()).set("acks", "all").create().unwrap();
    for (key, value) in records {
        producer.send(BaseRecord::to(topic).key(*key).payload(*value)).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(std::time::Duration::from_secs(30)).unwrap();
}

fn start(
    stack: &Stack,
    name: &str,
    policies: Policies,
    callback: fn(&mut Context<'_>, &str) -> CallbackResult,
) -> Running {
    let (table, out) = (Table::new(Utf8), Output::new(format!("{name}_out"), Utf8, Utf8));
    let (kept, emitted) = (table.clone(), out.clone());
    let graph = GroupGraph::define(name)
        .input(format!("{name}_in"), Utf8, Utf8, move |context, key: &str, value: &str| {
            // What a record has done before it fails must not be seen.
            context.set(&kept, &value)?;
            context.emit(&emitted, &key, &value)?;
            callback(context, value)
        })
        .persist(&table)
        .output(&out)
        .policies(policies)
        .build()
        .unwrap();
    Processor::new(world(stack, name), graph).start().unwrap()
}

fn create(stack: &Stack, name: &str) {
    for topic in ["in", "out"] {
        world(stack, name).create_topic(&spec(&format!("{name}_{topic}"), 1)).unwrap();
    }
}

fn values(stack: &Stack, topic: &str) -> Vec<String> {
    let text = |seen: Seen| String::from_utf8_lossy(&seen.value.unwrap()).into_owned();
    read_all(stack, topic).into_iter().map(text).collect()
}

fn undecodable_records_are_dead_letters(stack: &Stack) {
    let name = "undecodable";
    create(stack, name);
    send(stack, &format!("{name}_in"), &[("a", b"one"), ("b", b"\xff\xfe"), ("c", b"three")]);
    let running = start(stack, name, Policies::default(), |_, _| Ok(()));
    until("the good ones are out", || values(stack, &format!("{name}_out")).len() == 2);
    assert_eq!(values(stack, &format!("{name}_out")), ["one", "three"]);
    until("the bad one is set aside", || read_all(stack, &format!("{name}-dead-letters")).len() == 1);
    let letter = &read_all(stack, &format!("{name}-dead-letters"))[0];
    assert_eq!((letter.key.as_slice(), letter.value.as_deref()), (&b"b"[..], Some(&b"\xff\xfe"[..])));
    for (header, value) in [
        (dead_letter_header::TOPIC, "undecodable_in"),
        (dead_letter_header::PARTITION, "0"),
        (dead_letter_header::OFFSET, "1"),
        (dead_letter_header::GROUP, name),
        (dead_letter_header::STAGE, "decode"),
    ] {
        assert_eq!(letter.header(header), Some(value), "{header}");
    }
    let message = letter.header(dead_letter_header::MESSAGE).unwrap();
    assert!(message.starts_with("its value: not UTF-8 text"), "{message}");
    until("the letter is counted", || running.status().snapshot().dead_letters == 1);
    running.stop().unwrap();
}

/// Whether the callback has been mended.
static MENDED: AtomicBool = AtomicBool::new(false);

fn a_failing_callback_stops_the_processor_and_loses_nothing(stack: &Stack) {
    let name = "failing";
    create(stack, name);
    send(stack, &format!("{name}_in"), &[("a", b"one"), ("b", b"two"), ("c", b"three")]);
    let callback: fn(&mut Context<'_>, &str) -> CallbackResult = |_, value| match value {
        "two" if !MENDED.load(Ordering::SeqCst) => Err("two is not to my taste".into()),
        _ => Ok(()),
    };
    let running = start(stack, name, Policies::default(), callback);
    let status = running.status();
    let error = running.join().unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("failing_in/0@1, which was not committed: callback failed: two is not to my taste"),
        "{told}"
    );
    assert!(matches!(error, ProcessorError::Record { stage: "callback", .. }));
    assert!(status.snapshot().failure.unwrap().contains("not to my taste"));
    assert!(status.ready().is_err(), "a processor that can't go on is not ready");
    MENDED.store(true, Ordering::SeqCst);
    let running = start(stack, name, Policies::default(), callback);
    until("every record is out", || {
        let out: BTreeSet<_> = values(stack, &format!("{name}_out")).into_iter().collect();
        out == ["one", "two", "three"].map(str::to_owned).into()
    });
    running.stop().unwrap();
}

fn panics_are_set_aside_like_errors(stack: &Stack) {
    let name = "panicking";
    for (policy, letters) in [(Policy::Skip, 0), (Policy::DeadLetter, 1)] {
        let name = format!("{name}_{policy:?}");
        create(stack, &name);
        send(stack, &format!("{name}_in"), &[("k", b"one"), ("k", b"two"), ("l", b"three")]);
        let callback: fn(&mut Context<'_>, &str) -> CallbackResult = |_, value| {
            assert!(value != "two", "two is out of the question");
            Ok(())
        };
        let policies = Policies { callback: policy, ..Policies::default() };
        let running = start(stack, &name, policies, callback);
        until("the others are out", || values(stack, &format!("{name}_out")).len() == 2);
        assert_eq!(values(stack, &format!("{name}_out")), ["one", "three"]);
        let kept = || running.table().get(b"k").unwrap();
        assert_eq!(kept().as_deref(), Some(&b"one"[..]), "what the failed record set is gone");
        let snapshot = || running.status().snapshot();
        until("it is counted", || (snapshot().skipped, snapshot().dead_letters) == (1 - letters, letters));
        let set_aside = read_all(stack, &format!("{name}-dead-letters"));
        assert_eq!(set_aside.len() as u64, letters);
        for letter in set_aside {
            let message = letter.header(dead_letter_header::MESSAGE).unwrap().to_owned();
            assert_eq!(message, "the callback panicked: two is out of the question");
        }
        running.stop().unwrap();
    }
}

/// Whether what was set aside can be processed now.
static IS_IN_FASHION: AtomicBool = AtomicBool::new(false);

fn letters_are_listed_and_replayed_by_the_program(stack: &Stack) {
    let name = "replayed";
    create(stack, name);
    send(stack, "replayed_in", &[("a", b"one"), ("b", b"two")]);
    let callback: fn(&mut Context<'_>, &str) -> CallbackResult = |_, value| match value {
        "two" if !IS_IN_FASHION.load(Ordering::SeqCst) => Err("two is out of fashion".into()),
        _ => Ok(()),
    };
    let policies = Policies { callback: Policy::DeadLetter, ..Policies::default() };
    let running = start(stack, name, policies, callback);
    until("the letter is there", || read_all(stack, "replayed-dead-letters").len() == 1);
    let letters = |deed: &[&str]| {
        let arguments = [&["dead-letters"], deed, &["--topic", "replayed-dead-letters"]].concat();
        stack.run_well("stream", "replayed_", &arguments)
    };
    let listed = letters(&["list", "--stage", "callback"]);
    assert!(
        listed.contains(r#"0@0 from replayed_in/0@1 callback: two is out of fashion key "b""#),
        "{listed}"
    );
    assert!(listed.ends_with("1 dead letters in replayed-dead-letters\n"), "{listed}");
    assert!(letters(&["list", "--message", "indigo"]).starts_with("0 dead letters"));
    IS_IN_FASHION.store(true, Ordering::SeqCst);
    let dry = letters(&["replay", "--dry-run"]);
    assert!(
        dry.contains("to be replayed 0@0") && dry.ends_with("1 would be replayed, 0 can't be\n"),
        "{dry}"
    );
    assert!(letters(&["replay", "--at", "0@0"]).ends_with("1 replayed, 0 can't be\n"));
    assert!(letters(&["replay"]).ends_with("0 replayed, 0 can't be\n"), "each once");
    assert!(letters(&["list", "--all"]).contains("(replayed)"));
    until("it is processed", || values(stack, "replayed_out") == ["one", "two"]);
    let replayed = &read_all(stack, "replayed_in")[2];
    assert_eq!(replayed.header(dead_letter_header::REPLAYED_FROM), Some("replayed-dead-letters/0@0"));
    assert_eq!(replayed.header(dead_letter_header::MESSAGE), None);
    running.stop().unwrap();
}

fn what_is_too_large_goes_by_the_policy_of_its_output(stack: &Stack) {
    for (delivery, name) in [(Delivery::AtLeastOnce, "large_plain"), (Delivery::ExactlyOnce, "large_exact")] {
        create(stack, name);
        send(stack, &format!("{name}_in"), &[("a", b"1"), ("a", b"large"), ("a", b"2")]);
        let limit = [("message.max.bytes".to_owned(), "2000".to_owned())].into();
        let log = KafkaLog::new(stack.brokers()).with_properties(limit).unwrap();
        let running = start_widening(log, name, delivery);
        until("the others are out", || values(stack, &format!("{name}_out")) == ["1", "2"]);
        let letters = read_all(stack, &format!("{name}-dead-letters"));
        assert_eq!((letters.len(), letters[0].value.as_deref()), (1, None));
        assert_eq!(letters[0].header(dead_letter_header::STAGE), Some("produce"));
        assert_eq!(letters[0].header(dead_letter_header::VALUE_BYTES), Some("5000"));
        let message = letters[0].header(dead_letter_header::MESSAGE).unwrap();
        assert!(message.contains("could not send to topic"), "{message}");
        assert_eq!(running.status().ready(), Ok(()));
        running.stop().unwrap();
    }
}

/// What only the brokers refuse is found among what came with it, and goes by the policy of its output.
pub fn refused_by_brokers(stack: &Stack) {
    for (delivery, name) in
        [(Delivery::AtLeastOnce, "refused_plain"), (Delivery::ExactlyOnce, "refused_exact")]
    {
        let topics = world(stack, name);
        topics.create_topic(&spec(&format!("{name}_in"), 1)).unwrap();
        let mut narrow = spec(&format!("{name}_out"), 1);
        narrow.settings.insert("max.message.bytes".to_owned(), "2000".to_owned());
        topics.create_topic(&narrow).unwrap();
        let good: Vec<_> = (0..200).map(|number| number.to_string()).collect();
        let mut fed: Vec<(&str, &[u8])> = good.iter().map(|value| ("a", value.as_bytes())).collect();
        fed.insert(20, ("a", b"large"));
        fed.insert(90, ("b", b"large"));
        send(stack, &format!("{name}_in"), &fed);
        let running = start_widening(KafkaLog::new(stack.brokers()), name, delivery);
        let out = || values(stack, &format!("{name}_out"));
        until("the last is out", || out().last().map(String::as_str) == Some("199"));
        until("both are letters", || running.status().snapshot().dead_letters >= 2);
        match delivery {
            Delivery::ExactlyOnce => assert_eq!(out(), good),
            Delivery::AtLeastOnce => assert_eq!(last_of_each(out()), good),
        }
        let letters = read_all(stack, &format!("{name}-dead-letters"));
        let keys: Vec<_> = letters.iter().map(|letter| letter.key.clone()).collect();
        assert_eq!(keys, [b"a".to_vec(), b"b".to_vec()], "{delivery:?}");
        for letter in &letters {
            assert_eq!(letter.value.as_ref().map(Vec::len), Some(5_000));
            assert_eq!(letter.header(dead_letter_header::STAGE), Some("produce"));
            let message = letter.header(dead_letter_header::MESSAGE).unwrap();
            assert!(message.contains("max.message.bytes"), "{message}");
        }
        assert_eq!(running.status().ready(), Ok(()));
        running.stop().unwrap();
    }
}

/// Each value where it was said last: at least once what was sent before a refusal came again.
fn last_of_each(mut values: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    values.reverse();
    values.retain(|value| seen.insert(value.clone()));
    values.reverse();
    values
}

/// Writes what it reads, but for what is to be too large.
fn start_widening(log: KafkaLog, name: &str, delivery: Delivery) -> Running {
    let out = Output::new(format!("{name}_out"), Utf8, Utf8);
    let emitted = out.clone();
    let graph = GroupGraph::define(name)
        .input(format!("{name}_in"), Utf8, Utf8, move |context, key: &str, value: &str| {
            let text = if value == "large" { "x".repeat(5_000) } else { value.to_owned() };
            Ok(context.emit(&emitted, &key, &text.as_str())?)
        })
        .output(&out)
        .policies(Policies { produce: Policy::DeadLetter, ..Policies::default() })
        .build()
        .unwrap();
    let world = KafkaWorld::without_tables(log);
    Processor::new(world, graph).settings(Settings { delivery, ..Settings::default() }).start().unwrap()
}
