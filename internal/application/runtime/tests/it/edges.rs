//! Joins, lookups, loops, headers, and inputs beside each other, in several partitions.

use std::collections::BTreeMap;

use millstream_model::{Headers, Timestamp};
use millstream_ports::{Bytes, DecimalText, Nullable, Utf8};
use millstream_runtime::{GroupGraph, Join, Lookup, Loop, Output, Settings, Table};
use millstream_sim::{SimRecord, TestError, Tester};

fn texts(topic: &str) -> Output<Utf8, Utf8> {
    Output::new(topic, Utf8, Utf8)
}

fn by_key(records: &[SimRecord]) -> BTreeMap<String, Vec<String>> {
    let text = |bytes: &Option<Vec<u8>>| String::from_utf8(bytes.clone().unwrap_or_default()).unwrap();
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for record in records {
        all.entry(text(&record.key)).or_default().push(text(&record.value));
    }
    all
}

#[test]
fn a_join_gives_the_newest_value_of_the_records_own_key() {
    let out = texts("out");
    let (told, join) = (out.clone(), Join::new("prices", DecimalText));
    let joined = Join::new("prices", DecimalText);
    let graph = GroupGraph::define("joining")
        .input("orders", Utf8, Utf8, move |context, key: &str, order: &str| {
            let price = context.join(&joined)?;
            Ok(context.emit(&told, &key, &format!("{order} at {price:?}").as_str())?)
        })
        .join(&join)
        .output(&out)
        .build()
        .unwrap();
    let mut tester = Tester::new(graph);
    let (orders, prices) = (texts("orders"), Output::new("prices", Utf8, Nullable(DecimalText)));
    for round in 0..3_i64 {
        for key in 0..20_i64 {
            let price = (key % 5 != round).then_some(key * 10 + round);
            tester.send(&prices, &format!("k{key}").as_str(), &price).unwrap();
        }
        if round == 1 {
            tester.run().unwrap();
            tester.kill();
        }
        for key in 0..20 {
            tester.send(&orders, &format!("k{key}").as_str(), &"one").unwrap();
        }
        tester.run().unwrap();
        let told = by_key(&tester.take_records("out"));
        assert_eq!(told.len(), 20);
        for key in 0..20_i64 {
            let price = (key % 5 != round).then_some(key * 10 + round);
            assert_eq!(told[&format!("k{key}")], [format!("one at {price:?}")], "round {round}");
        }
    }
}

#[test]
fn a_lookup_gives_any_keys_value_whatever_its_partition() {
    let (out, rates) = (texts("out"), Lookup::new("rates", Utf8, DecimalText));
    let (told, looked) = (out.clone(), rates.clone());
    let graph = GroupGraph::define("converting")
        .input("amounts", Utf8, Utf8, move |context, key: &str, currency: &str| {
            let rate = context.lookup(&looked, &currency, |rate| rate)?;
            Ok(context.emit(&told, &key, &format!("{rate:?}").as_str())?)
        })
        .lookup(&rates)
        .output(&out)
        .build()
        .unwrap();
    let mut tester = Tester::new(graph);
    let (amounts, rates) = (texts("amounts"), Output::new("rates", Utf8, DecimalText));
    for (currency, rate) in [("SEK", 1), ("EUR", 11), ("USD", 10)] {
        tester.send(&rates, &currency, &rate).unwrap();
    }
    for currency in ["SEK", "EUR", "USD", "GBP"] {
        tester.send(&amounts, &currency, &currency).unwrap();
        tester.send(&amounts, &"one key", &currency).unwrap();
    }
    tester.run().unwrap();
    let told = by_key(&tester.take_records("out"));
    assert_eq!(told["one key"], ["Some(1)", "Some(11)", "Some(10)", "None"]);
    assert_eq!(
        (&told["EUR"][..], &told["GBP"][..]),
        (&["Some(11)".to_owned()][..], &["None".to_owned()][..])
    );
    tester.send(&rates, &"EUR", &12).unwrap();
    tester.run().unwrap();
    tester.send(&amounts, &"late", &"EUR").unwrap();
    tester.run().unwrap();
    assert_eq!(by_key(&tester.take_records("out"))["late"], ["Some(12)"]);
}

/// Counts words of lines: lines have keys of their own, words are counted where the word's key is.
fn words(settings: Settings) -> Tester {
    let (table, counts) = (Table::new(DecimalText), Output::new("counts", Utf8, DecimalText));
    let again = Loop::new(Utf8, DecimalText);
    let (sent, kept, told) = (again.clone(), table.clone(), counts.clone());
    let graph = GroupGraph::define("words")
        .input("lines", Nullable(Utf8), Utf8, move |context, _: Option<&str>, line: &str| {
            Ok(line.split(' ').try_for_each(|word| context.loopback(&sent, &word, &1))?)
        })
        .loopback(&again, move |context, word: &str, more: i64| {
            let count = context.get(&kept)?.unwrap_or(0) + more;
            context.set(&kept, &count)?;
            Ok(context.emit(&told, &word, &count)?)
        })
        .persist(&table)
        .output(&counts)
        .build()
        .unwrap();
    Tester::new(graph).settings(settings)
}

