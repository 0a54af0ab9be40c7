use std::sync::atomic::{AtomicBool, Ordering};

use millstream_model::{Partition, TopicName};
use millstream_ports::{
    CodecError, Delivery, FoundColumns, GroupLog, Outlet, Polled, RowCodec, RowFormat, RowSpec, SendRecord,
    Side, Tag,
};

use super::*;

const PAGES: &str = "CREATE TABLE pages (id INT PRIMARY KEY, name STRING, views INT)
    WITH (KAFKA_TOPIC='pages', PARTITIONS=4, KEY_FORMAT='KAFKA', VALUE_FORMAT='DELIMITED')";

fn with_pages(world: &Sim) -> Server<Sim> {
    let server = server(world);
    done(&server, PAGES);
    for (id, name, views) in [(1, "home", 10), (2, "cart", 5), (3, "help", 7), (2, "cart", 6), (12, "far", 1)]
    {
        done(&server, &format!("INSERT INTO pages (id, name, views) VALUES ({id}, '{name}', {views})"));
    }
    server
}

fn ints(found: &[Vec<Value>]) -> Vec<i32> {
    let int = |row: &Vec<Value>| match row.first() {
        Some(Value::Int(value)) => *value,
        other => panic!("{other:?}"),
    };
    found.iter().map(int).collect()
}

#[test]
fn a_table_is_asked_by_key_by_range_and_by_anything() {
    let server = with_pages(&Sim::live());
    for (condition, expected) in [
        ("WHERE id = 2", vec![2]),
        ("WHERE 2 = id AND views > 100", vec![]),
        ("WHERE id >= 2 AND id < 12", vec![2, 3]),
        ("WHERE id IN (1, 12, 99)", vec![1, 12]),
        ("WHERE views BETWEEN 6 AND 7", vec![2, 3]),
        ("WHERE name LIKE '%a%'", vec![2, 12]),
        ("WHERE id = 1 OR id = 3", vec![1, 3]),
        ("", vec![1, 2, 3, 12]),
        ("LIMIT 2", vec![1, 2]),
        ("WHERE id = 77", vec![]),
    ] {
        assert_eq!(
            ints(&rows(&server, &format!("SELECT id, views FROM pages {condition}"))),
            expected,
            "{condition}"
        );
    }
    assert_eq!(
        rows(&server, "SELECT * FROM pages WHERE id = 2"),
        [[Value::Int(2), Value::from("cart"), Value::Int(6)]]
    );
    assert_eq!(rows(&server, "SELECT views + 1 AS more FROM pages WHERE id = 3"), [[Value::Int(8)]]);
    let groups = rows(&server, "SELECT LEN(name) AS l, COUNT(*) AS n FROM pages GROUP BY LEN(name)");
    assert_eq!(groups, [[Value::Int(3), Value::Bigint(1)], [Value::Int(4), Value::Bigint(3)]]);
}

#[test]
fn a_table_that_ends_in_doubt_is_answered_for_once_that_is_decided() {
    let world = Sim::live();
    let server = with_pages(&world);
    world.create("drive", 1);
    let drive = TopicName::new("drive").unwrap();
    let mut writer =
        world.join_group("writer", 0, std::slice::from_ref(&drive), Delivery::ExactlyOnce).unwrap();
    until(|| {
        match writer.poll(Duration::from_millis(5), 1, |_| std::ops::ControlFlow::Continue(())).unwrap() {
            Polled::Assigned(partitions) => writer.accept(&partitions).is_ok(),
            _ => false,
        }
    });
    let pages = TopicName::new("pages").unwrap();
    let record = SendRecord {
        topic: &pages,
        partition: Some(Partition::new(0)),
        key: Some(&77_i32.to_be_bytes()),
        value: Some(b"new,1"),
        headers: &millstream_model::NoHeaders,
        timestamp: None,
        tag: Tag::NONE,
    };
    writer.send(&record).unwrap();
    writer.settle().unwrap();
    thread::scope(|scope| {
        let asked = scope.spawn(|| ints(&rows(&server, "SELECT id FROM pages")));
        // Long enough for the question to come to the doubt, which it must neither answer around nor be refused for.
        thread::sleep(Duration::from_millis(100));
        assert!(!asked.is_finished());
        writer.commit(&[]).unwrap();
        assert_eq!(asked.join().unwrap(), [1, 2, 3, 12, 77]);
    });
}

/// Rows as DELIMITED has them, read while what the format asks answers.
#[derive(Clone)]
struct Asking(Arc<AtomicBool>);

