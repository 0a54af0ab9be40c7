use std::collections::BTreeMap;
use std::time::Duration;

use millstream::{
    DecimalText, Emitter, GroupGraph, Headers, Join, KafkaLog, KafkaWorld, Loop, Output, Processor, Running,
    SledTables, Table, TopicName, TopicSpec, Utf8, View, World,
};

use crate::outside::{Seen, read_all};
use crate::stack::{Stack, until};

const PARTITIONS: u32 = 3;
const WORDS: [&str; 8] = ["lamp", "ladle", "table", "tray", "lamp", "oak", "owl", "lamp"];
const ROUNDS: usize = 25;

/// Words are looped to their first letters, whose counts are a table that another group joins and a view copies.
pub fn run(stack: &Stack) {
    let world = world(stack, "edges");
    for name in ["edges_words", "edges_letters", "edges_joined"] {
        world.create_topic(&spec(name, PARTITIONS)).unwrap();
    }
    let counting = count_letters(stack);
    emit_words(stack);
    let expected = expected();
    let view = View::open(&world, "edges-view", &topic("edges_count-table"), Utf8, DecimalText).unwrap();
    view.wait_ready(Duration::from_mins(1)).unwrap();
    let is_current = || {
        let counts = |letter: &String| view.get(&letter.as_str(), |count| count).unwrap();
        expected.iter().all(|(letter, count)| counts(letter) == Some(*count))
    };
    until("the view has every letter's last count", is_current);
    assert_eq!(view.get(&"z", |count| count).unwrap(), None);
    let joining = join_letters(stack);
    emit_letters(stack, expected.keys());
    until("the join has answered", || read_all(stack, "edges_joined").len() == expected.len());
    let joined: BTreeMap<_, _> = read_all(stack, "edges_joined").into_iter().map(told).collect();
    let counts = expected.iter().map(|(letter, count)| (letter.clone(), count.to_string()));
    assert_eq!(joined, counts.collect());
    counting.stop().unwrap();
    joining.stop().unwrap();
}

pub fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

pub fn spec(name: &str, partitions: u32) -> TopicSpec {
    TopicSpec { name: topic(name), partitions, replication: None, settings: BTreeMap::new() }
}

pub fn world(stack: &Stack, folder: &str) -> impl World {
    let tables = SledTables::at(stack.folder(&format!("tables_{folder}")));
    KafkaWorld::new(KafkaLog::new(stack.brokers()), move |id| tables.open(id))
}

fn told(seen: Seen) -> (String, String) {
    (String::from_utf8(seen.key).unwrap(), String::from_utf8(seen.value.unwrap()).unwrap())
}

fn expected() -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for word in WORDS {
        *counts.entry(word[..1].to_owned()).or_default() += i64::try_from(ROUNDS).unwrap();
    }
    counts
}

/// Each word goes by the loop to the partition of its first letter, with a header that says where it came from.
fn count_letters(stack: &Stack) -> Running {
    let (table, again) = (Table::new(DecimalText), Loop::new(Utf8, Utf8));
    let (kept, sent) = (table.clone(), again.clone());
    let graph = GroupGraph::define("edges_count")
        .input("edges_words", Utf8, Utf8, move |context, word: &str, _: &str| {
            Ok(context.loopback(&sent, &word.get(..1).unwrap_or_default(), &word)?)
        })
        .persist(&table)
        .loopback(&again, move |context, letter: &str, word: &str| {
            assert!(word.starts_with(letter));
            let count = context.get(&kept)?.unwrap_or(0) + 1;
            Ok(context.set(&kept, &count)?)
        })
        .build()
        .unwrap();
    Processor::new(world(stack, "edges_count"), graph).start().unwrap()
}

/// Answers each letter with its count in the other group's table.
fn join_letters(stack: &Stack) -> Running {
    let (counts, out) =
        (Join::new("edges_count-table", DecimalText), Output::new("edges_joined", Utf8, DecimalText));
    let (joined, emitted) = (counts.clone(), out.clone());
    let graph = GroupGraph::define("edges_join")
        .input("edges_letters", Utf8, Utf8, move |context, letter: &str, _: &str| {
            let count = context.join(&joined)?.unwrap_or(0);
            Ok(context.emit(&emitted, &letter, &count)?)
        })
        .join(&counts)
        .output(&out)
        .build()
        .unwrap();
    Processor::new(world(stack, "edges_join"), graph).start().unwrap()
}

fn emit_words(stack: &Stack) {
    let mut emitter =
        Emitter::open(&world(stack, "edges"), "words", Output::new("edges_words", Utf8, Utf8)).unwrap();
    for _ in 0..ROUNDS {
        for word in WORDS {
            emitter.emit(&word, &"x").unwrap();
        }
    }
    emitter.flush().unwrap();
    assert_eq!(emitter.tally().delivered, (ROUNDS * WORDS.len()) as u64);
}

fn emit_letters<'a>(stack: &Stack, letters: impl Iterator<Item = &'a String>) {
    let output = Output::new("edges_letters", Utf8, Utf8);
    let mut emitter = Emitter::open(&world(stack, "edges"), "letters", output).unwrap();
    let mut headers = Headers::default();
    headers.push("from", "here");
    for letter in letters {
        emitter.emit_with(&letter.as_str(), &"?", &headers, None).unwrap();
    }
    emitter.flush().unwrap();
    let seen = read_all(stack, "edges_letters");
    assert!(!seen.is_empty() && seen.iter().all(|seen| seen.header("from") == Some("here")));
}
