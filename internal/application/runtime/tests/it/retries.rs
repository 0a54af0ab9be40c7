//! Records that are tried again, and policies of single edges.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use millstream_model::Partition;
use millstream_ports::{DecimalText, Delivery, Nullable, Utf8};
use millstream_runtime::{
    AfterRetries, CallbackResult, Context, EdgePolicies, GroupBuilder, GroupGraph, Join, Output, Policies,
    Policy, Retry, Settings, Table, dead_letter_header as header,
};
use millstream_sim::{Faults, Tester};
use millstream_topology::Partitioner;

fn out() -> Output<Utf8, Utf8> {
    Output::new("out", Utf8, Utf8)
}

fn retry(limit: u32, then: AfterRetries) -> Policy {
    let wait = Duration::from_secs(5);
    Policy::Retry(Retry { limit: Some(limit), first_wait: wait, wait_max: wait, then })
}

/// Passes texts on; `bad` fails as often as is told.
fn passing(fails: u32, policies: Policies) -> (GroupBuilder, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let callback = move |context: &mut Context<'_>, key: &str, text: &str| -> CallbackResult {
        context.emit(&out(), &key, &text)?;
        if text == "bad" && counted.fetch_add(1, Ordering::Relaxed) < fails {
            return Err("not yet".into());
        }
        Ok(())
    };
    (GroupGraph::define("g").input("in", Utf8, Utf8, callback).output(&out()).policies(policies), calls)
}

fn tester(group: GroupBuilder, delivery: Delivery) -> Tester {
    let settings = Settings { delivery, workers: 1, ..Settings::default() };
    Tester::new(group.build().unwrap()).partitions(2).settings(settings)
}

fn write(tester: &Tester, records: &[(&str, &str)]) {
    tester.sim().create("in", 2);
    for (key, value) in records {
        tester.sim().write("in", key.as_bytes(), Some(value.as_bytes()));
    }
}

fn taken(tester: &mut Tester) -> Vec<String> {
    tester.take(&out(), |key, text| format!("{key}:{text}")).unwrap()
}

const HERE: &str = "a";

/// A key of another partition.
fn there() -> String {
    let partition = |key: &str| Partitioner::default().partition(key.as_bytes(), 2);
    (0..9).map(|number| number.to_string()).find(|key| partition(key) != partition(HERE)).unwrap()
}

#[test]
fn a_record_that_is_retried_holds_up_its_partition_and_no_other() {
    for delivery in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
        let policies = Policies { callback: retry(5, AfterRetries::Fail), ..Policies::default() };
        let (group, calls) = passing(2, policies);
        let mut tester = tester(group, delivery);
        let there = there();
        write(&tester, &[(HERE, "1"), (HERE, "bad"), (HERE, "2"), (&there, "3"), (HERE, "4")]);
        while tester.step().unwrap() {}
        tester.sim().advance(Duration::from_millis(100));
        while tester.step().unwrap() {}
        let status = tester.status().unwrap();
        tester.advance(Duration::from_millis(100)).unwrap();
        let mut first = taken(&mut tester);
        first.sort();
        assert_eq!(first, [format!("{there}:3"), "a:1".to_owned()], "others go on");
        assert!(calls.load(Ordering::Relaxed) <= 2);
        assert!(status.snapshot().retried >= 1 && status.snapshot().waiting >= 2, "{:?}", status.snapshot());
        let reason = status.ready().unwrap_err();
        assert!(reason.contains("@1 is tried again") && reason.contains("not yet"), "{reason}");
        (0..3).for_each(|_| tester.advance(Duration::from_secs(5)).unwrap());
        assert_eq!(taken(&mut tester), ["a:bad", "a:2", "a:4"], "in the order they came");
        assert_eq!(calls.load(Ordering::Relaxed), 3);
        assert_eq!(tester.status().unwrap().ready(), Ok(()));
        let committed = |partition| tester.sim().committed("g", "in", Partition::new(partition));
        assert_eq!((0..2).filter_map(committed).map(|offset| offset.0).sum::<i64>(), 5);
    }
}