impl RowFormat for Asking {
    fn columns(&self, _: &str, _: Side, _: Option<u32>) -> Result<FoundColumns, PortError> {
        Err(PortError::stop("there is none"))
    }

    fn reader(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        Ok(Arc::new(AskingCodec(self.0.clone(), DelimitedRows.reader(spec)?)))
    }

    fn writer(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        DelimitedRows.writer(spec)
    }
}

struct AskingCodec(Arc<AtomicBool>, Arc<dyn RowCodec>);

impl RowCodec for AskingCodec {
    fn decode(&self, bytes: &[u8]) -> Result<Vec<Value>, CodecError> {
        if self.0.load(Ordering::SeqCst) {
            self.1.decode(bytes)
        } else {
            Err(CodecError::passing("no answer"))
        }
    }

    fn encode(&self, row: &[Value], out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.1.encode(row, out)
    }
}

#[test]
fn rows_that_can_not_be_read_now_are_not_left_out() {
    let answers = Arc::new(AtomicBool::new(true));
    let formats = formats().with("AVRO", Arc::new(Asking(answers.clone())));
    let server = Server::start(Sim::live(), formats, ServerSettings::default()).unwrap();
    for (kind, key) in [("STREAM", "KEY"), ("TABLE", "PRIMARY KEY")] {
        let with = format!("WITH (KAFKA_TOPIC='{kind}', PARTITIONS=1, VALUE_FORMAT='AVRO')");
        done(&server, &format!("CREATE {kind} a_{kind} (id INT {key}, n INT) {with}"));
        done(&server, &format!("INSERT INTO a_{kind} (id, n) VALUES (1, 1)"));
        let ask = format!("SELECT n FROM a_{kind}");
        assert_eq!(rows(&server, &ask).len(), 1);
        done(&server, &format!("INSERT INTO a_{kind} (id, n) VALUES (2, 2)"));
        answers.store(false, Ordering::SeqCst);
        assert!(refused(&server, &ask).contains("can't be read now"), "{ask}");
        assert!(refused(&server, &ask).contains("no answer"), "{ask}");
        answers.store(true, Ordering::SeqCst);
        assert_eq!(rows(&server, &ask).len(), 2, "{ask}");
    }
}

#[test]
fn a_table_whose_topic_was_made_anew_has_the_new_rows_alone() {
    let world = Sim::live();
    let server = with_pages(&world);
    assert!(rows(&server, "SELECT * FROM pages").len() > 1);
    world.delete_topic(&TopicName::new("pages").unwrap()).unwrap();
    world.create("pages", 4);
    assert!(refused(&server, "SELECT * FROM pages").contains("made anew"));
    assert_eq!(rows(&server, "SELECT * FROM pages"), Vec::<Vec<Value>>::new());
}

#[test]
fn deleted_rows_are_gone_at_once() {
    let server = with_pages(&Sim::live());
    assert_eq!(done(&server, "DELETE FROM pages WHERE views < 7").message, "Deleted 2 rows of PAGES");
    assert_eq!(ints(&rows(&server, "SELECT id FROM pages")), [1, 3]);
    assert_eq!(done(&server, "DELETE FROM pages").message, "Deleted 2 rows of PAGES");
    done(&server, EVENTS);
    assert!(refused(&server, "DELETE FROM events").contains("EVENTS is none"));
    done(&server, SUMS);
    assert!(refused(&server, "DELETE FROM sums").contains("CTAS_SUMS_"));
}

#[test]
fn windows_are_asked_by_their_bounds() {
    let server = server(&Sim::live());
    done(&server, EVENTS);
    let windowed = "CREATE TABLE per AS SELECT kind, COUNT(*) AS n FROM events WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY kind";
    done(&server, windowed);
    for (time, kind) in [(1_000, "in"), (2_000, "in"), (11_000, "in"), (12_000, "out"), (31_000, "in")] {
        done(
            &server,
            &format!("INSERT INTO events (ROWTIME, id, kind, amount) VALUES ({time}, 'a', '{kind}', 1)"),
        );
    }
    let row = |kind: &str, start: i64, n: i64| {
        vec![Value::from(kind), Value::Bigint(start), Value::Bigint(start + 10_000), Value::Bigint(n)]
    };
    let all = vec![row("in", 0, 2), row("in", 10_000, 1), row("in", 30_000, 1), row("out", 10_000, 1)];
    until(|| rows(&server, "SELECT * FROM per") == all);
    let bounded = "SELECT kind, WINDOWSTART, WINDOWEND, n FROM per WHERE kind = 'in' AND WINDOWSTART >= 10000 AND WINDOWEND <= 20000";
    assert_eq!(rows(&server, bounded), [row("in", 10_000, 1)]);
}

