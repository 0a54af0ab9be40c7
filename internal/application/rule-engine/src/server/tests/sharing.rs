use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use millstream_ports::{FoundColumns, RowCodec, RowFormat, RowSpec, Side};

use super::*;

/// A server that does not wait before it has queries share a group.
fn sharing(world: &Sim) -> Server<Sim> {
    sharing_with(world, formats())
}

fn sharing_with(world: &Sim, formats: Formats) -> Server<Sim> {
    let rules =
        Settings { workers: 1, commit_interval: Some(Duration::from_millis(10)), ..Settings::default() };
    let (topics_interval, share_interval) = (Duration::from_millis(50), Some(Duration::from_millis(100)));
    let settings = ServerSettings { rules, topics_interval, share_interval, ..ServerSettings::default() };
    Server::start(world.clone(), formats, settings).unwrap()
}

fn filter(server: &Server<Sim>, name: &str, condition: &str) -> String {
    let text = format!("CREATE STREAM {name} AS SELECT id, kind, amount FROM events WHERE {condition}");
    done(server, &text).query.unwrap()
}

fn filter_with(server: &Server<Sim>, name: &str, condition: &str, guarantee: &str) -> String {
    let mut session = Session::new();
    server.run(&mut session, &format!("SET 'processing.guarantee'='{guarantee}'")).unwrap();
    let text = format!("CREATE STREAM {name} AS SELECT id, kind, amount FROM events WHERE {condition}");
    match server.run(&mut session, &text) {
        Ok(Answer::Done(told)) => told.query.unwrap(),
        Ok(_) => panic!("{text} was answered with something else"),
        Err(fault) => panic!("{text}: {fault}"),
    }
}

fn put(server: &Server<Sim>, amounts: std::ops::Range<i32>) {
    for amount in amounts {
        let row = format!("('k{}', 'x', {amount})", amount % 7);
        done(server, &format!("INSERT INTO events (id, kind, amount) VALUES {row}"));
    }
}

/// The amounts in a stream, in order.
fn amounts(server: &Server<Sim>, stream: &str) -> Vec<i32> {
    let mut found: Vec<_> = rows(server, &format!("SELECT amount FROM {stream}"))
        .iter()
        .map(|row| match row.first() {
            Some(Value::Int(amount)) => *amount,
            other => panic!("{other:?}"),
        })
        .collect();
    found.sort_unstable();
    found
}

/// Waits until a stream has these amounts; a moment later it has no more.
fn comes_to(server: &Server<Sim>, stream: &str, expected: impl Iterator<Item = i32>) {
    let expected: Vec<_> = expected.collect();
    let begun = Instant::now();
    while amounts(server, stream).len() < expected.len() && begun.elapsed() < LONG {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(amounts(server, stream), expected, "{stream}: {:?}", server.rules());
}

/// The queries by the group that they run in.
fn groups(server: &Server<Sim>) -> Vec<(String, Vec<String>)> {
    let mut all = BTreeMap::<String, Vec<String>>::new();
    for rule in server.rules() {
        all.entry(rule.group).or_default().push(rule.rule);
    }
    all.into_iter().collect()
}

/// Waits until these queries run in one group, and others are not in it.
fn share(server: &Server<Sim>, queries: &[&String]) {
    let mut wanted: Vec<String> = queries.iter().map(|query| (*query).clone()).collect();
    wanted.sort();
    let is_so = || {
        let groups = groups(server);
        groups.iter().any(|(group, queries)| group.contains("-on-") && *queries == wanted)
    };
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "{wanted:?} do not share a group: {:?}", server.rules());
        thread::sleep(Duration::from_millis(5));
    }
}

fn all_run(server: &Server<Sim>) -> bool {
    queries(server).iter().all(|query| query.state == QueryState::Running)
}