#[test]
fn a_loop_brings_records_to_the_owner_of_another_key() {
    for settings in [Settings { workers: 2, ..Settings::default() }, Settings::exactly_once()] {
        let mut tester = words(settings);
        let lines = Output::new("lines", Nullable(Utf8), Utf8);
        for number in 0..8 {
            let key = format!("line {number}");
            tester.send(&lines, &Some(key.as_str()), &"the cat saw the dog").unwrap();
        }
        tester.send(&lines, &None, &"the end").unwrap();
        tester.run().unwrap();
        for (word, count) in [("the", 17), ("cat", 8), ("end", 1)] {
            let table = Table::new(DecimalText);
            assert_eq!(tester.value(&table, word.as_bytes(), |count| count).unwrap(), Some(count), "{word}");
        }
        let told = by_key(&tester.take_records("counts"));
        assert_eq!(told["cat"], ["1", "2", "3", "4", "5", "6", "7", "8"]);
        tester.run().unwrap();
        assert_eq!(tester.take_records("counts"), [], "a loop that is done stays done");
    }
}

#[test]
fn a_loop_that_feeds_itself_is_told_of() {
    let again = Loop::new(Utf8, Utf8);
    let sent = again.clone();
    let graph = GroupGraph::define("endless")
        .input("in", Utf8, Utf8, |_, _, _| Ok(()))
        .loopback(&again, move |context, key: &str, value: &str| Ok(context.loopback(&sent, &key, &value)?))
        .build()
        .unwrap();
    let mut tester = Tester::new(graph).partitions(1);
    tester.step().unwrap();
    tester.sim().write("endless-loop", b"k", Some(b"v"));
    assert!(matches!(tester.run(), Err(TestError::Endless)));
}

#[test]
fn headers_are_read_written_and_passed_on() {
    let (out, on) = (texts("out"), Output::new("on", Bytes, Bytes));
    let (told, passed) = (out.clone(), on.clone());
    let graph = GroupGraph::define("heading")
        .input("in", Utf8, Utf8, move |context, key: &str, value: &str| {
            let mut headers = Headers::copy_of(context.headers());
            headers.push("seen-by", "heading");
            context.emit_with(&told, &key, &value, &headers)?;
            context.emit(&told, &"none", &value)?;
            Ok(context.forward(&passed)?)
        })
        .output(&out)
        .output(&on)
        .build()
        .unwrap();
    let mut tester = Tester::new(graph).partitions(1);
    let headers = Headers(vec![
        ("a".to_owned(), Some(b"1".to_vec())),
        ("a".to_owned(), Some(vec![0xff])),
        ("empty".to_owned(), None),
    ]);
    let (key, value) = (Some(b"k".to_vec()), Some(b"v".to_vec()));
    let sent = SimRecord { key, value, headers: headers.clone(), timestamp: Timestamp(5) };
    tester.sim().create("in", 1);
    tester.sim().write_record("in", sent.clone());
    tester.run().unwrap();
    assert_eq!(tester.take_records("on"), [sent], "byte for byte, its time too");
    let told = tester.take_records("out");
    let mut with_ours = headers;
    with_ours.push("seen-by", "heading");
    assert_eq!((&told[0].headers, &told[1].headers), (&with_ours, &Headers::default()));
    assert_eq!(told[1].timestamp, Timestamp(5), "what is made of a record has its time");
}

#[test]
fn what_is_not_declared_can_not_be_used() {
    let (stray, lookup) = (texts("stray"), Lookup::new("stray", Utf8, Utf8));
    let (join, table, again) = (Join::new("stray", Utf8), Table::new(Utf8), Loop::new(Utf8, Utf8));
    let graph = GroupGraph::define("strict")
        .input("in", Utf8, Utf8, move |context, key: &str, value: &str| {
            let said = [
                context.emit(&stray, &key, &value).unwrap_err().to_string(),
                context.set(&table, &value).unwrap_err().to_string(),
                context.get(&table).unwrap_err().to_string(),
                context.join(&join).unwrap_err().to_string(),
                context.lookup(&lookup, &key, |_| ()).unwrap_err().to_string(),
                context.loopback(&again, &key, &value).unwrap_err().to_string(),
            ];
            Err(said.join("; ").into())
        })
        .build()
        .unwrap();
    let mut tester = Tester::new(graph);
    tester.send(&texts("in"), &"k", &"v").unwrap();
    let said = tester.run().unwrap_err().to_string();
    for edge in ["output 'stray'", "table ''", "join 'stray'", "lookup 'stray'", "loop 'strict-loop'"] {
        assert!(said.contains(&format!("group 'strict' has no {edge}")), "{edge}: {said}");
    }
}

#[test]
fn a_group_that_does_not_fit_its_topics_does_not_start() {
    let graph = GroupGraph::define("uneven")
        .input("four", Utf8, Utf8, |_, _, _| Ok(()))
        .join(&Join::new("three", Utf8))
        .output(&texts("absent"))
        .build()
        .unwrap();
    let sim = millstream_sim::Sim::new();
    sim.create("four", 4);
    sim.create("three", 3);
    let said = millstream_runtime::Processor::new(sim, graph).stepped().err().unwrap().to_string();
    assert!(
        said.contains("topic 'three' has 3 partitions") && said.contains("topic 'absent' does not exist"),
        "{said}"
    );
}