/// The next rows of a query that does not end.
fn next(flow: &mut dyn Flow, count: usize) -> Vec<Row> {
    let mut found = Vec::new();
    until(|| {
        found.extend(flow.next(Duration::from_millis(10)).unwrap().unwrap_or_default());
        found.len() >= count
    });
    found
}

fn flow(server: &Server<Sim>, session: &mut Session, text: &str) -> Box<dyn Flow> {
    match server.run(session, text) {
        Ok(Answer::Flow { flow, .. } | Answer::Printing(flow)) => flow,
        Ok(_) => panic!("{text} was answered with something else"),
        Err(fault) => panic!("{text}: {fault}"),
    }
}

#[test]
fn rows_are_told_as_they_come_and_from_the_first_on_where_that_is_set() {
    let server = server(&Sim::live());
    done(&server, EVENTS);
    done(&server, "INSERT INTO events (id, kind, amount) VALUES ('a', 'in', 1)");
    let mut session = Session::new();
    let mut late = flow(&server, &mut session, "SELECT id, amount FROM events EMIT CHANGES");
    server.run(&mut session, "SET 'auto.offset.reset' = 'earliest'").unwrap();
    let mut early = flow(
        &server,
        &mut session,
        "SELECT amount * 2 AS twice FROM events WHERE amount > 0 EMIT CHANGES LIMIT 2",
    );
    done(&server, "INSERT INTO events (id, kind, amount) VALUES ('b', 'in', 2)");
    assert_eq!(next(&mut *late, 1)[0].values, [Value::from("b"), Value::Int(2)]);
    let mut twice: Vec<_> = next(&mut *early, 2).into_iter().map(|row| row.values).collect();
    twice.sort();
    assert_eq!(twice, [[Value::Int(2)], [Value::Int(4)]]);
    assert!(early.next(Duration::ZERO).unwrap().is_none(), "the limit ends it");
}

#[test]
fn groups_and_joins_are_told_as_they_change() {
    let server = with_pages(&Sim::live());
    done(&server, EVENTS);
    let mut session = Session::new();
    let mut counts =
        flow(&server, &mut session, "SELECT kind, COUNT(*) AS n FROM events GROUP BY kind EMIT CHANGES");
    let joined = "SELECT e.id, p.name FROM events e JOIN pages p ON e.amount = p.id EMIT CHANGES";
    let mut joined = flow(&server, &mut session, joined);
    done(&server, "INSERT INTO events (id, kind, amount) VALUES ('x', 'in', 2)");
    done(&server, "INSERT INTO events (id, kind, amount) VALUES ('x', 'in', 12)");
    let told: Vec<_> = next(&mut *counts, 2).into_iter().map(|row| row.values).collect();
    assert_eq!(told, [[Value::from("in"), Value::Bigint(1)], [Value::from("in"), Value::Bigint(2)]]);
    let told: Vec<_> = next(&mut *joined, 2).into_iter().map(|row| row.values).collect();
    assert_eq!(told, [[Value::from("x"), Value::from("cart")], [Value::from("x"), Value::from("far")]]);
}

#[test]
fn a_row_that_goes_is_told_by_its_key() {
    let server = with_pages(&Sim::live());
    let mut session = Session::new();
    session.set("auto.offset.reset", Some("earliest"));
    let mut pages = flow(&server, &mut session, "SELECT name, id FROM pages WHERE views > 5 EMIT CHANGES");
    done(&server, "DELETE FROM pages WHERE id = 1");
    done(&server, "DELETE FROM pages WHERE id = 12");
    let gone: Vec<_> =
        next(&mut *pages, 4).into_iter().filter(|row| row.is_gone).map(|row| row.values).collect();
    assert_eq!(gone, [[Value::Null, Value::Int(1)]], "what was never told is not said to be gone");
}

#[test]
fn what_makes_no_sense_by_itself_is_refused() {
    let server = with_pages(&Sim::live());
    done(&server, EVENTS);
    for (text, why) in [
        ("SELECT * FROM events e JOIN pages p ON e.amount = p.id", "write EMIT CHANGES"),
        ("SELECT nothing FROM pages", "no column NOTHING"),
        ("SELECT * FROM nobody EMIT CHANGES", "no stream or table NOBODY"),
        ("SELECT id FROM pages LIMIT many", "expected how many rows"),
    ] {
        assert!(refused(&server, text).contains(why), "{text}: {}", refused(&server, text));
    }
}