#[test]
fn retries_end_as_they_are_told_to() {
    let ended = |then| {
        let policies = Policies { callback: retry(3, then), ..Policies::default() };
        let (group, calls) = passing(u32::MAX, policies);
        let mut tester = tester(group, Delivery::AtLeastOnce);
        write(&tester, &[("a", "bad"), ("a", "2")]);
        let outcome = (0..20).try_for_each(|_| tester.advance(Duration::from_secs(5)));
        let letters = tester.take_records("g-dead-letters").len();
        (
            outcome.map_err(|error| error.to_string()),
            calls.load(Ordering::Relaxed),
            letters,
            taken(&mut tester),
        )
    };
    let (outcome, calls, _, out) = ended(AfterRetries::Fail);
    let said = outcome.unwrap_err();
    assert!(said.contains("@0, which was not committed: callback failed: not yet"), "{said}");
    assert_eq!((calls, out), (4, vec![]));
    assert_eq!(ended(AfterRetries::Skip), (Ok(()), 4, 0, vec!["a:2".to_owned()]));
    assert_eq!(ended(AfterRetries::DeadLetter), (Ok(()), 4, 1, vec!["a:2".to_owned()]));
}

#[test]
fn what_waits_is_processed_again_after_a_crash() {
    for delivery in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
        let policies = Policies { callback: retry(9, AfterRetries::Fail), ..Policies::default() };
        let (group, _) = passing(4, policies);
        let mut tester = tester(group, delivery);
        write(&tester, &[("a", "1"), ("a", "bad"), ("a", "2")]);
        for _ in 0..3 {
            tester.run().unwrap();
            tester.kill();
        }
        (0..9).for_each(|_| tester.advance(Duration::from_secs(5)).unwrap());
        assert_eq!(taken(&mut tester), ["a:1", "a:bad", "a:2"], "{delivery:?}");
    }
}

#[test]
fn enough_that_waits_stops_the_reading_and_not_the_group() {
    let policies = Policies { callback: retry(90, AfterRetries::Fail), ..Policies::default() };
    let (group, _) = passing(40, policies);
    let settings = Settings { workers: 1, waiting_bytes_max: 3_000, ..Settings::default() };
    let mut tester = Tester::new(group.build().unwrap()).partitions(1).settings(settings);
    tester.sim().create("in", 1);
    tester.sim().write("in", b"a", Some(b"bad"));
    for _ in 0..300 {
        tester.sim().write("in", b"a", Some(b"2"));
        tester.step().unwrap();
    }
    let waiting = tester.status().unwrap().snapshot().waiting;
    assert!(waiting < 40, "{waiting} records are held in memory");
    tester.sim().rebalance("g");
    for _ in 0..60 {
        tester.advance(Duration::from_secs(5)).unwrap();
    }
    assert_eq!(taken(&mut tester).len(), 301);
}

