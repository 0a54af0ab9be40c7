use millstream_ports::{FoundColumns, RowCodec, RowFormat, RowSpec, Side};

use super::*;

/// A format that lacks something.
struct Lacking;

fn lacks<T>() -> Result<T, PortError> {
    Err(PortError::stop("it lacks ink"))
}

impl RowFormat for Lacking {
    fn is_at_hand(&self) -> Result<(), PortError> {
        lacks()
    }

    fn columns(&self, _: &str, _: Side, _: Option<u32>) -> Result<FoundColumns, PortError> {
        lacks()
    }

    fn reader(&self, _: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        lacks()
    }

    fn writer(&self, _: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        lacks()
    }
}

#[test]
fn what_a_server_can_not_write_it_refuses_and_knows_all_the_same_once_another_has_made_it() {
    let world = Sim::live();
    let start = |formats| Server::start(world.clone(), formats, ServerSettings::default()).unwrap();
    let (whole, poor) = (start(formats()), start(formats().with("DELIMITED", Arc::new(Lacking))));
    assert_eq!(refused(&poor, EVENTS), "it lacks ink");
    assert!(
        world.describe_topics(&[TopicName::new("events").unwrap()]).unwrap() == [None],
        "no topic is left"
    );
    let made = done(&whole, EVENTS);
    poor.await_statement(made.place.unwrap()).unwrap();
    assert!(poor.source("EVENTS").is_some() && poor.broken().is_empty());
    assert_eq!(refused(&poor, SUMS), "it lacks ink");
    let other = "CREATE STREAM kinds WITH (VALUE_FORMAT='KAFKA') AS SELECT id, kind FROM events";
    assert_eq!(refused(&poor, other), "it lacks ink", "what is read counts too");
    done(&whole, other);
    let into = "INSERT INTO events SELECT id, 'x' AS kind, n AS amount FROM numbers";
    let numbers = "CREATE STREAM numbers (id STRING KEY, n INT) WITH (KAFKA_TOPIC='numbers', VALUE_FORMAT='KAFKA', PARTITIONS=1)";
    done(&poor, numbers);
    assert_eq!(refused(&poor, into), "it lacks ink", "and what is written, though it was there");
    done(&whole, into);
}