#[test]
fn topics_are_printed() {
    let server = with_pages(&Sim::live());
    let mut all = flow(&server, &mut Session::new(), "PRINT pages FROM BEGINNING LIMIT 5");
    let lines: Vec<_> = next(&mut *all, 5).into_iter().map(|row| format!("{:?}", row.values[0])).collect();
    assert!(lines.iter().any(|line| line.contains("key: 12, value: far,1")), "{lines:?}");
    assert!(all.next(Duration::ZERO).unwrap().is_none());
    assert!(refused(&server, "PRINT nowhere").contains("does not exist"));
}

#[test]
fn a_windowed_key_is_printed_with_its_window() {
    let server = server(&Sim::live());
    done(&server, EVENTS);
    done(
        &server,
        "CREATE TABLE counts WITH (KEY_FORMAT='KAFKA') AS
            SELECT kind, COUNT(*) AS c FROM events WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY kind",
    );
    done(&server, "INSERT INTO events (ROWTIME, id, kind, amount) VALUES (12345, 'a', 'in', 1)");
    let mut all = flow(&server, &mut Session::new(), "PRINT COUNTS FROM BEGINNING LIMIT 1");
    let line = format!("{:?}", next(&mut *all, 1)[0].values[0]);
    assert!(line.contains("key: [in@10000/20000], value: 1,"), "{line}");
}

#[test]
fn assertions_hold_or_say_what_does_not() {
    let server = with_pages(&Sim::live());
    let holds = |text: &str| match run(&server, text) {
        Ok(Answer::Asserted(_, said)) => said,
        _ => panic!("{text} does not hold"),
    };
    assert!(holds("ASSERT TOPIC pages WITH (PARTITIONS=4, REPLICAS=1)").contains("pages exists"));
    holds("ASSERT NOT EXISTS TOPIC nowhere");
    let why = run(&server, "ASSERT TOPIC pages WITH (REPLICAS=3) TIMEOUT 1 MILLISECONDS");
    assert!(matches!(why, Err(Fault::Assertion(why)) if why.contains("REPLICAS 1, not 3")));
    assert!(
        refused(&server, "ASSERT TOPIC pages WITH (PARTITIONS=5) TIMEOUT 1 MILLISECONDS")
            .contains("PARTITIONS 4")
    );
    assert!(refused(&server, "ASSERT NOT EXISTS TOPIC pages TIMEOUT 1 MILLISECONDS").contains("exists"));
}

#[test]
fn everything_is_described() {
    let server = with_pages(&Sim::live());
    done(&server, EVENTS);
    done(&server, SUMS);
    let id = queries(&server)[0].id.clone();
    let Ok(Answer::Described(described)) = run(&server, "DESCRIBE sums EXTENDED") else { panic!() };
    assert_eq!((described.writers[0].id.as_str(), described.topic.unwrap().partitions), (id.as_str(), 3));
    let Ok(Answer::Explained(steps, Some(query))) = run(&server, &format!("EXPLAIN {id}")) else { panic!() };
    assert!(steps.contains("aggregate SUM") && query.id == id, "{steps}");
    assert!(
        matches!(run(&server, "EXPLAIN SELECT * FROM pages"), Ok(Answer::Explained(steps, None)) if steps.contains("read table PAGES"))
    );
    for (name, kind) in [("LCASE", "SCALAR"), ("COUNT", "AGGREGATE"), ("EXPLODE", "TABLE")] {
        let Ok(Answer::Function(told)) = run(&server, &format!("DESCRIBE FUNCTION {name}")) else {
            panic!("{name}")
        };
        assert!(told.kind == kind && !told.ways.is_empty(), "{told:?}");
    }
    let Ok(Answer::Functions(all)) = run(&server, "SHOW FUNCTIONS") else { panic!() };
    assert!(all.len() > 100, "{}", all.len());
}

#[test]
fn topics_of_the_servers_own_are_listed_where_all_are_asked_for() {
    let server = with_pages(&Sim::live());
    done(&server, EVENTS);
    done(&server, SUMS);
    let topics = |text: &str| match run(&server, text) {
        Ok(Answer::Topics(all)) => all.into_iter().map(|topic| topic.name.to_string()).collect::<Vec<_>>(),
        _ => panic!("{text}"),
    };
    assert_eq!(topics("SHOW TOPICS"), ["SUMS", "events", "pages"]);
    let all = topics("SHOW ALL TOPICS");
    assert!(all.iter().any(|name| name.ends_with("-table")) && all.len() > 3, "{all:?}");
}
