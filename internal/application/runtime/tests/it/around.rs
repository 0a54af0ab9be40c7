//! What stands around callbacks, several inputs with one callback, headers, and partitioners.

use std::sync::{Arc, Mutex};

use millstream_model::{Headers, Timestamp};
use millstream_ports::{DecimalText, Utf8};
use millstream_runtime::{GroupGraph, Loop, Output, Policies, Policy, Table};
use millstream_sim::{SimRecord, Tester};
use millstream_topology::Partitioner;

fn out() -> Output<Utf8, Utf8> {
    Output::new("out", Utf8, Utf8)
}

fn record(key: &str, value: &str, headers: &[(&str, &str)]) -> SimRecord {
    let mut all = Headers::default();
    for (name, value) in headers {
        all.push(*name, *value);
    }
    let (key, value) = (Some(key.into()), Some(value.into()));
    SimRecord { key, value, headers: all, timestamp: Timestamp(0) }
}

#[test]
fn middleware_sees_every_record_from_outside_to_inside_and_may_end_it() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (outer, inner) = (seen.clone(), seen.clone());
    let graph = GroupGraph::define("g")
        .input("in", Utf8, Utf8, |context, key: &str, value: &str| {
            context.emit(&out(), &key, &value)?;
            if value == "bad" { Err("bad".into()) } else { Ok(()) }
        })
        .around(move |context, next| {
            outer.lock().unwrap().push(format!("> {}", context.topic()));
            if let Some(trace) = context.header("trace") {
                context.carry("trace", trace);
            }
            let outcome = next.run(context);
            outer.lock().unwrap().push(format!("< {}", outcome.is_ok()));
            outcome
        })
        .around(move |context, next| {
            let user = context.header("user").unwrap_or_default();
            inner.lock().unwrap().push(String::from_utf8(user.clone()).unwrap());
            if user == b"mallory" {
                return Err("mallory may not".into());
            }
            if user == b"nobody" { Ok(()) } else { next.run(context) }
        })
        .output(&out())
        .policies(Policies { callback: Policy::DeadLetter, ..Policies::default() })
        .build()
        .unwrap();
    let mut tester = Tester::new(graph).partitions(1);
    tester.sim().create("in", 1);
    for (value, user) in [("1", "ada"), ("2", "mallory"), ("bad", "ada"), ("3", "nobody")] {
        tester.sim().write_record("in", record("k", value, &[("trace", "t1"), ("user", user)]));
    }
    tester.run().unwrap();
    let out = tester.take_records("out");
    assert_eq!(out.len(), 1);
    assert_eq!(out[0].headers, record("", "", &[("trace", "t1")]).headers);
    assert_eq!(tester.take_records("g-dead-letters").len(), 2);
    let seen = seen.lock().unwrap().join(" ");
    assert_eq!(seen, "> in ada < true > in mallory < false > in ada < false > in nobody < true");
}

#[test]
fn several_topics_share_a_callback_and_headers_go_both_ways() {
    let again = Loop::new(Utf8, Utf8);
    let sent = again.clone();
    let graph = GroupGraph::define("g")
        .inputs(["a", "b"], Utf8, Utf8, move |context, _: &str, _: &str| {
            let mut headers = Headers::default();
            headers.push("from", context.topic().as_str());
            Ok(context.loopback_with(&sent, &"k", &"", &headers)?)
        })
        .loopback(&again, |context, key: &str, _: &str| {
            let from = String::from_utf8(context.header("from").unwrap_or_default())?;
            Ok(context.emit(&out(), &key, &from.as_str())?)
        })
        .output(&out())
        .build()
        .unwrap();
    let mut tester = Tester::new(graph);
    for topic in ["a", "b"] {
        tester.sim().create(topic, 4);
        tester.sim().write(topic, b"x", Some(b""));
    }
    tester.run().unwrap();
    let mut from = tester.take(&out(), |_, from| from.to_owned()).unwrap();
    from.sort();
    assert_eq!(from, ["a", "b"]);
}

#[test]
fn a_groups_partitioner_is_that_of_its_loop_and_its_outputs() {
    fn last(key: &[u8], count: u32) -> u32 {
        u32::from(key.last().copied().unwrap_or(0)) % count
    }
    let (again, table) = (Loop::new(Utf8, Utf8), Table::new(DecimalText));
    let other = Output::new("other", Utf8, Utf8);
    let (sent, kept, told) = (again.clone(), table.clone(), other.clone());
    let graph = GroupGraph::define("g")
        .input("in", Utf8, Utf8, move |context, key: &str, _: &str| {
            context.emit(&out(), &key, &"")?;
            context.emit(&told, &key, &"")?;
            Ok(context.loopback(&sent, &key, &"")?)
        })
        .loopback(&again, move |context, _: &str, _: &str| Ok(context.set(&kept, &1)?))
        .persist(&table)
        .output(&out())
        .output_by(&other, Partitioner::Crc32)
        .partitioned_by(Partitioner::By(last))
        .build()
        .unwrap();
    let mut tester = Tester::new(graph).partitions(7);
    let keys = ["a", "bb", "ccc", "lamp", "desk"];
    tester.sim().create("in", 7);
    for key in keys {
        tester.sim().write("in", key.as_bytes(), Some(b""));
    }
    tester.run().unwrap();
    for (topic, partitioner) in [
        ("out", Partitioner::By(last)),
        ("g-loop", Partitioner::By(last)),
        ("g-table", Partitioner::By(last)),
        ("other", Partitioner::Crc32),
    ] {
        let all = tester.sim().read_with_places(topic);
        assert_eq!(all.len(), keys.len(), "{topic}");
        for (partition, _, record) in all {
            let expected = partitioner.partition(&record.key.unwrap(), 7);
            assert_eq!(partition.index(), expected as usize, "{topic}");
        }
    }
}
