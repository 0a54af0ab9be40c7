//! Stores that are found damaged, and disks that are full.

use std::time::Duration;

use millstream_ports::{DecimalText, Utf8};
use millstream_runtime::{GroupGraph, MemoryBudget, Output, Settings, Table};
use millstream_sim::{Faults, Tester};

const WORDS: usize = 40;

fn counter() -> (Tester, Table<DecimalText>) {
    let table = Table::new(DecimalText);
    let kept = table.clone();
    let graph = GroupGraph::define("counter")
        .input("words", Utf8, Utf8, move |context, _: &str, _: &str| {
            let count = context.get(&kept)?.unwrap_or(0) + 1;
            Ok(context.set(&kept, &count)?)
        })
        .persist(&table)
        .build()
        .unwrap();
    // So little memory that reads meet the store.
    let settings = Settings { memory: MemoryBudget::of_bytes(1), workers: 1, ..Settings::exactly_once() };
    (Tester::new(graph).settings(settings), table)
}

fn send(tester: &mut Tester) {
    for word in 0..WORDS {
        tester.send(&Output::new("words", Utf8, Utf8), &format!("w{word}").as_str(), &"x").unwrap();
    }
}

fn check(tester: &mut Tester, table: &Table<DecimalText>, expected: i64) {
    for word in 0..WORDS {
        let count = tester.value(table, format!("w{word}").as_bytes(), |count| count).unwrap();
        assert_eq!(count, Some(expected), "w{word}");
    }
}

#[test]
fn a_store_found_damaged_is_built_anew_while_the_processor_lives() {
    let (mut tester, table) = counter();
    send(&mut tester);
    tester.run().unwrap();
    tester.advance(Duration::from_secs(20)).unwrap();
    let before = tester.sim().read("counter-table").len();
    tester.sim().set_faults(Faults { damaged_stores: 1_000, ..Faults::default() });
    send(&mut tester);
    for _ in 0..5 {
        tester.step().unwrap();
    }
    tester.sim().set_faults(Faults::default());
    tester.run().unwrap();
    let status = tester.status().unwrap();
    assert!(status.snapshot().tables_repaired > 0, "{:?}", status.snapshot());
    assert_eq!(status.ready(), Ok(()));
    check(&mut tester, &table, 2);
    assert_eq!(tester.sim().read("counter-table").len(), before + WORDS, "nothing is counted again");
}

#[test]
fn a_store_that_can_not_be_written_ends_the_processor_and_loses_nothing() {
    let (mut tester, table) = counter();
    send(&mut tester);
    tester.run().unwrap();
    tester.sim().set_faults(Faults { failing_stores: 1_000, ..Faults::default() });
    send(&mut tester);
    let said = tester.advance(Duration::from_secs(20)).unwrap_err().to_string();
    assert!(said.contains("storage failed"), "{said}");
    tester.sim().set_faults(Faults::default());
    tester.run().unwrap();
    check(&mut tester, &table, 2);
}
