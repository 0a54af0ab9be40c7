//! Records whose end is put off until another thread has an answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream_model::Partition;
use millstream_ports::{Delivery, Utf8};
use millstream_runtime::{
    AfterRetries, Completion, GroupGraph, Output, Policies, Policy, Processor, Retry, Settings, Table,
};
use millstream_sim::{Sim, Tester};

type Open = Arc<Mutex<Vec<(String, Completion<String>)>>>;

fn out() -> Output<Utf8, Utf8> {
    Output::new("out", Utf8, Utf8)
}

fn table() -> Table<Utf8> {
    Table::new(Utf8)
}

/// Appends to a list by key what somebody answers for each record.
fn asking(policies: Policies) -> (GroupGraph, Open) {
    let open = Open::default();
    let asked = open.clone();
    let graph = GroupGraph::define("g")
        .input("in", Utf8, Utf8, move |context, _: &str, text: &str| {
            let before = context.get(&table())?.unwrap_or_default().to_owned();
            if text == "at once" {
                return Ok(context.set(&table(), &format!("{before}!").as_str())?);
            }
            context.emit(&out(), &"asked", &text)?;
            let completion = context.defer(move |context, answer: String| {
                let list = format!("{before}{answer}");
                context.set(&table(), &list.as_str())?;
                Ok(context.emit(&out(), &"answered", &list.as_str())?)
            })?;
            asked.lock().unwrap().push((text.to_owned(), completion));
            Ok(())
        })
        .persist(&table())
        .output(&out())
        .policies(policies)
        .build()
        .unwrap();
    (graph, open)
}

fn tester(graph: GroupGraph, delivery: Delivery) -> Tester {
    let settings = Settings { delivery, workers: 1, ..Settings::default() };
    Tester::new(graph).partitions(1).settings(settings)
}

fn write(tester: &Tester, records: &[(&str, &str)]) {
    tester.sim().create("in", 1);
    for (key, value) in records {
        tester.sim().write("in", key.as_bytes(), Some(value.as_bytes()));
    }
}

fn asked(open: &Open) -> Vec<String> {
    open.lock().unwrap().iter().map(|(text, _)| text.clone()).collect()
}

fn answer(open: &Open, text: &str) {
    let mut open = open.lock().unwrap();
    let place = open.iter().position(|(asked, _)| asked == text).unwrap();
    let (text, completion) = open.remove(place);
    completion.complete(text);
}

fn told(tester: &mut Tester) -> Vec<String> {
    tester.take(&out(), |what, text| format!("{what} {text}")).unwrap()
}

fn committed(sim: &Sim) -> Option<i64> {
    sim.committed("g", "in", Partition::new(0)).map(|offset| offset.0)
}

#[test]
fn a_key_waits_for_its_answer_and_others_do_not() {
    let (graph, open) = asking(Policies::default());
    let mut tester = tester(graph, Delivery::AtLeastOnce);
    write(&tester, &[("k", "a"), ("k", "b"), ("l", "at once"), ("m", "c"), ("k", "d")]);
    tester.run().unwrap();
    assert_eq!(asked(&open), ["a", "c"], "b waits for a");
    assert_eq!(tester.bytes(b"l").unwrap(), Some(b"!".to_vec()));
    assert_eq!(told(&mut tester), Vec::<String>::new(), "what it emitted before its answer waits too");
    assert_eq!(committed(tester.sim()).unwrap_or(0), 0);
    let status = tester.status().unwrap();
    tester.advance(Duration::from_secs(1)).unwrap();
    assert_eq!((status.snapshot().deferred, status.snapshot().waiting), (2, 2));
    answer(&open, "c");
    tester.run().unwrap();
    assert_eq!(told(&mut tester), ["asked c", "answered c"]);
    assert_eq!(committed(tester.sim()).unwrap_or(0), 0, "not beyond the first that waits");
    answer(&open, "a");
    tester.run().unwrap();
    assert_eq!(committed(tester.sim()), Some(1));
    for (text, list) in [("b", "ab"), ("d", "abd")] {
        assert_eq!(asked(&open), [text]);
        answer(&open, text);
        tester.run().unwrap();
        assert_eq!(tester.bytes(b"k").unwrap(), Some(list.into()));
    }
    assert_eq!(committed(tester.sim()), Some(5));
    assert_eq!(tester.status().unwrap().ready(), Ok(()));
}

#[test]
fn exactly_once_commits_nothing_while_an_answer_is_awaited() {
    let (graph, open) = asking(Policies::default());
    let mut tester = tester(graph, Delivery::ExactlyOnce);
    write(&tester, &[("k", "a"), ("l", "at once"), ("m", "c"), ("k", "d"), ("l", "at once")]);
    tester.advance(Duration::from_secs(5)).unwrap();
    assert_eq!(asked(&open), ["a", "c"]);
    assert_eq!((committed(tester.sim()), tester.sim().read("g-table").len()), (None, 0));
    tester.kill();
    tester.advance(Duration::from_secs(5)).unwrap();
    assert_eq!(asked(&open), ["a", "c", "a", "c"], "they are asked for again");
    answer(&open, "a");
    answer(&open, "c");
    tester.run().unwrap();
    assert_eq!(told(&mut tester), Vec::<String>::new(), "who asked first is gone");
    answer(&open, "c");
    answer(&open, "a");
    tester.advance(Duration::from_secs(1)).unwrap();
    assert_eq!(told(&mut tester), ["asked c", "answered c", "asked a", "answered a"]);
    assert_eq!(asked(&open), ["d"]);
    answer(&open, "d");
    tester.advance(Duration::from_secs(1)).unwrap();
    assert_eq!(tester.bytes(b"k").unwrap(), Some(b"ad".to_vec()));
    assert_eq!(tester.bytes(b"l").unwrap(), Some(b"!!".to_vec()));
    assert_eq!(committed(tester.sim()), Some(5));
}

