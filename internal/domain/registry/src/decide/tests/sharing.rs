//! Several writers on one log: whatever the interleaving, all read the same, and no answered id stands for two schemas.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::subject;
use crate::{
    Config, Decision, Definition, Filter, Key, Level, Record, Refusal, Registration, Stamp, State, Verdict,
    VersionRange,
};

#[derive(Clone, Debug)]
enum Request {
    Register(u8, u8),
    DeleteVersion(u8, bool),
    DeleteSubject(u8, bool),
    SetLevel(u8, bool),
}

#[derive(Clone, Debug)]
enum Step {
    /// A writer reads on, by at most so many records.
    Read(usize, usize),
    /// A writer decides on the state it has, and appends.
    Ask(usize, Request),
}

type Log = Vec<(Record, Option<Stamp>)>;

/// What a writer has asked for and not read back: where its records are, and the id and schema it answers if all count.
struct Asked {
    from: usize,
    until: usize,
    counted: usize,
    answer: Option<(u32, String)>,
}

struct Writer {
    number: u64,
    token: u64,
    place: usize,
    state: State,
    asked: Option<Asked>,
}

impl Writer {
    fn new(number: u64) -> Self {
        Self { number, token: 0, place: 0, state: State::default(), asked: None }
    }

    fn read(&mut self, log: &Log, count: usize, answered: &mut BTreeSet<(u32, String)>) {
        for (record, stamp) in log.iter().skip(self.place).take(count) {
            let verdict = self.state.apply(record, *stamp);
            let asked = self.asked.as_mut().filter(|asked| (asked.from..asked.until).contains(&self.place));
            if let Some(asked) = asked {
                asked.counted += usize::from(verdict == Verdict::Counts);
            }
            self.place += 1;
            if let Some(asked) = self.asked.take_if(|asked| self.place == asked.until) {
                answered.extend(asked.answer.filter(|_| asked.counted == asked.until - asked.from));
            }
        }
    }

    /// A writer that has its own records still to read gives up on them: it can't say whether they count.
    fn ask(&mut self, log: &mut Log, request: &Request) {
        let is_in_doubt = self.asked.take().is_some();
        let stamp = Stamp { writer: self.number, token: self.token };
        if is_in_doubt || !self.state.holds(stamp) {
            self.take_token(log);
        } else if let Ok((records, answer)) = decide(&self.state, request) {
            self.append(log, records, answer);
        }
    }

    fn take_token(&mut self, log: &mut Log) {
        self.token = self.state.next_token(self.place as u64);
        self.append_all(log, vec![Record::Noop(Some(self.state.id_max()))], None);
    }

    fn append(&mut self, log: &mut Log, records: Vec<Record>, answer: Option<(u32, String)>) {
        let mut all = self.state.repairs();
        all.extend(records);
        self.append_all(log, all, answer);
    }

    fn append_all(&mut self, log: &mut Log, records: Vec<Record>, answer: Option<(u32, String)>) {
        let (from, stamp) = (log.len(), Stamp { writer: self.number, token: self.token });
        log.extend(records.into_iter().map(|record| (record, Some(stamp))));
        self.asked = (log.len() > from).then_some(Asked { from, until: log.len(), counted: 0, answer });
    }
}

type Decided = (Vec<Record>, Option<(u32, String)>);

