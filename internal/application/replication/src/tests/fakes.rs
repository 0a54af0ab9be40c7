//! A topic, a group and a replica in memory. Columns: one text called K or V.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream_model::{
    Column, Headers, NoHeaders, Offset, Partition, RecordView, Timestamp, TopicName, Type, Value,
};
use millstream_ports::{
    Advance, CodecError, GroupLog, Landed, Outlet, Polled, PortError, Replica, SendRecord, Start, Tag, Tail,
    Tally, WholeRow, WholeRows,
};
use millstream_runtime::dead_letter_header as header;

use crate::replicator::{Plan, Replicator};

type Record = (String, Option<String>);

pub(super) enum Fault {
    /// Nothing happens, and it may work later.
    Retry,
    /// It is done, and looks as if it were not.
    LandsUnseen,
}

pub(super) struct Letter {
    pub(super) partition: String,
    pub(super) offset: String,
    pub(super) reason: String,
}

#[derive(Default)]
struct All {
    log: Vec<Vec<Record>>,
    events: VecDeque<Polled>,
    letters: Vec<Letter>,
    rows: BTreeMap<String, String>,
    positions: BTreeMap<Partition, Offset>,
    applied: usize,
    commits: usize,
    faults: VecDeque<Fault>,
    is_registry_down: bool,
    /// Writes last until they are waited for.
    is_slow: bool,
}

#[derive(Clone)]
pub(super) struct Bench(Arc<Mutex<All>>);

impl Bench {
    pub(super) fn new(partitions: usize) -> Self {
        let log = vec![Vec::new(); partitions];
        Self(Arc::new(Mutex::new(All { log, ..All::default() })))
    }

    fn with<T>(&self, deed: impl FnOnce(&mut All) -> T) -> T {
        deed(&mut self.0.lock().unwrap())
    }

    pub(super) fn write(&self, partition: usize, records: &[(&str, Option<&str>)]) {
        let owned = records.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned)));
        self.with(|all| all.log[partition].extend(owned));
    }

    /// A replicator that is given all partitions.
    pub(super) fn replicator(&self) -> Replicator<Group, Reader, Table> {
        let partitions: Vec<_> = (0..self.with(|all| all.log.len()))
            .map(|number| Partition::new(u32::try_from(number).unwrap()))
            .collect();
        self.assign(&partitions);
        let plan = Plan {
            topic: TopicName::new("things").unwrap(),
            group: "sink-things".to_owned(),
            dead_letters: TopicName::new("things-dead").unwrap(),
            keys: Arc::new(Text(self.clone(), "K")),
            values: Arc::new(Text(self.clone(), "V")),
        };
        let reader = Reader { bench: self.clone(), places: BTreeMap::new() };
        Replicator::new(plan, Group(self.clone()), reader, Table::of(self))
    }

    pub(super) fn assign(&self, partitions: &[Partition]) {
        self.with(|all| all.events.push_back(Polled::Assigned(partitions.to_vec())));
    }

    pub(super) fn revoke(&self, partitions: &[u32]) {
        let partitions = partitions.iter().map(|number| Partition::new(*number)).collect();
        self.with(|all| all.events.push_back(Polled::Revoked(partitions)));
    }

    #[expect(clippy::unused_self, reason = "it reads as what the bench does")]
    pub(super) fn turn(&self, replicator: &mut Replicator<Group, Reader, Table>, times: usize) {
        for _ in 0..times {
            replicator.skip_waiting();
            replicator.turn().unwrap();
        }
    }

    /// Until it has read everything.
    pub(super) fn settle(&self, replicator: &mut Replicator<Group, Reader, Table>) {
        let ends = |all: &All| i64::try_from(all.log.iter().map(Vec::len).sum::<usize>()).unwrap();
        for _ in 0..10_000 {
            self.turn(replicator, 1);
            if self.with(|all| ends(all) == all.positions.values().map(|at| at.0).sum::<i64>()) {
                return;
            }
        }
        panic!("it does not come to the end");
    }

    pub(super) fn rows(&self) -> BTreeMap<String, String> {
        self.with(|all| all.rows.clone())
    }

    pub(super) fn applied(&self) -> usize {
        self.with(|all| all.applied)
    }

    pub(super) fn commits(&self) -> usize {
        self.with(|all| all.commits)
    }

    pub(super) fn position(&self, partition: u32) -> Option<Offset> {
        self.with(|all| all.positions.get(&Partition::new(partition)).copied())
    }

    pub(super) fn letters(&self) -> Vec<Letter> {
        self.with(|all| std::mem::take(&mut all.letters))
    }

    pub(super) fn fail_next(&self, fault: Fault) {
        self.with(|all| all.faults.push_back(fault));
    }

    pub(super) fn registry_is_down(&self, is_down: bool) {
        self.with(|all| all.is_registry_down = is_down);
    }

    pub(super) fn is_slow(&self, is_slow: bool) {
        self.with(|all| all.is_slow = is_slow);
    }

    pub(super) fn make_topic_anew(&self) {
        self.with(|all| all.log.iter_mut().for_each(Vec::clear));
    }
}

