use millstream_model::{Column, Type};
use millstream_ports::{FoundColumns, RowCodec, RowSpec, Side};

use super::*;

#[test]
fn what_is_created_runs_and_is_found_again_by_the_next_start() {
    let world = Sim::live();
    let first = server(&world);
    assert_eq!(done(&first, EVENTS).message, "Stream created");
    let told = done(&first, SUMS);
    let id = told.query.unwrap();
    assert!(id.starts_with("CTAS_SUMS_"), "{id}");
    done(&first, "INSERT INTO events (id, kind, amount) VALUES ('a', 'in', 3)");
    done(&first, "INSERT INTO events (id, kind, amount) VALUES ('b', 'in', 4)");
    done(&first, "INSERT INTO events (id, kind, amount) VALUES ('a', 'out', 1)");
    let all = || vec![vec![Value::from("in"), Value::Int(7)], vec![Value::from("out"), Value::Int(1)]];
    until(|| rows(&first, "SELECT * FROM sums") == all());
    drop(first);
    let second = server(&world.process());
    assert_eq!(queries(&second).iter().map(|query| query.id.clone()).collect::<Vec<_>>(), [id]);
    done(&second, "INSERT INTO events (id, kind, amount) VALUES ('c', 'in', 10)");
    until(|| rows(&second, "SELECT total FROM sums WHERE kind = 'in'") == [[Value::Int(17)]]);
    until(|| queries(&second)[0].state == QueryState::Running);
}

#[test]
fn a_wrong_statement_is_refused_and_not_written() {
    let world = Sim::live();
    let server = server(&world);
    done(&server, EVENTS);
    let before = world.end("_rules-default-statements", millstream_model::Partition::new(0));
    for (text, why) in [
        ("CREATE STREAM events (a INT) WITH (KAFKA_TOPIC='events', VALUE_FORMAT='DELIMITED')", "exists"),
        ("CREATE STREAM x AS SELECT nothing FROM events", "no column NOTHING"),
        ("CREATE STREAM x (a INT) WITH (KAFKA_TOPIC='none', VALUE_FORMAT='DELIMITED')", "does not exist"),
        ("DROP STREAM nobody", "there is no stream NOBODY"),
        ("TERMINATE q", "there is no query Q"),
        ("SELCT 1", "expected"),
        ("INSERT INTO events (id, amount) VALUES ('a', 'b')", "AMOUNT is INT"),
        ("SET 'a' = 'b'", "can't be set"),
        ("SHOW FRIENDS", "expected STREAMS"),
        ("EXPLAIN q", "there is no query Q"),
        ("DESCRIBE q", "there are EVENTS"),
        ("SELECT * FROM ${x}", "variable x is not defined"),
    ] {
        assert!(refused(&server, text).contains(why), "{text}: {}", refused(&server, text));
    }
    assert_eq!(world.end("_rules-default-statements", millstream_model::Partition::new(0)), before);
}

#[test]
fn what_is_used_is_not_dropped_and_what_is_dropped_is_gone() {
    let world = Sim::live();
    let one = server(&world);
    done(&one, EVENTS);
    done(&one, SUMS);
    assert!(refused(&one, "DROP STREAM events").contains("CTAS_SUMS_"));
    done(&one, "DROP TABLE sums DELETE TOPIC");
    assert!(world.read("SUMS").is_empty() && queries(&one).is_empty());
    done(&one, "DROP STREAM events");
    done(&one, "DROP STREAM IF EXISTS events");
    done(&one, EVENTS);
    drop(one);
    let again = server(&world.process());
    assert!(refused(&again, EVENTS).contains("exists"), "the second creation counts");
    assert!(again.broken().is_empty());
}

#[test]
fn queries_rest_go_on_and_end() {
    let world = Sim::live();
    let one = server(&world);
    done(&one, EVENTS);
    let id = done(&one, "CREATE STREAM big AS SELECT id, amount FROM events WHERE amount > 5").query.unwrap();
    until(|| queries(&one)[0].state == QueryState::Running);
    done(&one, &format!("PAUSE {id}"));
    assert_eq!(queries(&one)[0].state, QueryState::Paused);
    done(&one, "INSERT INTO events (id, kind, amount) VALUES ('a', 'in', 9)");
    drop(one);
    let one = server(&world.process());
    assert_eq!(queries(&one)[0].state, QueryState::Paused, "a rest outlasts the server");
    assert!(rows(&one, "SELECT * FROM big").is_empty());
    done(&one, "RESUME ALL");
    until(|| rows(&one, "SELECT amount FROM big") == [[Value::Int(9)]]);
    done(&one, &format!("TERMINATE {id}"));
    assert!(queries(&one).is_empty());
    done(&one, "DROP STREAM big");
    drop(one);
    assert!(queries(&server(&world.process())).is_empty());
}

