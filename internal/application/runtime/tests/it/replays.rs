//! Dead letters that are listed and replayed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use millstream_model::{Headers, Offset, Partition, Timestamp, TopicName};
use millstream_ports::Utf8;
use millstream_runtime::{
    DeadLetters, GroupGraph, LetterFilter, Output, Policies, Policy, Replayed, Replays,
    dead_letter_header as header,
};
use millstream_sim::{Faults, Sim, SimRecord, Tester};

/// A group that sets all aside until it is mended, and then passes all on.
fn tester(letters: u32) -> (Tester, Arc<AtomicBool>) {
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = is_mended.clone();
    let out = Output::new("out", Utf8, Utf8);
    let told = out.clone();
    let graph = GroupGraph::define("g")
        .input("in", Utf8, Utf8, move |context, _: &str, value: &str| {
            if mended.load(Ordering::Relaxed) || value == "fine" {
                return Ok(context.forward(&told)?);
            }
            Err(format!("{value} is Broken").into())
        })
        .output(&out)
        .policies(Policies { callback: Policy::DeadLetter, ..Policies::default() })
        .build()
        .unwrap();
    let tester = Tester::new(graph).partitions(3);
    tester.sim().create("g-dead-letters", letters);
    tester.sim().create("in", 3);
    for (number, value) in ["a", "b", "fine", "c"].into_iter().enumerate() {
        let mut headers = Headers::default();
        headers.push("trace", format!("t{number}"));
        let (key, value) = (Some(format!("k{number}").into()), Some(value.into()));
        let timestamp = Timestamp(100 + i64::try_from(number).unwrap());
        tester.sim().write_record("in", SimRecord { key, value, headers, timestamp });
    }
    (tester, is_mended)
}

fn letters(sim: &Sim) -> DeadLetters<Sim> {
    DeadLetters::new(sim.clone(), TopicName::new("g-dead-letters").unwrap())
}

fn listed(sim: &Sim, filter: &LetterFilter) -> Vec<String> {
    let mut all = Vec::new();
    let count = letters(sim)
        .list(filter, |letter| all.push(String::from_utf8(letter.value.clone().unwrap()).unwrap()))
        .unwrap();
    assert_eq!(usize::try_from(count).unwrap(), all.len());
    all.sort();
    all
}

fn sent(sent: u64) -> Replays {
    Replays { sent, ..Replays::default() }
}

#[test]
fn letters_are_listed_by_what_they_say() {
    let (mut tester, _) = tester(2);
    tester.run().unwrap();
    let sim = tester.sim();
    let all = LetterFilter::default();
    let text = |text: &str| Some(text.to_owned());
    for (filter, expected) in [
        (all.clone(), "abc"),
        (LetterFilter { topic: text("in"), group: text("g"), stage: text("callback"), ..all.clone() }, "abc"),
        (LetterFilter { topic: text("elsewhere"), ..all.clone() }, ""),
        (LetterFilter { stage: text("decode"), ..all.clone() }, ""),
        (LetterFilter { message: text("B IS broken"), ..all.clone() }, "b"),
        (LetterFilter { key: Some(b"k3".to_vec()), ..all.clone() }, "c"),
        (LetterFilter { since: Some(Timestamp(101)), until: Some(Timestamp(103)), ..all.clone() }, "b"),
    ] {
        assert_eq!(listed(sim, &filter).concat(), expected, "{filter:?}");
    }
    let mut first = None;
    letters(sim).list(&all, |letter| first = first.take().or_else(|| Some(letter.clone()))).unwrap();
    let first = first.unwrap();
    let filter = LetterFilter { places: vec![(first.partition, first.offset)], ..all };
    assert_eq!(listed(sim, &filter).len(), 1);
    assert!(first.origin_offset().is_some() && first.message().unwrap().ends_with("is Broken"));
    let nowhere = DeadLetters::new(sim.clone(), TopicName::new("nowhere").unwrap());
    let said = nowhere.list(&LetterFilter::default(), |_| ()).unwrap_err().to_string();
    assert!(said.contains("there is no topic 'nowhere'"), "{said}");
}

