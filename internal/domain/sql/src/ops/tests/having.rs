use std::collections::BTreeMap;

use millstream_model::Value;
use proptest::prelude::*;

use super::world::World;

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

proptest! {
    #[test]
    fn a_group_is_told_while_it_passes_and_taken_back_once_where_it_does_not(
        changes in prop::collection::vec((0_u8..6, 0_u8..3, prop::option::weighted(0.8, 0_i32..9)), 1..60),
    ) {
        let mut world = World::new(GROUPS);
        let mut members: Vec<(u8, u8, i32)> = Vec::new();
        let mut taken_back = 0;
        for (id, name, size) in changes {
            let before = naive(&members);
            members.retain(|(known, ..)| *known != id);
            members.extend(size.map(|size| (id, name, size)));
            let after = naive(&members);
            taken_back += before.keys().filter(|name| !after.contains_key(name)).count();
            let value = size.map(|size| vec![Value::text(name.to_string()), Value::Int(size)]);
            world.put("t", vec![Value::text(id.to_string())], value);
            let told = world.table("groups");
            let expected = after.into_iter().map(|(name, sizes)| {
                let sizes = sizes.into_iter().map(Value::Int).collect();
                (vec![Value::text(name.to_string())], vec![Value::Array(sizes)])
            });
            prop_assert_eq!(told, expected.collect::<BTreeMap<_, _>>());
        }
        let deleted = world.written("groups").iter().filter(|(_, value)| value.is_none()).count();
        prop_assert_eq!(deleted, taken_back);
    }
}