#[test]
fn servers_share_statements_and_none_counts_twice() {
    let world = Sim::live();
    let (one, other) = (server(&world), server(&world.process()));
    done(&one, EVENTS);
    let created: Vec<_> = thread::scope(|scope| {
        let ask = |server, n| {
            scope.spawn(move || {
                (0..5)
                    .map(|i| {
                        run(
                            server,
                            &format!("CREATE STREAM s{i} AS SELECT id, amount + {n} AS n FROM events"),
                        )
                        .is_ok()
                    })
                    .collect::<Vec<_>>()
            })
        };
        let both = [ask(&one, 1), ask(&other, 2)];
        both.into_iter().map(|each| each.join().unwrap()).collect()
    });
    for (first, second) in created[0].iter().zip(&created[1]) {
        assert!(first ^ second, "each was created by one of the two: {created:?}");
    }
    until(|| queries(&one).len() == 5 && queries(&other).len() == 5);
    let ids = |server: &Server<Sim>| {
        queries(server).into_iter().map(|query| (query.id, query.text)).collect::<Vec<_>>()
    };
    assert_eq!(ids(&one), ids(&other));
    let third = server(&world.process());
    assert_eq!(ids(&third), ids(&one), "and a later start has the same");
}

#[test]
fn a_running_query_is_replaced_and_goes_on_where_it_keeps_nothing() {
    let world = Sim::live();
    let one = server(&world);
    done(&one, EVENTS);
    let first = done(&one, "CREATE STREAM big AS SELECT id, amount FROM events WHERE amount > 5").query;
    done(&one, "INSERT INTO events (id, kind, amount) VALUES ('a', 'in', 9)");
    until(|| rows(&one, "SELECT amount FROM big").len() == 1);
    let again = "CREATE OR REPLACE STREAM big AS SELECT id, amount FROM events WHERE amount > 1";
    assert_eq!(done(&one, again).query, first);
    done(&one, "INSERT INTO events (id, kind, amount) VALUES ('a', 'out', 2)");
    until(|| rows(&one, "SELECT amount FROM big").len() == 2);
    assert_eq!(queries(&one).len(), 1);
}

#[test]
fn variables_and_settings_are_the_sessions_own() {
    let world = Sim::live();
    let server = server(&world);
    done(&server, EVENTS);
    let mut session = Session::new();
    server.run(&mut session, "DEFINE what = 'streams'").unwrap();
    assert!(
        matches!(server.run(&mut session, "SHOW ${what};"), Ok(Answer::Sources(_, found)) if found.len() == 1)
    );
    server.run(&mut session, "SET 'auto.offset.reset' = 'earliest'").unwrap();
    assert!(session.reads_from_first());
    server.run(&mut session, "UNSET 'auto.offset.reset'").unwrap();
    assert!(!session.reads_from_first());
}

#[test]
fn types_are_kept() {
    let world = Sim::live();
    let one = server(&world);
    done(&one, "CREATE TYPE pair AS STRUCT<a INT, b STRING>");
    drop(one);
    let one = server(&world.process());
    assert!(
        matches!(run(&one, "SHOW TYPES"), Ok(Answer::Types(types)) if types == [("PAIR".to_owned(), "STRUCT<A INT, B STRING>".to_owned())])
    );
    done(&one, "DROP TYPE pair");
    assert!(matches!(run(&one, "SHOW TYPES"), Ok(Answer::Types(types)) if types.is_empty()));
}

/// Rows as DELIMITED has them, with columns from a registry that can go away.
struct Registered(Arc<std::sync::atomic::AtomicBool>);

impl millstream_ports::RowFormat for Registered {
    fn columns(&self, _: &str, _: Side, _: Option<u32>) -> Result<FoundColumns, PortError> {
        if self.0.load(std::sync::atomic::Ordering::SeqCst) {
            return Ok(FoundColumns { columns: vec![Column::new("Amount", Type::Int)], is_bare: false });
        }
        Err(PortError::retry("the registry does not answer"))
    }

    fn reader(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        DelimitedRows.reader(spec)
    }

    fn writer(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        DelimitedRows.writer(spec)
    }
}

#[test]
fn columns_from_a_registry_are_kept_with_the_statement() {
    let world = Sim::live();
    world.create("amounts", 1);
    let is_up = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let start = |world: Sim| {
        let formats = formats().with("AVRO", Arc::new(Registered(is_up.clone())));
        Server::start(world, formats, ServerSettings::default()).unwrap()
    };
    let one = start(world.clone());
    done(&one, "CREATE STREAM amounts WITH (KAFKA_TOPIC='amounts', VALUE_FORMAT='AVRO')");
    done(&one, "CREATE STREAM big AS SELECT `Amount` + 1 AS more FROM amounts");
    drop(one);
    is_up.store(false, std::sync::atomic::Ordering::SeqCst);
    let one = start(world.process());
    assert!(one.broken().is_empty(), "{:?}", one.broken());
    assert_eq!(queries(&one).len(), 1);
    assert!(
        refused(&one, "CREATE STREAM more WITH (KAFKA_TOPIC='amounts', VALUE_FORMAT='AVRO')")
            .contains("does not answer")
    );
}