fn decide(state: &State, request: &Request) -> Result<Decided, Refusal> {
    fn plain<T>(decision: Decision<T>) -> Decided {
        (decision.records, None)
    }
    let named = |number: u8| subject(&format!("s{number}"));
    match request {
        Request::Register(to, schema) => {
            let text = format!(r#"{{"type":"fixed","name":"F{schema}","size":{schema}}}"#);
            let decision = state.register(&named(*to), &Registration::of(Definition::avro(&text)))?;
            Ok((decision.records, Some((decision.answer.id, text))))
        }
        Request::DeleteVersion(of, is_permanent) => {
            let range = state
                .all_versions(&named(*of))
                .next()
                .map_or(VersionRange::Latest, |(version, _)| VersionRange::Exactly(version));
            state.delete_version(&named(*of), range, *is_permanent).map(plain)
        }
        Request::DeleteSubject(of, is_permanent) => {
            state.delete_subject(&named(*of), *is_permanent).map(plain)
        }
        Request::SetLevel(of, is_none) => {
            let level = if *is_none { Level::None } else { Level::Full };
            state.set_config(&Some(named(*of)), Config { level: Some(level), normalize: None }).map(plain)
        }
    }
}

/// What can be seen of a state.
fn seen(state: &State) -> String {
    let entries = state.list("", Filter::WithDeleted, false).into_iter();
    let entries: Vec<_> =
        entries.map(|(subject, version, entry)| (subject, version, entry.stored())).collect();
    format!("{entries:?} {:?}", state.configs())
}

fn replayed(log: &Log) -> State {
    let mut state = State::default();
    for (record, stamp) in log {
        state.apply(record, *stamp);
    }
    state
}

/// What compaction may leave: below `upto`, the newest of each key.
fn compacted(log: &Log, upto: usize) -> Log {
    let mut newest: BTreeMap<Key, usize> = BTreeMap::new();
    for (at, (record, _)) in log.iter().enumerate().take(upto) {
        newest.insert(record.key(), at);
    }
    let kept = |at: usize, record: &Record| at >= upto || newest.get(&record.key()) == Some(&at);
    log.iter()
        .enumerate()
        .filter(|(at, (record, _))| kept(*at, record))
        .map(|(_, entry)| entry.clone())
        .collect()
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        4 => (0..3_u8, 1..6_u8).prop_map(|(to, schema)| Request::Register(to, schema)),
        1 => (0..3_u8, any::<bool>()).prop_map(|(of, hard)| Request::DeleteVersion(of, hard)),
        1 => (0..3_u8, any::<bool>()).prop_map(|(of, hard)| Request::DeleteSubject(of, hard)),
        1 => (0..3_u8, any::<bool>()).prop_map(|(of, none)| Request::SetLevel(of, none)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_usize, 1..6_usize).prop_map(|(writer, count)| Step::Read(writer, count)),
        (0..3_usize, request()).prop_map(|(writer, request)| Step::Ask(writer, request)),
    ]
}

proptest! {
    #[test]
    fn readers_agree_and_no_answered_id_stands_for_two_schemas(steps in prop::collection::vec(step(), 1..60), cut in 0.0..1.0_f64) {
        let (mut log, mut answered) = (Log::new(), BTreeSet::new());
        let mut writers: Vec<_> = (1..=3).map(Writer::new).collect();
        // Without this most schemas would only be refused.
        log.push((Record::Config(None, Some(Config { level: Some(Level::None), normalize: None })), None));
        for writer in &mut writers {
            writer.read(&log, 1, &mut answered);
        }
        for step in &steps {
            match step {
                Step::Read(writer, count) => writers[*writer].read(&log, *count, &mut answered),
                Step::Ask(writer, request) => writers[*writer].ask(&mut log, request),
            }
        }
        for writer in &mut writers {
            writer.read(&log, usize::MAX >> 1, &mut answered);
        }
        prop_assert_eq!(seen(&writers[0].state), seen(&writers[1].state));
        prop_assert_eq!(seen(&writers[0].state), seen(&writers[2].state));
        let ids: BTreeMap<_, _> = answered.iter().cloned().collect();
        prop_assert_eq!(ids.len(), answered.len(), "an id was answered for two schemas: {:?}", answered);

        // Whoever writes next says anew what void records hide; from then on compaction changes nothing.
        writers[0].take_token(&mut log);
        writers[0].read(&log, usize::MAX >> 1, &mut answered);
        writers[0].append(&mut log, Vec::new(), None);
        let whole = replayed(&log);
        prop_assert!(whole.repairs().is_empty());
        prop_assert_eq!(seen(&writers[0].state), seen(&whole), "repairs change nothing");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a short log")]
        let upto = (log.len() as f64 * cut) as usize;
        for upto in [log.len(), upto] {
            let shorter = replayed(&compacted(&log, upto));
            prop_assert_eq!(seen(&shorter), seen(&whole), "compacted below {}: {:?}", upto, log);
            prop_assert!(shorter.repairs().is_empty() && shorter.id_max() >= whole.id_max());
        }
    }
}

#[test]
fn of_two_who_register_at_once_one_decides_anew() {
    let (mut log, mut answered) = (Log::new(), BTreeSet::new());
    let (mut one, mut two) = (Writer::new(1), Writer::new(2));
    one.take_token(&mut log);
    two.take_token(&mut log);
    one.read(&log, 1, &mut answered);
    one.ask(&mut log, &Request::Register(1, 1));
    two.read(&log, 9, &mut answered);
    one.read(&log, 9, &mut answered);
    assert!(answered.is_empty(), "its record is void");
    two.ask(&mut log, &Request::Register(2, 2));
    two.read(&log, 9, &mut answered);
    assert_eq!(answered.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1]);
    one.read(&log, 9, &mut answered);
    for _ in 0..2 {
        one.ask(&mut log, &Request::Register(1, 1));
        one.read(&log, 9, &mut answered);
    }
    assert_eq!(answered.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2]);
}