#[test]
fn a_letter_is_replayed_once_to_where_it_came_from() {
    let (mut tester, is_mended) = tester(2);
    tester.run().unwrap();
    let sim = tester.sim().clone();
    let before = sim.read_with_places("in");
    let b = LetterFilter { message: Some("b is".to_owned()), ..LetterFilter::default() };
    assert_eq!(
        letters(&sim).dry_run(&b, |_, outcome| assert_eq!(*outcome, Replayed::Sent)).unwrap(),
        sent(1)
    );
    assert_eq!(sim.read("in").len(), 4, "a dry run sends nothing");
    assert_eq!(letters(&sim).replay(&b, |_, _| ()).unwrap(), sent(1));
    assert_eq!(letters(&sim).replay(&b, |_, _| ()).unwrap(), sent(0), "not a second time");
    tester.run().unwrap();
    assert_eq!(
        listed(&sim, &LetterFilter::default()),
        ["a", "b", "c"],
        "it failed again, and is a new letter"
    );
    is_mended.store(true, Ordering::Relaxed);
    assert_eq!(letters(&sim).replay(&LetterFilter::default(), |_, _| ()).unwrap(), sent(3));
    assert_eq!(listed(&sim, &LetterFilter::default()), Vec::<String>::new());
    let with_replayed = LetterFilter { with_replayed: true, ..LetterFilter::default() };
    assert_eq!(listed(&sim, &with_replayed), ["a", "b", "b", "c"]);
    assert_eq!(letters(&sim).replay(&with_replayed, |_, _| ()).unwrap(), sent(0));
    tester.run().unwrap();
    let mut out = tester.take_records("out");
    assert_eq!(out.len(), 4);
    out.sort_by_key(|record| record.timestamp);
    let b = &out[1];
    assert_eq!((b.timestamp, b.value.as_deref()), (Timestamp(101), Some(&b"b"[..])));
    let names: Vec<_> = b.headers.0.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["trace", header::REPLAYED_FROM], "the failure's own headers are gone");
    for (partition, _, record) in sim.read_with_places("in") {
        let origin = before.iter().find(|(_, _, old)| old.key == record.key).unwrap().0;
        assert_eq!(partition, origin);
    }
}

#[test]
fn a_replay_that_crashes_anywhere_doubles_and_loses_nothing() {
    for effect in 1..40 {
        let (mut tester, _) = tester(1);
        tester.run().unwrap();
        let sim = tester.sim().clone();
        let process = sim.process();
        sim.set_faults(Faults {
            crash_at_effect: Some(effect),
            slow_sends: 300,
            seed: effect,
            ..Faults::default()
        });
        let outcome = letters(&process).replay(&LetterFilter::default(), |_, _| ());
        sim.set_faults(Faults::default());
        if outcome.is_err() {
            sim.expire_member("g-dead-letters-replay", 0);
        }
        let again = letters(&sim.process()).replay(&LetterFilter::default(), |_, _| ()).unwrap();
        assert_eq!(sim.read("in").len(), 4 + 3, "crashed at effect {effect}: {outcome:?}, then {again:?}");
    }
}

#[test]
fn what_can_not_be_replayed_is_told_and_left() {
    let (mut tester, _) = tester(1);
    tester.run().unwrap();
    let letter = |pairs: &[(&str, &str)]| {
        let mut headers = Headers::default();
        for (name, value) in pairs {
            headers.push(*name, *value);
        }
        tester.sim().write_record(
            "g-dead-letters",
            SimRecord { key: None, value: None, headers, timestamp: Timestamp(0) },
        );
    };
    letter(&[]);
    letter(&[(header::STAGE, "timer"), (header::TOPIC, "in")]);
    letter(&[(header::STAGE, "callback"), (header::TOPIC, "gone"), (header::PARTITION, "0")]);
    letter(&[(header::STAGE, "callback"), (header::TOPIC, "in"), (header::PARTITION, "7")]);
    letter(&[(header::STAGE, "produce"), (header::TOPIC, "in"), (header::VALUE_BYTES, "70")]);
    let mut reasons = Vec::new();
    let replays = letters(tester.sim()).replay(&LetterFilter::default(), |letter, outcome| {
        if let Replayed::Impossible(reason) = outcome {
            assert_eq!(letter.partition, Partition::new(0));
            assert!(letter.offset >= Offset(3));
            reasons.push(reason.clone());
        }
    });
    assert_eq!(replays.unwrap(), Replays { sent: 3, impossible: 5 });
    assert_eq!(
        reasons,
        [
            "it is no dead letter of this framework",
            "what failed at stage 'timer' was no record of a topic",
            "there is no topic 'gone' any more",
            "topic 'in' has no partition 7 any more",
            "its value was too large to be kept",
        ]
    );
}
