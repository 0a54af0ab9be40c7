//! Partitions that nothing comes for.

use std::time::Duration;

use millstream_ports::{DecimalText, Delivery, Utf8};
use millstream_runtime::{GroupGraph, Output, Settings, Table};
use millstream_sim::Tester;

fn last() -> Output<Utf8, DecimalText> {
    Output::new("last", Utf8, DecimalText)
}

/// Keeps the last number of a partition, and tells it when nothing came for a second.
fn graph() -> GroupGraph {
    let kept = Table::new(DecimalText);
    let (set, told) = (kept.clone(), kept.clone());
    GroupGraph::define("resting")
        .input("numbers", Utf8, DecimalText, move |context, _: &str, number: i64| {
            Ok(context.set_at(&set, b"last", &number)?)
        })
        .idle(Duration::from_secs(1), move |context| {
            let Some(number) = context.get_at(&told, b"last")? else { return Ok(()) };
            context.delete_at(&told, b"last")?;
            Ok(context.emit(&last(), &"last", &number)?)
        })
        .persist(&kept)
        .output(&last())
        .build()
        .unwrap()
}

fn taken(tester: &mut Tester) -> Vec<i64> {
    tester.take(&last(), |_, number| number).unwrap()
}

#[test]
fn a_partition_that_rests_is_told_of() {
    for delivery in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
        let settings = Settings { delivery, ..Settings::default() };
        let mut tester = Tester::new(graph()).partitions(1).settings(settings);
        tester.sim().create("numbers", 1);
        for round in 1..4 {
            tester.sim().write("numbers", b"k", Some(round.to_string().as_bytes()));
            tester.run().unwrap();
            for _ in 0..3 {
                tester.advance(Duration::from_millis(1_500)).unwrap();
                tester.run().unwrap();
            }
            assert_eq!(taken(&mut tester), [round], "{delivery:?}");
        }
    }
}
