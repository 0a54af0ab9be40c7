//! What becomes of records that can't be processed.

use millstream_model::{Headers, Partition, Timestamp};
use millstream_ports::{DecimalText, Meter, Utf8};
use millstream_runtime::{
    GroupBuilder, GroupGraph, Loop, Output, Policies, Policy, Processor, ProcessorError, Settings, Table,
    dead_letter_header as header,
};
use millstream_sim::{Sim, SimRecord, TestError, Tester};

fn table() -> Table<DecimalText> {
    Table::new(DecimalText)
}

fn sums() -> Output<Utf8, DecimalText> {
    Output::new("sums", Utf8, DecimalText)
}

/// Sums numbers by key, by way of writes that it regrets when a number is negative, and panics at zero.
fn summing() -> GroupBuilder {
    let again = Loop::new(Utf8, Utf8);
    let sent = again.clone();
    GroupGraph::define("summing")
        .input("numbers", Utf8, DecimalText, move |context, key: &str, number: i64| {
            let sum = context.get(&table())?.unwrap_or(0) + number;
            context.set(&table(), &sum)?;
            context.emit(&sums(), &key, &sum)?;
            if number < 0 {
                context.loopback(&sent, &key, &"regretted")?;
                return Err(format!("{number} is negative").into());
            }
            assert!(number != 0, "nothing to add");
            Ok(())
        })
        .loopback(&again, |_, _, said: &str| Err(format!("the loop got '{said}'").into()))
        .persist(&table())
        .output(&sums())
}

fn tester(policies: Policies) -> Tester {
    Tester::new(summing().policies(policies).build().unwrap()).partitions(1)
}

fn feed(tester: &Tester, values: &[&str]) {
    tester.sim().create("numbers", 1);
    for value in values {
        tester.sim().write("numbers", b"k", Some(value.as_bytes()));
    }
}

fn taken(tester: &mut Tester) -> Vec<i64> {
    tester.take(&sums(), |_, sum| sum).unwrap()
}

fn told(letter: &SimRecord, name: &str) -> String {
    String::from_utf8(letter.headers.last(name).unwrap().to_vec()).unwrap()
}

fn committed(sim: &Sim) -> Option<i64> {
    sim.committed("summing", "numbers", Partition::new(0)).map(|offset| offset.0)
}

#[test]
fn what_does_not_decode_is_a_dead_letter_by_default_and_the_rest_goes_on() {
    let mut tester = tester(Policies::default());
    feed(&tester, &["1"]);
    let mut headers = Headers::default();
    headers.push("trace", "t-1");
    let (key, value) = (Some(b"k".to_vec()), Some(b"two".to_vec()));
    tester.sim().write_record("numbers", SimRecord { key, value, headers, timestamp: Timestamp(77) });
    tester.sim().write("numbers", b"k", None);
    tester.sim().write("numbers", b"\xff", Some(b"4"));
    feed(&tester, &["5"]);
    tester.run().unwrap();
    assert_eq!(taken(&mut tester), [1, 6]);
    let letters = tester.take_records("summing-dead-letters");
    let reasons: Vec<_> = letters.iter().map(|letter| told(letter, header::MESSAGE)).collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert_eq!(reasons[0], "its value: 'two' is not a 64-bit integer");
    assert!(reasons[1].contains("its value: it is null"), "{reasons:?}");
    assert!(reasons[2].contains("its key: not UTF-8 text"), "{reasons:?}");
    let letter = &letters[0];
    assert_eq!((letter.key.as_deref(), letter.value.as_deref()), (Some(&b"k"[..]), Some(&b"two"[..])));
    assert_eq!(letter.timestamp, Timestamp(77), "the record's own time");
    let place = [header::TOPIC, header::PARTITION, header::OFFSET, header::GROUP, header::STAGE, "trace"];
    assert_eq!(place.map(|name| told(letter, name)), ["numbers", "0", "1", "summing", "decode", "t-1"]);
    assert_eq!(letters[1].value, None, "a tombstone stays one");
    assert_eq!(committed(tester.sim()), Some(5));
    assert_eq!(tester.status().unwrap().snapshot().dead_letters, 3);
}