#[test]
fn each_edge_may_have_policies_of_its_own() {
    let price = Join::new("prices", DecimalText);
    let (seen, table) = (price.clone(), Table::new(Nullable(Utf8)));
    let callback = move |context: &mut Context<'_>, key: &str, text: &str| -> CallbackResult {
        let price = context.join(&seen)?;
        context.emit(&out(), &key, &format!("{text} {price:?}").as_str())?;
        if text == "bad" { Err("bad".into()) } else { Ok(()) }
    };
    let build = |join: Option<Policy>| {
        GroupGraph::define("g")
            .inputs(["in", "other"], Utf8, Utf8, callback.clone())
            .join(&price)
            .persist(&table)
            .output(&out())
            .policies(Policies { callback: Policy::DeadLetter, ..Policies::default() })
            .policies_of("other", EdgePolicies { callback: Some(Policy::Skip), ..EdgePolicies::default() })
            .policies_of("prices", EdgePolicies { decode: join, ..EdgePolicies::default() })
    };
    let run = |join| {
        let mut tester = tester(build(join), Delivery::AtLeastOnce);
        for topic in ["in", "other", "prices"] {
            tester.sim().create(topic, 2);
        }
        tester.sim().write("prices", b"k", Some(b"cheap"));
        tester.sim().write("prices", b"l", Some(b"7"));
        tester.run().unwrap();
        for (topic, key, value) in
            [("in", "l", "bad"), ("other", "l", "bad"), ("in", "l", "fine"), ("in", "k", "fine")]
        {
            tester.sim().write(topic, key.as_bytes(), Some(value.as_bytes()));
        }
        tester.run().unwrap();
        let letters = tester.take_records("g-dead-letters");
        let stage = |letter: &millstream_sim::SimRecord| {
            let of = |name| String::from_utf8(letter.headers.last(name).unwrap().to_vec()).unwrap();
            format!("{} of {}", of(header::STAGE), of(header::TOPIC))
        };
        let mut out = taken(&mut tester);
        out.sort();
        (out, letters.iter().map(stage).collect::<Vec<_>>(), tester.status().unwrap().snapshot().skipped)
    };
    let in_in = || "callback of in".to_owned();
    let (fine, none) = ("l:fine Some(7)".to_owned(), "k:fine None".to_owned());
    assert_eq!(run(None), (vec![fine.clone()], vec![in_in(), in_in()], 1), "the callback is told");
    assert_eq!(run(Some(Policy::Skip)), (vec![none.clone(), fine.clone()], vec![in_in()], 2));
    let both = vec![in_in(), "join of prices".to_owned()];
    assert_eq!(run(Some(Policy::DeadLetter)), (vec![none, fine], both, 1));
    let stray = build(None).policies_of("elsewhere", EdgePolicies::default()).build();
    assert_eq!(
        stray.err().unwrap().to_string(),
        "group 'g' has a policy for 'elsewhere', which is on none of its edges"
    );
}

#[test]
fn a_record_that_the_brokers_refuse_goes_by_its_outputs_policy() {
    let run = |delivery, produce| {
        let (group, _) = passing(0, Policies { produce, ..Policies::default() });
        let mut tester = tester(group, delivery);
        write(&tester, &[("a", "1"), ("a", "a text that is much too long for it"), ("a", "2")]);
        tester.sim().set_faults(Faults { record_bytes_max: Some(20), ..Faults::default() });
        let outcome = tester.run().map_err(|error| error.to_string());
        let letters = tester.take_records("g-dead-letters");
        (outcome, taken(&mut tester), letters, tester)
    };
    for delivery in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
        let (outcome, ..) = run(delivery, Policy::Fail);
        assert!(outcome.unwrap_err().contains("could not send to topic 'out': 36 bytes are too many"));
        let (outcome, out, letters, tester) = run(delivery, Policy::Skip);
        assert_eq!((outcome, out, letters.len()), (Ok(()), vec!["a:1".to_owned(), "a:2".to_owned()], 0));
        assert_eq!(tester.status().unwrap().snapshot().skipped, 1);
        let (outcome, out, letters, _) = run(delivery, Policy::DeadLetter);
        assert_eq!((outcome, out.len()), (Ok(()), 2));
        let letter = &letters[0];
        assert_eq!(
            (letter.key.as_deref(), letter.value.as_deref()),
            (Some(&b"a"[..]), None),
            "too large for it too"
        );
        assert_eq!(letter.headers.last(header::STAGE), Some(&b"produce"[..]));
        assert_eq!(letter.headers.last(header::TOPIC), Some(&b"out"[..]));
        assert_eq!(letter.headers.last(header::VALUE_BYTES), Some(&b"35"[..]));
    }
    let (outcome, out, _, mut tester) = run(Delivery::ExactlyOnce, retry(9, AfterRetries::Fail));
    assert_eq!((outcome, out.len()), (Ok(()), 0), "nothing is committed that is not sent");
    assert!(tester.status().unwrap().ready().unwrap_err().contains("too many"));
    tester.sim().set_faults(Faults::default());
    (0..3).for_each(|_| tester.advance(Duration::from_secs(5)).unwrap());
    assert_eq!(taken(&mut tester).len(), 3);
    assert_eq!(tester.status().unwrap().ready(), Ok(()));
}
