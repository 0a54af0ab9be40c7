//! What is remembered from one start to the next: which rules share a group, and what each rule kept when it last ran.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use millstream_model::{NoHeaders, Partition, TopicName, Value, decode_value};
use millstream_ports::{Outlet, PortError, SendRecord, Start, Tag, Tail, TopicSpec, World};
use millstream_sql::{Shape, Sided};

use crate::deploy::named;
use crate::members::{Group, read_texts, texts};

/// A compacted topic of one partition.
const TOPIC: &str = "rules-journal";

const GROUP: &str = "group:";
const SHAPE: &str = "shape:";

/// What was remembered.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) groups: Vec<Group>,
    /// By rule.
    pub(crate) shapes: BTreeMap<String, Shape>,
}

/// The topic that it is.
pub(crate) fn topic() -> Result<TopicName, PortError> {
    named(TOPIC)
}

impl Journal {
    /// Reads all of it. What another version wrote is passed over.
    pub(crate) fn read<W: World>(world: &W) -> Result<Self, PortError> {
        let topic = topic()?;
        if world.describe_topics(std::slice::from_ref(&topic))?.iter().all(Option::is_none) {
            return Ok(Self::default());
        }
        let mut tail = world.tail("rules-journal", std::slice::from_ref(&topic))?;
        let partition = Partition::new(0);
        let (_, end) = tail.add(0, partition, Start::Earliest)?;
        let mut all = BTreeMap::new();
        while tail.position(0, partition)? < end {
            tail.poll(Duration::from_millis(100), 1_000, |record| {
                let key = record.key.and_then(|key| std::str::from_utf8(key).ok());
                if let (Some(key), Some(value)) = (key, record.value) {
                    all.insert(key.to_owned(), value.to_vec());
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(Self::of(&all))
    }

    fn of(entries: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut journal = Self::default();
        for (key, value) in entries {
            if let Some(id) = key.strip_prefix(GROUP) {
                journal.groups.extend(Group::read(id, value).filter(|group| !group.rules.is_empty()));
            } else if let Some(rule) = key.strip_prefix(SHAPE) {
                journal.shapes.extend(read_shape(value).map(|shape| (rule.to_owned(), shape)));
            }
        }
        journal
    }
}

/// What is to be remembered.
#[derive(Default)]
pub(crate) struct Notes(Vec<(String, Vec<u8>)>);

impl Notes {
    pub(crate) fn group(&mut self, group: &Group) {
        self.0.push((format!("{GROUP}{}", group.id), group.value()));
    }

    pub(crate) fn shape(&mut self, rule: &str, shape: &Shape) {
        self.0.push((format!("{SHAPE}{rule}"), shape_value(shape).to_bytes()));
    }

    /// Writes them. They are safe when this answers.
    pub(crate) fn write<W: World>(self, world: &W, replication: Option<u16>) -> Result<(), PortError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let topic = topic()?;
        let settings = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
        world.create_topic(&TopicSpec { name: topic.clone(), partitions: 1, replication, settings })?;
        let mut outlet = world.outlet("rules-journal")?;
        for (key, value) in &self.0 {
            outlet.send(&SendRecord {
                topic: &topic,
                partition: Some(Partition::new(0)),
                key: Some(key.as_bytes()),
                value: Some(value),
                headers: &NoHeaders,
                timestamp: Some(world.now()),
                tag: Tag::NONE,
            })?;
        }
        outlet.settle()
    }
}

fn side_value(side: &Sided) -> Value {
    Value::Struct(vec![Value::text(&side.place), texts(&side.columns)])
}

fn shape_value(shape: &Shape) -> Value {
    let sources = Value::Array(shape.sources.iter().map(side_value).collect());
    Value::Struct(vec![sources, texts(&shape.kept), texts(&shape.free), side_value(&shape.sink)])
}

fn read_shape(bytes: &[u8]) -> Option<Shape> {
    let Value::Struct(parts) = decode_value(bytes).ok()? else { return None };
    let [Value::Array(sources), kept, free, sink] = parts.as_slice() else { return None };
    let sources = sources.iter().map(read_side).collect::<Option<_>>()?;
    Some(Shape { sources, kept: read_texts(kept)?, free: read_texts(free)?, sink: read_side(sink)? })
}

fn read_side(value: &Value) -> Option<Sided> {
    let Value::Struct(parts) = value else { return None };
    let [place, columns] = parts.as_slice() else { return None };
    Some(Sided { place: place.as_text()?.to_owned(), columns: read_texts(columns)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::Reads;

    #[test]
    fn shapes_and_groups_read_back_and_the_rest_is_passed_over() {
        let side = |place: &str| Sided { place: place.to_owned(), columns: vec!["A INT".to_owned()] };
        let shape = Shape {
            sources: vec![side("s"), side("t")],
            kept: vec!["group by A".to_owned()],
            free: Vec::new(),
            sink: side("o"),
        };
        let group = Group {
            rules: [("A".to_owned(), 0), ("B".to_owned(), 1)].into(),
            ..Group::new("g", Reads { topics: vec!["t".to_owned()], is_exact: true, ..Reads::default() })
        };
        let mut notes = Notes::default();
        notes.group(&group);
        notes.shape("O", &shape);
        notes.0.push(("later:version".to_owned(), b"?".to_vec()));
        notes.0.push((format!("{SHAPE}P"), b"?".to_vec()));
        let journal = Journal::of(&notes.0.into_iter().collect());
        assert_eq!(journal.groups, [group]);
        assert_eq!(journal.shapes, [("O".to_owned(), shape)].into());
    }
}