#[test]
fn a_callback_that_fails_stops_the_group_by_default_before_its_record() {
    let mut tester = tester(Policies::default());
    feed(&tester, &["1"]);
    tester.run().unwrap();
    feed(&tester, &["2", "-3", "4"]);
    for attempt in 0..2 {
        let failed = tester.run().unwrap_err();
        let TestError::Processor(ProcessorError::Record { group, topic, offset, stage, reason, .. }) = failed
        else {
            panic!("{failed}");
        };
        assert_eq!((group.as_str(), topic.as_str(), offset.0, stage), ("summing", "numbers", 2, "callback"));
        assert_eq!(reason, "-3 is negative", "attempt {attempt}");
        assert_eq!(committed(tester.sim()), Some(1), "nothing after what was committed is");
    }
    assert_eq!(
        tester.value(&table(), b"k", |sum| sum).unwrap(),
        None,
        "it owns nothing before its first step"
    );
    assert_eq!(tester.sim().read("summing-table").len(), 1);
    assert_eq!(tester.sim().read("summing-loop"), []);
}

#[test]
fn a_processor_that_can_not_go_on_says_so_everywhere() {
    let sim = Sim::live();
    for topic in ["numbers", "sums"] {
        sim.create(topic, 1);
    }
    sim.write("numbers", b"k", Some(b"-1"));
    let graph = summing().build().unwrap();
    let settings = Settings { workers: 3, ..Settings::default() };
    let running = Processor::new(sim, graph).settings(settings).start().unwrap();
    let (status, stopper) = (running.status(), running.stopper());
    let failed = running.join().unwrap_err().to_string();
    assert!(failed.contains("-1 is negative"), "{failed}");
    assert!(stopper.is_set(), "its other workers have ended too");
    assert!(status.ready().unwrap_err().contains("-1 is negative"));
    let mut samples = Vec::new();
    status.samples(&mut samples);
    let value = |name: &str| samples.iter().find(|sample| sample.name == name).unwrap().value;
    assert!((value("millstream_processor_failed") - 1.0).abs() < f64::EPSILON);
    assert!((value("millstream_retries_total") - 0.0).abs() < f64::EPSILON);
}

#[test]
fn a_record_that_is_skipped_leaves_no_trace_but_a_count() {
    let mut tester = tester(Policies { callback: Policy::Skip, ..Policies::default() });
    feed(&tester, &["1", "-3", "0", "4"]);
    tester.run().unwrap();
    assert_eq!(taken(&mut tester), [1, 5], "what the failed records emitted is taken back");
    assert_eq!(tester.value(&table(), b"k", |sum| sum).unwrap(), Some(5));
    assert_eq!(tester.sim().read("summing-loop"), []);
    assert_eq!(tester.sim().read("summing-dead-letters"), []);
    let snapshot = tester.status().unwrap().snapshot();
    assert_eq!((snapshot.skipped, snapshot.dead_letters), (2, 0));
    assert_eq!(committed(tester.sim()), Some(4));
}

#[test]
fn a_callback_that_panics_is_one_that_fails() {
    let mut letters = tester(Policies { callback: Policy::DeadLetter, ..Policies::default() });
    feed(&letters, &["1", "0", "2"]);
    letters.run().unwrap();
    assert_eq!(taken(&mut letters), [1, 3]);
    let letter = letters.take_records("summing-dead-letters").pop().unwrap();
    assert_eq!(told(&letter, header::MESSAGE), "the callback panicked: nothing to add");
    assert_eq!(told(&letter, header::STAGE), "callback");

    let mut stops = tester(Policies::default());
    feed(&stops, &["0"]);
    let said = stops.run().unwrap_err().to_string();
    assert!(said.contains("numbers/0@0") && said.contains("the callback panicked: nothing to add"), "{said}");
}

#[test]
fn decoding_may_stop_the_group_too_and_letters_may_go_elsewhere() {
    let mut stops = tester(Policies { decode: Policy::Fail, ..Policies::default() });
    feed(&stops, &["1", "two"]);
    let said = stops.run().unwrap_err().to_string();
    assert!(said.contains("numbers/0@1") && said.contains("decode failed"), "{said}");
    assert_eq!(stops.sim().read("summing-dead-letters"), []);

    let elsewhere = Some("morgue".to_owned());
    let mut tester = tester(Policies {
        callback: Policy::DeadLetter,
        dead_letters: elsewhere,
        decode: Policy::Skip,
        ..Policies::default()
    });
    feed(&tester, &["two", "-3"]);
    tester.run().unwrap();
    let letters = tester.take_records("morgue");
    assert_eq!(
        letters.iter().map(|letter| told(letter, header::MESSAGE)).collect::<Vec<_>>(),
        ["-3 is negative"]
    );
    assert_eq!(tester.status().unwrap().snapshot().skipped, 1);
}