#[test]
fn queries_over_one_topic_come_to_share_a_group_and_each_has_every_record_once() {
    let world = Sim::live();
    let server = sharing(&world);
    done(&server, EVENTS);
    put(&server, 0..30);
    let small = filter(&server, "small", "amount < 50");
    let even = filter(&server, "even", "amount % 2 = 0");
    share(&server, &[&even, &small]);
    put(&server, 30..60);
    let all = filter(&server, "all_of_them", "amount >= 0");
    share(&server, &[&all, &even, &small]);
    put(&server, 60..90);
    comes_to(&server, "small", 0..50);
    comes_to(&server, "even", (0..90).step_by(2));
    comes_to(&server, "all_of_them", 0..90);
    let rows: Vec<_> = server.rules().into_iter().map(|rule| (rule.rule, rule.rows)).collect();
    assert!(
        rows.iter().any(|(rule, rows)| *rule == all && *rows == 30),
        "since it came to the group: {rows:?}"
    );
}

#[test]
fn a_query_leaves_its_group_and_comes_back_with_nothing_lost_or_twice() {
    let world = Sim::live();
    let server = sharing(&world);
    done(&server, EVENTS);
    let [a, b, c] = ["a", "b", "c"].map(|name| filter(&server, name, "amount >= 0"));
    share(&server, &[&a, &b, &c]);
    put(&server, 0..20);
    comes_to(&server, "b", 0..20);
    done(&server, &format!("PAUSE {a}"));
    share(&server, &[&b, &c]);
    put(&server, 20..40);
    comes_to(&server, "b", 0..40);
    comes_to(&server, "a", 0..20);
    done(&server, &format!("RESUME {a}"));
    share(&server, &[&a, &b, &c]);
    done(&server, &format!("TERMINATE {c}"));
    share(&server, &[&a, &b]);
    put(&server, 40..60);
    done(&server, "CREATE OR REPLACE STREAM b AS SELECT id, kind, amount FROM events WHERE amount > -1");
    put(&server, 60..80);
    comes_to(&server, "a", 0..80);
    comes_to(&server, "b", 0..80);
    comes_to(&server, "c", 0..40);
    share(&server, &[&a, &b]);
    done(&server, "DROP STREAM b");
    put(&server, 80..90);
    comes_to(&server, "a", 0..90);
    drop(server);
    let again = sharing(&world);
    put(&again, 90..100);
    comes_to(&again, "a", 0..100);
    assert!(again.broken().is_empty());
}

#[test]
fn queries_that_read_otherwise_or_keep_something_stay_by_themselves() {
    let server = sharing(&Sim::live());
    done(&server, EVENTS);
    done(&server, SUMS);
    filter(&server, "one", "amount > 1");
    filter_with(&server, "once", "amount > 1", "exactly_once_v2");
    until(|| all_run(&server));
    thread::sleep(Duration::from_millis(500));
    assert_eq!(groups(&server).len(), 3);
}

#[test]
fn queries_that_share_a_group_begin_anew_with_a_topic_that_is_made_anew() {
    let world = Sim::live();
    let server = sharing(&world);
    done(&server, EVENTS);
    let [a, b] = ["a", "b"].map(|name| filter(&server, name, "amount >= 0"));
    put(&server, 0..50);
    share(&server, &[&a, &b]);
    put(&server, 50..60);
    comes_to(&server, "a", 0..60);
    let events = TopicName::new("events").unwrap();
    world.delete_topic(&events).unwrap();
    until(
        || matches!(&queries(&server)[0].state, QueryState::Stalled(why) if why.contains("does not exist")),
    );
    world.create("events", 3);
    until(|| all_run(&server));
    put(&server, 60..70);
    comes_to(&server, "a", 0..70);
    comes_to(&server, "b", 0..70);
}

/// Rows as DELIMITED has them, written while it is said that they can be.
struct Refusable(Arc<AtomicBool>);

impl RowFormat for Refusable {
    fn columns(&self, _: &str, _: Side, _: Option<u32>) -> Result<FoundColumns, PortError> {
        Err(PortError::stop("there is none"))
    }

    fn reader(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        DelimitedRows.reader(spec)
    }

    fn writer(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        if self.0.load(Ordering::SeqCst) {
            DelimitedRows.writer(spec)
        } else {
            Err(PortError::stop("the schema is refused"))
        }
    }
}

