//! Timers by event time and by the clock.

use std::time::Duration;

use millstream_model::Timestamp;
use millstream_ports::{DecimalText, Delivery, Utf8, World};
use millstream_runtime::{
    AfterRetries, GroupGraph, Output, Policies, Policy, Retry, Settings, Table, Timer, View, When,
};
use millstream_sim::Tester;

fn out() -> Output<Utf8, DecimalText> {
    Output::new("out", Utf8, DecimalText)
}

fn input() -> Output<Utf8, Utf8> {
    Output::new("in", Utf8, Utf8)
}

fn table() -> Table<DecimalText> {
    Table::new(DecimalText)
}

/// Counts by key in windows that a timer closes: `event`, `wall` and `off` say by which clock it is set, or cancel it.
fn closing() -> GroupGraph {
    let close = Timer::new("close", Utf8);
    let set = close.clone();
    GroupGraph::define("g")
        .input("in", Utf8, Utf8, move |context, _: &str, what: &str| {
            let count = context.get(&table())?.unwrap_or(0) + 1;
            context.set(&table(), &count)?;
            match what {
                "event" => context.schedule(&set, When::EventTime(Timestamp(context.timestamp().0 + 10)))?,
                "wall" => context.schedule(&set, When::WallClock(Timestamp(context.now().0 + 10_000)))?,
                "now" => context.schedule(&set, When::WallClock(Timestamp(0)))?,
                "off" => context.cancel(&set)?,
                "regret" => {
                    context.schedule(&set, When::EventTime(Timestamp(0)))?;
                    return Err("regretted".into());
                }
                _ => {}
            }
            Ok(())
        })
        .timer(&close, |context, key: &str| {
            let count = context.get(&table())?.unwrap_or(0);
            context.delete(&table())?;
            assert!(count < 90, "too many");
            Ok(context.emit_at(
                &out(),
                &key,
                &count,
                (&millstream_model::Headers::default(), context.timestamp()),
            )?)
        })
        .persist(&table())
        .output(&out())
        .policies(Policies { callback: Policy::Skip, ..Policies::default() })
        .build()
        .unwrap()
}

fn tester(delivery: Delivery) -> Tester {
    let settings = Settings { delivery, workers: 1, ..Settings::default() };
    Tester::new(closing()).partitions(1).settings(settings)
}

fn send(tester: &mut Tester, records: &[(&str, &str, i64)]) {
    for (key, what, time) in records {
        tester.send_at(&input(), key, what, Timestamp(*time)).unwrap();
    }
    tester.run().unwrap();
}

fn taken(tester: &mut Tester) -> Vec<(String, i64)> {
    tester.take(&out(), |key, count| (key.to_owned(), count)).unwrap()
}

#[test]
fn one_for_now_is_called_once_for_the_records_that_came_together_and_within_their_commit() {
    for delivery in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
        let commit_interval = Some(Duration::ZERO);
        let settings = Settings { delivery, commit_interval, workers: 1, ..Settings::default() };
        let mut tester = Tester::new(closing()).partitions(1).settings(settings);
        send(&mut tester, &[("a", "now", 1), ("b", "now", 2), ("a", "now", 3)]);
        assert_eq!(taken(&mut tester), [("a".to_owned(), 2), ("b".to_owned(), 1)]);
        let kept = tester.sim().read("g-table").into_iter().filter(|record| record.value.is_some());
        let timers = kept.filter(|record| record.key.as_ref().unwrap().starts_with(b"\0millstream/timer/"));
        assert_eq!(timers.count(), 0, "what was set and called is not kept between");
    }
}

#[test]
fn event_time_calls_between_the_records_that_move_it() {
    let mut tester = tester(Delivery::AtLeastOnce);
    send(&mut tester, &[("a", "event", 100), ("b", "", 105), ("a", "", 109)]);
    assert_eq!(taken(&mut tester), []);
    // The record that moves time is counted first, and the one after it no more.
    send(&mut tester, &[("a", "", 110), ("a", "", 111)]);
    assert_eq!(taken(&mut tester), [("a".to_owned(), 3)]);
    assert_eq!(tester.sim().read("out")[0].timestamp, Timestamp(110));
    assert_eq!(tester.value(&table(), b"a", |count| count).unwrap(), Some(1));
    tester.advance(Duration::from_secs(1)).unwrap();
    assert_eq!(tester.status().unwrap().snapshot().timers, 0);
}

