use std::collections::{BTreeMap, BTreeSet};

use millstream_model::{Partition, TopicName};
use millstream_ports::TableId;
use millstream_runtime::{Delivery, Stepped};
use millstream_sim::Sim;

use super::ledger::{GROUP, KEYS, PARTITIONS, key, looped_key, sets_event, sets_wall};

type Lists = BTreeMap<String, Vec<String>>;

/// What every key's list must have, in the order of the inputs: first of `a`, then of `b`, then of the loop and of timers.
fn model(written: [usize; 2]) -> Lists {
    let mut lists = Lists::new();
    let mut enter = |key: String, entry: String| lists.entry(key).or_default().push(entry);
    (0..written[0]).for_each(|id| enter(key(id), format!("a{id}")));
    (0..written[1]).for_each(|id| enter(key(id), format!("b{id}")));
    (0..written[0]).for_each(|id| {
        if let Some(other) = looped_key(id) {
            enter(other, format!("l{id}"));
        }
        if sets_wall(id) {
            enter(key(id), format!("w{id}"));
        }
        if sets_event(id) {
            enter(key(id), format!("e{id}"));
        }
    });
    lists
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn list(bytes: &[u8]) -> Vec<String> {
    text(bytes).split(',').map(ToOwned::to_owned).collect()
}

/// Holds the tables and the outputs against the model.
pub fn check(
    sim: &Sim,
    running: &mut [Stepped<Sim>],
    written: [usize; 2],
    delivery: Delivery,
    visited: &BTreeMap<usize, u64>,
) -> Result<(), String> {
    let (model, tables, outputs) = (model(written), tables(running), outputs(sim));
    if tables.keys().ne(model.keys()) {
        return Err(format!("keys {:?} where {:?} were written", tables.keys(), model.keys()));
    }
    for (key, expected) in &model {
        let (list, told) = (&tables[key], outputs.get(key).cloned().unwrap_or_default());
        match delivery {
            Delivery::ExactlyOnce => exactly(key, expected, list, &told)?,
            Delivery::AtLeastOnce => at_least(key, expected, list, &told)?,
        }
    }
    if delivery == Delivery::ExactlyOnce {
        visits(&tables, visited)?;
    }
    changelog(sim, &tables)
}

/// A visit that came to its end has entered its number in as many lists as it says, and none has entered it twice.
fn visits(tables: &Lists, visited: &BTreeMap<usize, u64>) -> Result<(), String> {
    let mut counts = BTreeMap::<&str, u64>::new();
    for (key, list) in tables {
        let entries: Vec<_> = list.iter().filter(|entry| entry.starts_with('v')).collect();
        let distinct: BTreeSet<_> = entries.iter().collect();
        if distinct.len() < entries.len() {
            return Err(format!("{key} was visited twice: {list:?}"));
        }
        for entry in entries {
            *counts.entry(entry).or_default() += 1;
        }
    }
    for (number, count) in visited {
        let entered = counts.get(format!("v{number}").as_str()).copied().unwrap_or(0);
        if entered != *count {
            return Err(format!("visit {number} says that it saw {count} keys, and entered {entered}"));
        }
    }
    Ok(())
}

fn tables(running: &mut [Stepped<Sim>]) -> Lists {
    let find = |key: &String| running.iter_mut().find_map(|process| process.table(key.as_bytes()).unwrap());
    let mut find = find;
    (0..KEYS).map(key).filter_map(|key| find(&key).map(|bytes| (key, list(&bytes)))).collect()
}

/// What was told of each key, in order: places in its list, and entries.
fn outputs(sim: &Sim) -> BTreeMap<String, Vec<(usize, String)>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for record in sim.read("out") {
        let told = text(&record.value.unwrap());
        let (place, entry) = told.split_once(':').unwrap();
        all.entry(text(&record.key.unwrap())).or_default().push((place.parse().unwrap(), entry.to_owned()));
    }
    all
}

/// Each entry once; those of one input in their order; and told once, in the order of the list.
fn exactly(key: &str, expected: &[String], list: &[String], told: &[(usize, String)]) -> Result<(), String> {
    let of = |list: &[String], input: char| -> Vec<String> {
        list.iter().filter(|entry| entry.starts_with(input)).cloned().collect()
    };
    for input in ['a', 'b'] {
        let (expected, list) = (of(expected, input), of(list, input));
        if expected != list {
            return Err(format!("{key} has {list:?} where {expected:?} were written"));
        }
    }
    for source in ['l', 'w', 'e'] {
        let mut entries = [of(expected, source), of(list, source)];
        for list in &mut entries {
            list.sort();
        }
        if entries[0] != entries[1] {
            return Err(format!(
                "{key} has {:?} from '{source}' where {:?} were due",
                entries[1], entries[0]
            ));
        }
    }
    let places: Vec<_> = (1..).zip(list.iter().cloned()).collect();
    if places == told { Ok(()) } else { Err(format!("{key} has {list:?}, and told {told:?}")) }
}

/// Each entry at least once, in the list and told, and no other.
fn at_least(key: &str, expected: &[String], list: &[String], told: &[(usize, String)]) -> Result<(), String> {
    let expected: BTreeSet<_> = expected.iter().collect();
    // A visit that was cut short has entered what it has.
    let is_due = |entry: &&String| !entry.starts_with('v');
    let list_set: BTreeSet<_> = list.iter().filter(is_due).collect();
    let told_set: BTreeSet<_> = told.iter().map(|(_, entry)| entry).filter(is_due).collect();
    if expected != list_set {
        return Err(format!("{key} has {list:?} where {expected:?} were written"));
    }
    if expected != told_set {
        return Err(format!("{key} told {told:?} where {expected:?} were written"));
    }
    Ok(())
}

/// The changelog alone gives the tables back.
fn changelog(sim: &Sim, tables: &Lists) -> Result<(), String> {
    let mut replayed = Lists::new();
    for record in sim.read("ledger-table") {
        if record.key.as_ref().unwrap().starts_with(b"\0") {
            continue;
        }
        replayed.insert(text(&record.key.unwrap()), list(&record.value.unwrap()));
    }
    if replayed == *tables {
        Ok(())
    } else {
        Err(format!("the changelog gives {replayed:?}, the tables {tables:?}"))
    }
}

/// After a clean stop every store has what its changelog has.
pub fn check_stores(sim: &Sim) -> Result<(), String> {
    let mut changelogs = vec![BTreeMap::new(); PARTITIONS as usize];
    for (partition, _, record) in sim.read_with_places("ledger-table") {
        let (changelog, key) = (&mut changelogs[partition.index()], record.key.unwrap());
        match record.value {
            Some(value) => changelog.insert(key, value),
            None => changelog.remove(&key),
        };
    }
    let table = TopicName::new("ledger-table").unwrap();
    for (partition, changelog) in (0..).map(Partition::new).zip(changelogs) {
        let id = TableId { owner: GROUP.to_owned(), table: table.clone(), partition };
        let stored = sim.stored(&id);
        if stored != changelog {
            return Err(format!("store {partition} has {stored:?}, its changelog {changelog:?}"));
        }
    }
    Ok(())
}
