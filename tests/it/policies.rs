use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use millstream::{
    CallbackResult, Context, GroupGraph, Output, Policies, Policy, Processor, ProcessorError, Running, Table,
    Utf8, World, dead_letter_header,
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