#[test]
fn a_time_that_is_set_again_moves_and_one_that_is_taken_back_is_gone() {
    let mut tester = tester(Delivery::AtLeastOnce);
    send(&mut tester, &[("a", "event", 100), ("b", "event", 100), ("a", "event", 105), ("b", "off", 106)]);
    send(&mut tester, &[("c", "regret", 107)]);
    send(&mut tester, &[("c", "", 112)]);
    assert_eq!(taken(&mut tester), []);
    send(&mut tester, &[("c", "", 115)]);
    assert_eq!(taken(&mut tester), [("a".to_owned(), 2)]);
}

#[test]
fn timers_outlive_crashes_and_lost_disks_with_both_deliveries() {
    for delivery in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
        let mut tester = tester(delivery);
        send(&mut tester, &[("a", "event", 100), ("b", "wall", 100), ("c", "", 104)]);
        tester.kill();
        tester.advance(Duration::from_secs(20)).unwrap();
        assert_eq!(taken(&mut tester), [("b".to_owned(), 1)], "it is late by now, and calls at once");
        tester.stop().unwrap();
        send(&mut tester, &[("c", "", 103)]);
        assert_eq!(taken(&mut tester), []);
        send(&mut tester, &[("c", "event", 90)]);
        assert_eq!(taken(&mut tester), [("c".to_owned(), 3)], "the time it went by before is known");
        send(&mut tester, &[("d", "", 120)]);
        assert_eq!(taken(&mut tester), [("a".to_owned(), 1)]);
        tester.kill();
        tester.advance(Duration::from_secs(20)).unwrap();
        assert_eq!(taken(&mut tester), [], "{delivery:?}: what has called calls no more");
    }
}

#[test]
fn the_clock_calls_when_its_time_has_come() {
    let mut tester = tester(Delivery::ExactlyOnce);
    send(&mut tester, &[("a", "wall", 5)]);
    tester.advance(Duration::from_secs(9)).unwrap();
    assert_eq!(taken(&mut tester), []);
    tester.advance(Duration::from_secs(2)).unwrap();
    assert_eq!(taken(&mut tester), [("a".to_owned(), 1)]);
}

#[test]
fn entries_of_timers_are_no_keys_of_the_table() {
    let mut tester = tester(Delivery::AtLeastOnce);
    send(&mut tester, &[("a", "event", 100)]);
    let view = View::open(
        tester.sim(),
        "view",
        &millstream_model::TopicName::new("g-table").unwrap(),
        Utf8,
        DecimalText,
    );
    assert!(view.is_ok());
    assert!(tester.sim().read("g-table").len() >= 2);
}

#[test]
fn a_timer_that_fails_goes_by_the_groups_policy() {
    let (wake, retry) = (
        Timer::new("wake", Utf8),
        Retry { limit: Some(2), then: AfterRetries::DeadLetter, ..Retry::default() },
    );
    let set = wake.clone();
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = calls.clone();
    let graph = GroupGraph::define("g")
        .input("in", Utf8, Utf8, move |context, _: &str, _: &str| {
            Ok(context.schedule(&set, When::WallClock(context.now()))?)
        })
        .timer(&wake, move |_, _: &str| {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Err("it sleeps".into())
        })
        .persist(&table())
        .policies(Policies { callback: Policy::Retry(retry), ..Policies::default() })
        .build()
        .unwrap();
    let mut tester = Tester::new(graph).partitions(1);
    tester.send(&input(), &"a", &"").unwrap();
    for _ in 0..10 {
        tester.advance(Duration::from_secs(1)).unwrap();
    }
    assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), 3);
    let letters = tester.take_records("g-dead-letters");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].headers.last(millstream_runtime::dead_letter_header::STAGE), Some(&b"timer"[..]));
    assert!(tester.sim().now().0 > 0);
}

#[test]
fn timers_need_a_table_and_a_declaration() {
    let (known, unknown) = (Timer::new("known", Utf8), Timer::new("unknown", Utf8));
    let group = || GroupGraph::define("g").input("in", Utf8, Utf8, |_, _: &str, _: &str| Ok(()));
    let built = group().timer(&known, |_, _: &str| Ok(())).build();
    assert!(built.err().unwrap().to_string().contains("timer 'known' and no table"));
    let twice = group().persist(&table()).timer(&known, |_, _| Ok(())).timer(&known, |_, _| Ok(())).build();
    assert!(twice.err().unwrap().to_string().contains("two timers called 'known'"));
    let graph = GroupGraph::define("g")
        .input("in", Utf8, Utf8, move |context, _: &str, _: &str| Ok(context.cancel(&unknown)?))
        .persist(&table())
        .timer(&known, |_, _| Ok(()))
        .build()
        .unwrap();
    let mut tester = Tester::new(graph);
    tester.send(&input(), &"a", &"").unwrap();
    let said = tester.run().unwrap_err().to_string();
    assert!(said.contains("group 'g' has no timer 'unknown'"), "{said}");
}
