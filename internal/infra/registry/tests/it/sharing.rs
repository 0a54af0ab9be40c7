//! Several registries on one journal.

use std::collections::BTreeMap;
use std::thread;

use serde_json::json;

use crate::asked::Asked;
use crate::world::Memory;

#[test]
fn registries_that_register_at_once_agree_on_every_id() {
    let world = Memory::default();
    let all: Vec<_> = (0..3).map(|_| Asked::on(&world)).collect();
    let answered: Vec<(u64, String)> = thread::scope(|scope| {
        let ask = |asked, number: usize| {
            move || {
                let asked: &Asked = asked;
                let register = |turn: usize| {
                    // Some schemas are everyone's, most are one's own.
                    let name = if turn.is_multiple_of(5) {
                        format!("All{turn}")
                    } else {
                        format!("Own{number}_{turn}")
                    };
                    let schema = format!(r#"{{"type":"fixed","name":"{name}","size":1}}"#);
                    (asked.register(&format!("s{name}"), &schema), schema)
                };
                (0..25).map(register).collect::<Vec<_>>()
            }
        };
        let threads: Vec<_> =
            all.iter().enumerate().map(|(number, asked)| scope.spawn(ask(asked, number))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let by_id: BTreeMap<_, _> = answered.iter().cloned().collect();
    let by_schema: BTreeMap<_, _> = answered.iter().map(|(id, schema)| (schema.clone(), *id)).collect();
    assert_eq!((by_id.len(), by_schema.len()), (65, 65), "ids and schemas are one to one");
    // A write through each of them reads to the journal's end.
    for asked in &all {
        asked.told("PUT", "/config", &json!({ "compatibility": "FULL" }));
        assert_eq!(asked.get("/schemas"), all[0].get("/schemas"));
        for (id, schema) in &by_id {
            assert_eq!(asked.get(&format!("/schemas/ids/{id}"))["schema"], json!(schema));
        }
    }
    let again = Asked::on(&world);
    assert_eq!(again.get("/schemas"), all[0].get("/schemas"), "a registry that starts later sees the same");
}
