use super::*;
use crate::ast::SourceKind;

fn read(text: &str) -> Command {
    parse_command(text, &Types::new()).unwrap_or_else(|mistake| panic!("{text}: {}", mistake.message))
}

#[test]
fn each_statement_is_told_from_the_others() {
    let some = |text: &str| Some(text.to_owned());
    let shown = |what, is_extended| Command::Show { what, is_extended };
    let steered = |how, query| Command::Steer { how, query };
    let cases = [
        ("select a from b emit changes", Command::Select),
        ("WITH a AS (SELECT * FROM b) SELECT * FROM a;", Command::Select),
        ("SHOW STREAMS", shown(Listed::Streams, false)),
        ("LIST ALL TOPICS EXTENDED;", shown(Listed::AllTopics, true)),
        ("SHOW TOPICS", shown(Listed::Topics, false)),
        ("describe tables extended", shown(Listed::Tables, true)),
        ("DESCRIBE `a`", Command::Describe { name: "a".to_owned(), is_extended: false }),
        ("DESCRIBE a EXTENDED", Command::Describe { name: "A".to_owned(), is_extended: true }),
        ("DESCRIBE FUNCTION mask", Command::DescribeFunction("MASK".to_owned())),
        ("TERMINATE ALL", steered(Steering::Terminate, None)),
        ("PAUSE csas_x_1;", steered(Steering::Pause, some("CSAS_X_1"))),
        ("RESUME q", steered(Steering::Resume, some("Q"))),
        ("EXPLAIN  CSAS_X_1 ;", Command::Explain("CSAS_X_1".to_owned())),
        ("RUN SCRIPT 'a.sql'", Command::RunScript("a.sql".to_owned())),
        ("DEFINE fmt = 'AVRO'", Command::Define("fmt".to_owned(), some("AVRO"))),
        ("UNDEFINE fmt", Command::Define("fmt".to_owned(), None)),
        ("UNSET 'a'", Command::Set("a".to_owned(), None)),
        (
            "DELETE FROM t\n WHERE id = 'é;' AND x > 1;",
            Command::Delete { table: "T".to_owned(), condition: some("id = 'é;' AND x > 1") },
        ),
        (
            "CREATE TABLE t (a INT PRIMARY KEY) WITH (KAFKA_TOPIC='t')",
            Command::Create { name: "T".to_owned(), kind: SourceKind::Table, is_query: false },
        ),
        ("DROP STREAM IF EXISTS s DELETE TOPIC", Command::Drop { name: "S".to_owned(), deletes_topic: true }),
        ("INSERT INTO s SELECT * FROM r", Command::InsertSelect("S".to_owned())),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn topics_are_printed_by_the_names_they_have() {
    let printed = |text: &str| match read(text) {
        Command::Print(printed) => printed,
        other => panic!("{other:?}"),
    };
    let all = printed("PRINT my-topic.v1 FROM BEGINNING INTERVAL 3 LIMIT 2");
    assert_eq!(
        (all.topic.as_str(), all.from_beginning, all.interval, all.limit),
        ("my-topic.v1", true, 3, Some(2))
    );
    assert_eq!(printed("print 'A b' limit 1").topic, "A b");
    assert_eq!(printed("PRINT plain").interval, 1);
}

#[test]
fn assertions_of_rows_are_read_as_inserts() {
    let asserted = |text: &str| match read(text) {
        Command::Assert(asserted) => asserted,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        asserted("ASSERT VALUES s (a, b) VALUES (1, 'x');"),
        Asserted::Values("INSERT INTO s (a, b) VALUES (1, 'x')".to_owned())
    );
    assert_eq!(
        asserted("ASSERT NULL VALUES t (k) KEY ('x');"),
        Asserted::NullValues("INSERT INTO t (k)  VALUES ('x')".to_owned())
    );
    assert_eq!(
        asserted("ASSERT NOT EXISTS TOPIC a-b WITH (PARTITIONS=2) TIMEOUT 3 SECONDS"),
        Asserted::Topic {
            topic: "a-b".to_owned(),
            with: vec![("PARTITIONS".to_owned(), "2".to_owned())],
            exists: false,
            timeout_ms: 3000
        }
    );
    assert!(
        matches!(asserted("ASSERT STREAM s (a INT) WITH (KAFKA_TOPIC='s')"), Asserted::Source(text) if text.starts_with("CREATE STREAM s (a INT)"))
    );
}

#[test]
fn what_is_wrong_has_a_place() {
    for (text, place) in [("SHOW ME", 6), ("PRINT", 6), ("TERMINATE q q", 13), ("DESCRIBE a b", 12)] {
        let mistake = parse_command(text, &Types::new()).unwrap_err();
        assert!(mistake.span.column == place || mistake.span.line == 0, "{text}: {mistake:?}");
    }
}