#[test]
fn an_answer_that_fails_undoes_all_of_its_record() {
    let wait = Duration::from_secs(9);
    let retry = Retry { limit: Some(1), first_wait: wait, wait_max: wait, then: AfterRetries::DeadLetter };
    let policies = Policies { callback: Policy::Retry(retry), ..Policies::default() };
    for delivery in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
        let (graph, open) = asking(policies.clone());
        let mut tester = tester(graph, delivery);
        write(&tester, &[("k", "a"), ("k", "b"), ("m", "at once")]);
        tester.run().unwrap();
        open.lock().unwrap().remove(0).1.fail("no such thing");
        tester.run().unwrap();
        assert_eq!(asked(&open), Vec::<String>::new(), "it is not time yet");
        tester.advance(wait).unwrap();
        assert_eq!(asked(&open), ["a"]);
        drop(open.lock().unwrap().remove(0));
        tester.advance(Duration::from_secs(1)).unwrap();
        let letters = tester.take_records("g-dead-letters");
        let reason = letters[0].headers.last(millstream_runtime::dead_letter_header::MESSAGE);
        assert_eq!(reason, Some(&b"its completion was dropped"[..]));
        answer(&open, "b");
        tester.advance(Duration::from_secs(1)).unwrap();
        assert_eq!(told(&mut tester), ["asked b", "answered b"]);
        assert_eq!(tester.bytes(b"k").unwrap(), Some(b"b".to_vec()));
        assert_eq!(committed(tester.sim()), Some(3));
    }
}

#[test]
fn a_record_may_wait_for_several_answers_and_for_one_after_another() {
    let open = Open::default();
    let asked = open.clone();
    let graph = GroupGraph::define("g")
        .input("in", Utf8, Utf8, move |context, _: &str, _: &str| {
            let later = asked.clone();
            let first = context.defer(move |context, answer: String| {
                context.set(&table(), &answer.as_str())?;
                let third = context.defer(|context, answer: String| {
                    let before = context.get(&table())?.unwrap_or_default().to_owned();
                    Ok(context.set(&table(), &format!("{before}{answer}").as_str())?)
                })?;
                later.lock().unwrap().push(("third".to_owned(), third));
                Ok(())
            })?;
            let second = context
                .defer(|context, answer: String| Ok(context.emit(&out(), &"", &answer.as_str())?))?;
            asked.lock().unwrap().extend([("first".to_owned(), first), ("second".to_owned(), second)]);
            Ok(())
        })
        .persist(&table())
        .output(&out())
        .build()
        .unwrap();
    let mut tester = tester(graph, Delivery::AtLeastOnce);
    write(&tester, &[("k", "a")]);
    tester.run().unwrap();
    for text in ["first", "second"] {
        answer(&open, text);
        tester.run().unwrap();
        assert_eq!(tester.bytes(b"k").unwrap(), None);
    }
    answer(&open, "third");
    tester.run().unwrap();
    assert_eq!(tester.bytes(b"k").unwrap(), Some(b"firstthird".to_vec()));
    assert_eq!(committed(tester.sim()), Some(1));
}

#[test]
fn only_so_many_are_deferred_at_a_time() {
    let (graph, open) = asking(Policies::default());
    let settings = Settings { workers: 1, deferred_max: 3, ..Settings::default() };
    let mut tester = Tester::new(graph).partitions(1).settings(settings);
    let keys: Vec<_> = (0..10).map(|key| key.to_string()).collect();
    write(&tester, &keys.iter().map(|key| (key.as_str(), key.as_str())).collect::<Vec<_>>());
    for round in 0..10 {
        tester.run().unwrap();
        assert_eq!(asked(&open).len(), 3.min(10 - round));
        let next = asked(&open)[0].clone();
        answer(&open, &next);
    }
    tester.run().unwrap();
    assert_eq!(committed(tester.sim()), Some(10));
}

#[test]
fn threads_answer_while_others_are_asked_and_a_stop_waits_for_them() {
    let sim = Sim::live();
    sim.create("in", 2);
    sim.create("out", 1);
    for number in 0..40 {
        sim.write("in", format!("k{}", number % 20).as_bytes(), Some(b"x"));
    }
    let graph = GroupGraph::define("g")
        .input("in", Utf8, Utf8, move |context, key: &str, _: &str| {
            let key = key.to_owned();
            let completion =
                context.defer(move |context, (): ()| Ok(context.emit(&out(), &key.as_str(), &"done")?))?;
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(30));
                completion.complete(());
            });
            Ok(())
        })
        .output(&out())
        .build()
        .unwrap();
    let settings = Settings { workers: 2, ..Settings::exactly_once() };
    let running = Processor::new(sim.clone(), graph).settings(settings).start().unwrap();
    while running.status().snapshot().records_in[0].1 < 1 {
        std::thread::yield_now();
    }
    running.stop().unwrap();
    let first = sim.read("out").len();
    assert!(first >= 1, "what was asked for is answered and committed before the end");
    let committed: i64 =
        (0..2).filter_map(|p| sim.committed("g", "in", Partition::new(p))).map(|o| o.0).sum();
    assert_eq!(usize::try_from(committed).unwrap(), first);
}
