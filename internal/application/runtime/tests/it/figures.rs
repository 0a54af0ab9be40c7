//! What a processor measures and tells.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream_model::{Headers, Timestamp};
use millstream_ports::{DecimalText, Meter, SampleKind, Utf8, World};
use millstream_runtime::{GroupGraph, Output, Policies, Policy, Processor, Settings, Stepped, Table};
use millstream_sim::{Sim, SimRecord};

/// Sums numbers by key, and skips those that are negative.
fn running(sim: &Sim) -> Stepped<Sim> {
    let (table, sums) = (Table::new(DecimalText), Output::new("sums", Utf8, DecimalText));
    let (kept, out) = (table.clone(), sums.clone());
    let graph = GroupGraph::define("summing")
        .input("numbers", Utf8, DecimalText, move |context, key: &str, number: i64| {
            if number < 0 {
                return Err("it is negative".into());
            }
            let sum = context.get(&kept)?.unwrap_or(0) + number;
            context.set(&kept, &sum)?;
            Ok(context.emit(&out, &key, &sum)?)
        })
        .persist(&table)
        .output(&sums)
        .policies(Policies { callback: Policy::Skip, ..Policies::default() })
        .build()
        .unwrap();
    Processor::new(sim.clone(), graph)
        .settings(Settings { workers: 1, ..Settings::default() })
        .stepped()
        .unwrap()
}

fn told(processor: &Stepped<Sim>) -> BTreeMap<String, (SampleKind, f64)> {
    let mut samples = Vec::new();
    processor.status().samples(&mut samples);
    let name = |sample: &millstream_ports::Sample| {
        let labels: Vec<_> = sample.labels.iter().skip(1).map(|(_, value)| value.as_str()).collect();
        [&[sample.name.trim_start_matches("millstream_")][..], &labels].concat().join(" ")
    };
    samples.iter().map(|sample| (name(sample), (sample.kind.clone(), sample.value))).collect()
}

fn write(sim: &Sim, value: &str, age: Duration) {
    let timestamp = Timestamp(sim.now().0 - i64::try_from(age.as_millis()).unwrap());
    let (key, value) = (Some(b"key".to_vec()), Some(value.as_bytes().to_vec()));
    sim.write_record("numbers", SimRecord { key, value, headers: Headers::default(), timestamp });
}

#[test]
fn what_is_told_is_what_was_done() {
    let sim = Sim::new();
    sim.create("numbers", 1);
    sim.create("sums", 1);
    sim.advance(Duration::from_secs(100));
    let mut processor = running(&sim);
    for (value, age_ms) in [("7", 4), ("30", 40), ("-1", 400), ("words", 4_000)] {
        write(&sim, value, Duration::from_millis(age_ms));
    }
    for _ in 0..20 {
        while processor.step().unwrap() {}
        sim.advance(Duration::from_millis(200));
    }
    let told = told(&processor);
    let value = |name: &str| told.get(name).unwrap_or_else(|| panic!("no {name} in {told:#?}")).1;
    for (name, expected) in [
        ("records_in_total numbers", 4.0),
        ("bytes_in_total numbers", 4.0 * 3.0 + 1.0 + 2.0 + 2.0 + 5.0),
        ("records_out_total sums", 2.0),
        ("bytes_out_total sums", 2.0 * 3.0 + 1.0 + 2.0),
        ("errors_total callback skip", 1.0),
        ("errors_total decode dead_letter", 1.0),
        ("errors_total decode fail", 0.0),
        ("errors_total record retry", 0.0),
        ("dead_letters_total", 1.0),
        ("records_skipped_total", 1.0),
        ("rebalances_total", 1.0),
        ("transaction_aborts_total", 0.0),
        ("table_cache_misses_total", 1.0),
        ("staleness_seconds 0", 0.0),
        ("processor_stalled", 0.0),
    ] {
        assert!((value(name) - expected).abs() < f64::EPSILON, "{name} is {}", value(name));
    }
    assert!(value("table_unstored_bytes 0") > 0.0, "the store has yet to take the sum");
    assert!((value("record_age_seconds numbers") - 4.444).abs() < 0.000_1);
    let SampleKind::Histogram(buckets) = &told["record_age_seconds numbers"].0 else {
        panic!("no histogram")
    };
    let within = |end: f64| buckets.ends.iter().find(|(found, _)| (found - end).abs() < 1e-9).unwrap().1;
    let counts = [0.0025, 0.005, 0.05, 0.5, 10.0].map(within);
    assert_eq!((counts, buckets.count), ([0, 1, 2, 3, 4], 4));
    for name in ["commit_seconds", "batch_seconds"] {
        let SampleKind::Histogram(buckets) = &told[name].0 else { panic!("{name} is no histogram") };
        assert!(buckets.count >= 1, "{name}");
    }
}

#[test]
fn a_transaction_that_is_taken_back_is_told() {
    let sim = Sim::new();
    sim.create("numbers", 1);
    sim.create("sums", 1);
    let graph = GroupGraph::define("passing")
        .input("numbers", Utf8, Utf8, |_, _: &str, _: &str| Ok(()))
        .build()
        .unwrap();
    let settings = Settings { workers: 1, ..Settings::exactly_once() };
    let mut processor = Processor::new(sim.clone(), graph).settings(settings).stepped().unwrap();
    sim.write("numbers", b"k", Some(b"1"));
    sim.set_faults(millstream_sim::Faults { refused_commits: 1_000, ..millstream_sim::Faults::default() });
    for _ in 0..20 {
        processor.step().unwrap();
        sim.advance(Duration::from_millis(50));
    }
    assert!(told(&processor)["transaction_aborts_total"].1 >= 1.0);
}
