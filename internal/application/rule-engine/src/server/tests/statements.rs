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

/// A query that counts goes on counting behind a change that leaves its counts as they are, here and in the next start.
#[test]
fn a_query_that_keeps_something_is_replaced_where_that_still_fits() {
    let world = Sim::live();
    let one = server(&world);
    done(&one, EVENTS);
    let first = done(&one, SUMS).query;
    done(&one, "INSERT INTO events (id, kind, amount) VALUES ('a', 'in', 9)");
    until(|| rows(&one, "SELECT total FROM sums") == [[Value::Int(9)]]);
    done(&one, &format!("PAUSE {}", first.as_deref().unwrap()));
    let again = "CREATE OR REPLACE TABLE sums AS SELECT kind, SUM(amount) AS total, SUM(amount) * 2 AS twice
        FROM events WHERE amount > 5 GROUP BY kind";
    let told = done(&one, again);
    assert_eq!(told.query, first);
    assert!(told.message.contains("its state is kept") && told.message.contains("TWICE"), "{}", told.message);
    for amount in [3, 30] {
        done(&one, &format!("INSERT INTO events (id, kind, amount) VALUES ('a', 'in', {amount})"));
    }
    let so_far = || vec![vec![Value::Int(39), Value::Int(78)]];
    until(|| rows(&one, "SELECT total, twice FROM sums") == so_far());
    drop(one);
    let one = server(&world.process());
    assert_eq!(queries(&one).len(), 1);
    assert!(one.broken().is_empty(), "{:?}", one.broken());
    done(&one, "INSERT INTO events (id, kind, amount) VALUES ('a', 'in', 100)");
    until(|| rows(&one, "SELECT total FROM sums") == [[Value::Int(139)]]);
    let same = done(&one, again);
    assert!(same.message.contains("unchanged"), "{}", same.message);
}

#[test]
fn a_query_is_not_replaced_by_one_that_what_it_keeps_does_not_fit() {
    let world = Sim::live();
    let one = server(&world);
    done(&one, EVENTS);
    done(&one, SUMS);
    let id = queries(&one)[0].id.clone();
    done(&one, "INSERT INTO events (id, kind, amount) VALUES ('a', 'in', 9)");
    until(|| rows(&one, "SELECT total FROM sums").len() == 1);
    for (text, part) in [
        ("SELECT kind, MAX(amount) AS total FROM events GROUP BY kind", "would keep"),
        ("SELECT kind, SUM(amount) AS total, COUNT(*) AS n FROM events GROUP BY kind", "would keep"),
    ] {
        let said = refused(&one, &format!("CREATE OR REPLACE TABLE sums AS {text}"));
        assert!(
            said.contains(part) && said.contains("DROP TABLE SUMS") && said.contains(&id),
            "{text}: {said}"
        );
    }
    for text in [
        "SELECT id, SUM(amount) AS total FROM events GROUP BY id",
        "SELECT kind, SUM(amount) AS sum FROM events GROUP BY kind",
    ] {
        let said = refused(&one, &format!("CREATE OR REPLACE TABLE sums AS {text}"));
        assert!(said.contains("drop it first"), "{text}: {said}");
    }
    done(&one, "INSERT INTO events (id, kind, amount) VALUES ('a', 'in', 1)");
    until(|| rows(&one, "SELECT total FROM sums") == [[Value::Int(10)]]);
    done(&one, "DROP TABLE sums");
    done(&one, "CREATE TABLE sums AS SELECT kind, COUNT(*) AS n FROM events GROUP BY kind");
}

/// Rows of before are not read, those of after are, and a next start goes on where the query was.
#[test]
fn a_new_query_begins_at_the_end_where_that_is_asked() {
    let world = Sim::live();
    let one = server(&world);
    done(&one, EVENTS);
    for kind in ["in", "out"] {
        done(&one, &format!("INSERT INTO events (id, kind, amount) VALUES ('a', '{kind}', 9)"));
    }
    let mut session = Session::new();
    one.run(&mut session, "SET 'auto.offset.reset'='latest'").unwrap();
    one.run(&mut session, SUMS).unwrap();
    done(&one, "CREATE TABLE whole AS SELECT kind, SUM(amount) AS total FROM events GROUP BY kind");
    done(&one, "INSERT INTO events (id, kind, amount) VALUES ('a', 'in', 1)");
    until(|| rows(&one, "SELECT kind, total FROM sums") == [[Value::from("in"), Value::Int(1)]]);
    until(|| rows(&one, "SELECT total FROM whole") == [[Value::Int(10)], [Value::Int(9)]]);
    drop(one);
    let two = server(&world.process());
    done(&two, "INSERT INTO events (id, kind, amount) VALUES ('a', 'in', 2)");
    until(|| rows(&two, "SELECT kind, total FROM sums") == [[Value::from("in"), Value::Int(3)]]);
}

#[test]
fn settings_of_kafka_streams_are_taken_whether_they_say_anything_here_or_not() {
    let world = Sim::live();
    let one = server(&world);
    done(&one, EVENTS);
    let mut session = Session::new();
    for setting in ["'ksql.streams.num.stream.threads'='2'", "'ksql.streams.cache.max.bytes.buffering'='0'"] {
        one.run(&mut session, &format!("SET {setting}")).unwrap();
    }
    one.run(&mut session, SUMS).unwrap();
    let said = refused(&one, "SET 'num.stream.threads'='2'");
    assert!(said.contains("'num.stream.threads' can't be set"), "{said}");
    assert!(said.contains("'cache.max.bytes.buffering'"), "{said}");
    drop(one);
    assert_eq!(queries(&server(&world.process())).len(), 1, "it counts at the next start too");
}