struct Text(Bench, &'static str);

impl WholeRows for Text {
    fn read(&self, bytes: &[u8]) -> Result<WholeRow, CodecError> {
        let text = std::str::from_utf8(bytes).unwrap();
        match text {
            "bad key" | "bad value" => Err(CodecError::new(text)),
            "later" if self.0.with(|all| all.is_registry_down) => {
                Err(CodecError::passing("the registry is down"))
            }
            _ => Ok(WholeRow {
                columns: [Column::new(self.1, Type::String)].into(),
                values: vec![Value::text(text)],
            }),
        }
    }
}

pub(super) struct Group(Bench);

impl Outlet for Group {
    fn send(&mut self, record: &SendRecord<'_>) -> Result<(), PortError> {
        let headers = Headers::copy_of(record.headers);
        let of = |name| String::from_utf8(headers.last(name).unwrap().to_vec()).unwrap();
        let letter = Letter {
            partition: of(header::PARTITION),
            offset: of(header::OFFSET),
            reason: of(header::MESSAGE),
        };
        self.0.with(|all| all.letters.push(letter));
        Ok(())
    }

    fn settle(&mut self) -> Result<(), PortError> {
        Ok(())
    }

    fn tally(&self) -> Tally {
        Tally::default()
    }

    fn acknowledged(&self, _tag: Tag) -> Option<Offset> {
        None
    }
}

impl GroupLog for Group {
    fn poll<F>(&mut self, _wait: Duration, _max: usize, _each: F) -> Result<Polled, PortError>
    where
        F: FnMut(RecordView<'_>) -> ControlFlow<()>,
    {
        Ok(self.0.with(|all| all.events.pop_front()).unwrap_or(Polled::Records(0)))
    }

    fn accept(&mut self, _partitions: &[Partition]) -> Result<(), PortError> {
        Ok(())
    }

    fn start(&mut self, _partition: Partition) -> Result<(), PortError> {
        panic!("the group's own reading stays paused")
    }

    fn release(&mut self, _partitions: &[Partition]) -> Result<(), PortError> {
        Ok(())
    }

    fn commit(&mut self, _positions: &[(usize, Partition, Offset)]) -> Result<(), PortError> {
        Err(PortError::retry("nobody may depend on the group's offsets"))
    }

    fn abort(&mut self) -> Result<(), PortError> {
        panic!("nothing is sent in a transaction")
    }

    fn pause(&mut self) -> Result<(), PortError> {
        Ok(())
    }

    fn resume(&mut self) -> Result<(), PortError> {
        panic!("the group's own reading stays paused")
    }

    fn lag(&self, _topic: usize, _partition: Partition) -> Option<u64> {
        None
    }

    fn leave(&mut self) {}
}

pub(super) struct Reader {
    bench: Bench,
    places: BTreeMap<Partition, usize>,
}

impl Replicator<Group, Reader, Table> {
    /// As Kafka's client does when its offset is none of the topic's any more.
    pub(super) fn reset_reading(&mut self) {
        self.tail.places.values_mut().for_each(|place| *place = 0);
    }
}

impl Tail for Reader {
    fn add(
        &mut self,
        topic: usize,
        partition: Partition,
        start: Start,
    ) -> Result<(Offset, Offset), PortError> {
        let end = self.bench.with(|all| all.log[partition.index()].len());
        let end_offset = Offset(i64::try_from(end).unwrap());
        let next = match start {
            Start::Earliest => Offset::ZERO,
            Start::Latest => end_offset,
            Start::At(offset) => offset,
        };
        if topic == 0 {
            let place = usize::try_from(next.0).unwrap().min(end);
            assert!(self.places.insert(partition, place).is_none(), "a partition is read twice");
        }
        Ok((next, end_offset))
    }

    fn remove(&mut self, topic: usize, partition: Partition) -> Result<(), PortError> {
        if topic == 0 {
            self.places.remove(&partition);
        }
        Ok(())
    }

    fn poll<F>(&mut self, _wait: Duration, max: usize, mut each: F) -> Result<usize, PortError>
    where
        F: FnMut(RecordView<'_>) -> ControlFlow<()>,
    {
        let log = self.bench.with(|all| all.log.clone());
        let mut count = 0;
        for (partition, place) in &mut self.places {
            for (key, value) in &log[partition.index()][(*place).min(log[partition.index()].len())..] {
                if count == max {
                    return Ok(count);
                }
                let offset = Offset(i64::try_from(*place).unwrap());
                *place += 1;
                count += 1;
                let view = RecordView {
                    topic: 0,
                    partition: *partition,
                    offset,
                    timestamp: Timestamp(0),
                    key: Some(key.as_bytes()),
                    value: value.as_deref().map(str::as_bytes),
                    headers: &NoHeaders,
                };
                if each(view).is_break() {
                    return Ok(count);
                }
            }
        }
        Ok(count)
    }

    fn position(&self, _topic: usize, partition: Partition) -> Result<Offset, PortError> {
        let place = self.places.get(&partition).ok_or_else(|| PortError::stop("not read"))?;
        Ok(Offset(i64::try_from(*place).unwrap()))
    }
}

pub(super) struct Table {
    bench: Bench,
    staged: Vec<Record>,
    begun: Option<(Vec<Record>, Vec<Advance>)>,
}

impl Table {
    fn of(bench: &Bench) -> Self {
        Self { bench: bench.clone(), staged: Vec::new(), begun: None }
    }
}

fn only(row: &WholeRow) -> String {
    row.values[0].as_text().unwrap().to_owned()
}

impl All {
    fn write(&mut self, rows: &[Record], advances: &[Advance]) -> Result<Landed, PortError> {
        if rows.iter().any(|(_, value)| value.as_deref() == Some("refused")) {
            return Err(PortError::new(millstream_ports::Action::DeadLetter, "refused"));
        }
        let fault = self.faults.pop_front();
        if matches!(fault, Some(Fault::Retry)) {
            return Err(PortError::retry("no answer"));
        }
        if advances.iter().any(|advance| self.positions.get(&advance.partition).copied() != advance.from) {
            return Ok(Landed::Elsewhere);
        }
        for (key, value) in rows {
            match value {
                Some(value) => self.rows.insert(key.clone(), value.clone()),
                None => self.rows.remove(key),
            };
        }
        self.applied += rows.len();
        self.commits += 1;
        self.positions.extend(advances.iter().map(|advance| (advance.partition, advance.to)));
        if fault.is_some() { Err(PortError::retry("no answer")) } else { Ok(Landed::Yes) }
    }
}

impl Replica for Table {
    fn positions(&mut self) -> Result<BTreeMap<Partition, Offset>, PortError> {
        assert!(self.begun.is_none(), "a write is under way");
        Ok(self.bench.with(|all| all.positions.clone()))
    }

    fn stage(&mut self, key: &WholeRow, value: Option<&WholeRow>) -> Result<(), CodecError> {
        let value = value.map(only);
        if value.as_deref() == Some("bad row") {
            return Err(CodecError::new("bad row"));
        }
        self.staged.push((only(key), value));
        Ok(())
    }

    fn begin(&mut self, advances: Vec<Advance>) {
        let begun = self.begun.replace((std::mem::take(&mut self.staged), advances));
        assert!(begun.is_none(), "a write is under way");
    }

    fn is_writing(&self) -> bool {
        self.begun.is_some() && self.bench.with(|all| all.is_slow)
    }

    fn finish(&mut self) -> Result<Landed, PortError> {
        let (rows, advances) = self.begun.take().expect("a write is under way");
        self.bench.with(|all| all.write(&rows, &advances))
    }

    fn clear(&mut self) {
        self.staged.clear();
    }
}
