use std::collections::BTreeMap;

use millstream_model::Value;
use proptest::prelude::*;

use super::world::{World, Written};

const GROUPS: &str = "CREATE TABLE t (id STRING PRIMARY KEY, name STRING, size INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');
    CREATE TABLE groups WITH (KAFKA_TOPIC='groups') AS
      SELECT name, COLLECT_LIST(size) AS sizes FROM t GROUP BY name HAVING COUNT(*) < 3 AND ARRAY_MAX(COLLECT_LIST(size)) < 8;";

/// The groups that pass, each with what its members give, in the order in which they came.
fn naive(members: &[(u8, u8, i32)]) -> BTreeMap<u8, Vec<i32>> {
    let mut groups: BTreeMap<u8, Vec<i32>> = BTreeMap::new();
    for (_, name, size) in members {
        groups.entry(*name).or_default().push(*size);
    }
    groups.retain(|_, sizes| sizes.len() < 3 && sizes.iter().all(|size| *size < 8));
    groups
}

/// A row of the table, by its id, or that it is gone.
type Change = (u8, u8, Option<i32>);

fn change(members: &mut Vec<(u8, u8, i32)>, (id, name, size): Change) -> Written {
    members.retain(|(known, ..)| *known != id);
    members.extend(size.map(|size| (id, name, size)));
    let value = size.map(|size| vec![Value::text(name.to_string()), Value::Int(size)]);
    (vec![Value::text(id.to_string())], value)
}

fn expected(members: &[(u8, u8, i32)]) -> BTreeMap<Vec<Value>, Vec<Value>> {
    let row = |(name, sizes): (u8, Vec<i32>)| {
        let sizes = sizes.into_iter().map(Value::Int).collect();
        (vec![Value::text(name.to_string())], vec![Value::Array(sizes)])
    };
    naive(members).into_iter().map(row).collect()
}

fn changes(most: usize) -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec((0_u8..6, 0_u8..3, prop::option::weighted(0.8, 0_i32..9)), 1..most)
}

/// What is made of the groups by a join, which looks back at what they were.
const JOINED: &str = "CREATE TABLE names (name STRING PRIMARY KEY, said STRING) WITH (KAFKA_TOPIC='names', VALUE_FORMAT='JSON');
    CREATE TABLE joined WITH (KAFKA_TOPIC='joined') AS
      SELECT g.name, said, sizes FROM (SELECT name, COLLECT_LIST(size) AS sizes FROM t GROUP BY name) g JOIN names n ON g.name = n.name
      WHERE ARRAY_LENGTH(sizes) <> 1;";

proptest! {
    #[test]
    fn a_group_is_told_while_it_passes_and_taken_back_once_where_it_does_not(
        changes in changes(60),
    ) {
        let mut world = World::new(GROUPS);
        let mut members = Vec::new();
        let mut taken_back = 0;
        for one in changes {
            let before = naive(&members);
            let (key, value) = change(&mut members, one);
            let after = naive(&members);
            taken_back += before.keys().filter(|name| !after.contains_key(name)).count();
            world.put("t", key, value);
            prop_assert_eq!(world.table("groups"), expected(&members));
        }
        let deleted = world.written("groups").iter().filter(|(_, value)| value.is_none()).count();
        prop_assert_eq!(deleted, taken_back);
    }

    #[test]
    fn of_changes_that_come_together_a_group_is_told_the_last(
        together in prop::collection::vec(changes(20), 1..8),
    ) {
        let mut world = World::that_tells_later(GROUPS);
        let (mut members, mut told) = (Vec::new(), 0);
        for changes in together {
            let (before, mut changed) = (naive(&members), BTreeMap::<u8, usize>::new());
            let mut records = Vec::new();
            for (id, name, size) in changes {
                let was = members.iter().find(|(known, ..)| *known == id).map(|(_, name, _)| *name);
                let now = size.map(|_| name);
                for name in was.filter(|was| Some(*was) != now).into_iter().chain(now) {
                    *changed.entry(name).or_default() += 1;
                }
                records.push(change(&mut members, (id, name, size)));
            }
            world.put_together("t", records);
            let after = naive(&members);
            // What changed twice may have passed between, and have been told before a crash.
            let is_told =
                |(name, times): &(&u8, &usize)| **times > 1 || before.contains_key(name) || after.contains_key(name);
            told += changed.iter().filter(is_told).count();
            prop_assert_eq!(world.table("groups"), expected(&members));
            prop_assert_eq!(world.written("groups").len(), told);
        }
    }

    #[test]
    fn what_looks_back_at_a_group_sees_what_was_told(together in prop::collection::vec(changes(20), 1..8)) {
        let text = format!("{GROUPS}{JOINED}");
        let (mut world, mut each) = (World::that_tells_later(&text), World::new(&text));
        for name in 0..3_u8 {
            let record = (vec![Value::text(name.to_string())], Some(vec![Value::text("said")]));
            each.put_together("names", [record.clone()]);
            world.put_together("names", [record]);
        }
        let mut members = Vec::new();
        for changes in together {
            let records: Vec<_> = changes.into_iter().map(|one| change(&mut members, one)).collect();
            for record in &records {
                each.put_together("t", [record.clone()]);
            }
            world.put_together("t", records);
            prop_assert_eq!(world.table("joined"), each.table("joined"));
            prop_assert!(world.written("joined").len() <= each.written("joined").len());
        }
    }
}