/// What is joined is what a table holds, whenever that was written.
#[test]
fn tables_are_read_whole_by_a_query_that_begins_at_the_end() {
    let world = Sim::live();
    let one = server(&world);
    done(&one, EVENTS);
    done(
        &one,
        "CREATE TABLE names (id STRING PRIMARY KEY, name STRING)
            WITH (KAFKA_TOPIC='names', PARTITIONS=3, KEY_FORMAT='KAFKA', VALUE_FORMAT='DELIMITED')",
    );
    done(&one, "INSERT INTO names (id, name) VALUES ('a', 'Ann')");
    let asked = "CREATE STREAM named AS SELECT e.id, n.name FROM events e JOIN names n ON e.id = n.id";
    let mut known = one.inner.book().catalog.clone();
    let rule = millstream_sql::plan(asked, &mut known, &formats()).0.rules.remove(0);
    let engine = Engine::new(world.clone(), formats(), Settings::default());
    engine.place_at_ends(&rule).unwrap();
    let placed = |topic| {
        let group = crate::lower::group_of(&rule.name);
        world.positions(&group, &TopicName::new(topic).unwrap()).unwrap().len()
    };
    assert_eq!((placed("events"), placed("names")), (3, 0));
}

#[test]
fn functions_of_the_program_can_be_called_and_are_listed() {
    let world = Sim::live();
    let mut engine = Engine::new(world.clone(), formats(), Settings::default());
    engine
        .register("twice", "Two of it.", "value INT -> INT", |values| match values {
            [Value::Int(value)] => Ok(Value::Int(value * 2)),
            _ => Ok(Value::Null),
        })
        .unwrap();
    let functions = engine.catalog().functions().clone();
    let settings = ServerSettings { functions, ..ServerSettings::default() };
    let one = Server::start(world.clone(), formats(), settings).unwrap();
    let listed = ("TWICE".to_owned(), "SCALAR");
    assert!(matches!(run(&one, "SHOW FUNCTIONS"), Ok(Answer::Functions(all)) if all.contains(&listed)));
    let told = run(&one, "DESCRIBE FUNCTION twice");
    assert!(matches!(told, Ok(Answer::Function(told)) if told.about == "Two of it." && told.ways.len() == 1));
    done(&one, EVENTS);
    done(&one, "CREATE STREAM doubled AS SELECT id, TWICE(amount) AS amount FROM events");
    done(&one, "INSERT INTO events (id, kind, amount) VALUES ('a', 'in', 4)");
    until(|| rows(&one, "SELECT amount FROM doubled") == [[Value::Int(8)]]);
}

#[test]
fn variables_are_left_where_that_is_set() {
    let one = server(&Sim::live());
    let mut session = Session::new();
    let mut said = |text: &str| match one.run(&mut session, text) {
        Ok(_) => String::new(),
        Err(fault) => fault.to_string(),
    };
    assert!(said("DESCRIBE `${a}`").contains("variable a is not defined"));
    assert!(said("DESCRIBE `$${a}`").contains("no stream or table ${a}"));
    said("SET 'ksql.variable.substitution.enable'='false'");
    assert!(said("DESCRIBE `${a}`").contains("no stream or table ${a}"));
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

#[test]
fn a_query_whose_input_was_deleted_says_so_and_begins_anew_with_the_next_one() {
    let world = Sim::live();
    let one = server(&world);
    done(&one, EVENTS);
    done(&one, SUMS);
    done(&one, "INSERT INTO events (id, kind, amount) VALUES ('a', 'x', 1)");
    until(|| queries(&one)[0].state == QueryState::Running && rows(&one, "SELECT * FROM sums").len() == 1);
    world.delete_topic(&TopicName::new("events").unwrap()).unwrap();
    until(|| matches!(&queries(&one)[0].state, QueryState::Stalled(why) if why.contains("'events'")));
    world.create("events", 3);
    until(|| queries(&one)[0].state == QueryState::Running);
}

/// What was asked of a registry to be forgotten.
#[derive(Default)]
struct Forgetful(std::sync::Mutex<Vec<String>>);

impl millstream_ports::RowFormat for Forgetful {
    fn columns(&self, _: &str, _: Side, _: Option<u32>) -> Result<FoundColumns, PortError> {
        Err(PortError::stop("there is none"))
    }

    fn reader(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        DelimitedRows.reader(spec)
    }

    fn writer(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        DelimitedRows.writer(spec)
    }

    fn forget(&self, topic: &str, side: Side) -> Result<(), PortError> {
        self.0.lock().unwrap().push(format!("{topic} {side:?}"));
        Ok(())
    }
}

#[test]
fn a_topic_goes_with_its_schemas() {
    let registry = Arc::new(Forgetful::default());
    let formats = formats().with("AVRO", registry.clone());
    let one = Server::start(Sim::live(), formats, ServerSettings::default()).unwrap();
    let create =
        "CREATE STREAM a (id STRING KEY, x INT) WITH (KAFKA_TOPIC='a', PARTITIONS=1, VALUE_FORMAT='AVRO')";
    done(&one, create);
    done(&one, "DROP STREAM a");
    assert!(registry.0.lock().unwrap().is_empty(), "the topic is still there, and so are its records");
    done(&one, create);
    done(&one, "INSERT INTO a (id, x) VALUES ('k', 1)");
    done(&one, "DROP STREAM a DELETE TOPIC");
    assert_eq!(*registry.0.lock().unwrap(), ["a Value"]);
    assert!(refused(&one, "PRINT a").contains("does not exist"));
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