#[test]
fn one_that_keeps_its_group_from_going_on_leaves_it_and_misses_nothing() {
    let (world, can_write) = (Sim::live(), Arc::new(AtomicBool::new(true)));
    let start = || {
        let formats = formats().with("AVRO", Arc::new(Refusable(can_write.clone())));
        sharing_with(&world, formats)
    };
    let server = start();
    done(&server, EVENTS);
    let [a, b] = ["a", "b"].map(|name| filter(&server, name, "amount >= 0"));
    let text = "CREATE STREAM c WITH (VALUE_FORMAT='AVRO') AS SELECT id, kind, amount FROM events";
    let c = done(&server, text).query.unwrap();
    share(&server, &[&a, &b, &c]);
    put(&server, 0..10);
    comes_to(&server, "a", 0..10);
    drop(server);
    can_write.store(false, Ordering::SeqCst);
    let server = start();
    share(&server, &[&a, &b]);
    put(&server, 10..20);
    comes_to(&server, "a", 0..20);
    comes_to(&server, "b", 0..20);
    let state = || queries(&server).into_iter().find(|query| query.id == c).unwrap().state;
    until(|| matches!(state(), QueryState::Failed(why) if why.contains("the schema is refused")));
    can_write.store(true, Ordering::SeqCst);
    comes_to(&server, "c", 0..20);
}

/// A small generator of numbers; the same ones for the same seed.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

/// Whatever is done to queries on two servers, of which each is killed or ended and started anew from time to time, each query has
/// every record: once where it is exact, and at least once where it is not.
#[test]
fn each_query_has_every_record_once_whatever_becomes_of_it() {
    let seeds = std::env::var("MILLSTREAM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3);
    for seed in 0..seeds {
        let (world, mut dice) = (Sim::live(), Dice(seed));
        let guarantee = if seed % 2 == 0 { "exactly_once_v2" } else { "at_least_once" };
        let mut processes = [world.process(), world.process()];
        let mut servers = [sharing(&processes[0]), sharing(&processes[1])];
        done(&servers[0], EVENTS);
        let (mut names, mut next) = (BTreeMap::<String, String>::new(), 0);
        for step in 0..30 {
            let server = &servers[dice.throw(2)];
            let name =
                (!names.is_empty()).then(|| names.keys().nth(dice.throw(names.len())).unwrap().clone());
            match (dice.throw(8), name) {
                (0 | 1, _) | (_, None) => {
                    let name = format!("q{step}");
                    let id = filter_with(server, &name, "amount >= 0", guarantee);
                    names.insert(name, id);
                }
                (2, Some(name)) => drop(done(server, &format!("PAUSE {}", names[&name]))),
                (3, Some(name)) => drop(done(server, &format!("RESUME {}", names[&name]))),
                (4, Some(name)) => {
                    let mut session = Session::new();
                    let set = format!("SET 'processing.guarantee'='{guarantee}'");
                    server.run(&mut session, &set).unwrap();
                    let text = "AS SELECT id, kind, amount FROM events WHERE amount >= 0 AND amount > -1";
                    server.run(&mut session, &format!("CREATE OR REPLACE STREAM {name} {text}")).unwrap();
                }
                (5, Some(name)) if names.len() > 2 => {
                    done(server, &format!("TERMINATE {}", names[&name]));
                    names.remove(&name);
                }
                (6, _) => {
                    let place = dice.throw(2);
                    if dice.throw(2) == 0 {
                        processes[place].crash();
                    }
                    processes[place] = world.process();
                    servers[place] = sharing(&processes[place]);
                }
                _ => thread::sleep(Duration::from_millis(u64::try_from(dice.throw(400)).unwrap())),
            }
            put(&servers[0], next..next + 5);
            next += 5;
        }
        done(&servers[0], "RESUME ALL");
        for name in names.keys() {
            if seed % 2 == 0 {
                comes_to(&servers[0], name, 0..next);
                continue;
            }
            let has_all = || {
                let found = amounts(&servers[0], name);
                (0..next).all(|amount| found.binary_search(&amount).is_ok())
            };
            until(has_all);
        }
        share(&servers[1], &names.values().collect::<Vec<_>>());
        assert!(servers.iter().all(|server| server.broken().is_empty()), "seed {seed}");
    }
}
