//! What becomes of emitted records that only the brokers refuse, after all of their batch was sent.

use std::time::Duration;

use millstream_model::Partition;
use millstream_ports::{DecimalText, Utf8};
use millstream_runtime::{
    AfterRetries, Delivery, EdgePolicies, GroupGraph, Output, Policies, Policy, Retry, Settings, Table,
    dead_letter_header as header,
};
use millstream_sim::{Faults, Sim, Tester};

/// Key and value of more bytes than this are refused.
const BYTES_MAX: usize = 40;

fn out() -> Output<Utf8, Utf8> {
    Output::new("out", Utf8, Utf8)
}

/// Counts each key's records, and tells each with its number.
fn tester(delivery: Delivery, policy: Policy) -> Tester {
    let (table, out) = (Table::new(DecimalText), out());
    let (kept, emitted) = (table.clone(), out.clone());
    let graph = GroupGraph::define("telling")
        .input("in", Utf8, Utf8, move |context, key: &str, value: &str| {
            let count = context.get(&kept)?.unwrap_or(0) + 1;
            context.set(&kept, &count)?;
            Ok(context.emit(&emitted, &key, &format!("{count} {value}").as_str())?)
        })
        .persist(&table)
        .output(&out)
        .policies(Policies { produce: Policy::Skip, ..Policies::default() })
        .policies_of("out", EdgePolicies { produce: Some(policy), ..EdgePolicies::default() })
        .build()
        .unwrap();
    let settings = match delivery {
        Delivery::AtLeastOnce => Settings::default(),
        Delivery::ExactlyOnce => Settings::exactly_once(),
    };
    let tester = Tester::new(graph).settings(settings).partitions(2);
    tester.sim().create("in", 2);
    // What is sent is delivered late, so that batches come together.
    tester.sim().set_faults(Faults {
        accepted_bytes_max: Some(BYTES_MAX),
        slow_sends: 1_000,
        ..Faults::default()
    });
    tester
}

/// Every seventh record of thirty is too large.
fn feed(sim: &Sim) {
    for number in 0..30 {
        let value = if number % 7 == 3 { "x".repeat(BYTES_MAX) } else { format!("v{number}") };
        sim.write("in", format!("k{}", number % 4).as_bytes(), Some(value.as_bytes()));
    }
}

/// Runs until nothing comes up any more, waits between retries included.
fn run(tester: &mut Tester) {
    for _ in 0..50 {
        tester.run().unwrap();
        tester.sim().advance(Duration::from_millis(20));
    }
}

fn told(tester: &mut Tester) -> Vec<String> {
    tester.take(&out(), |key, value| format!("{key} {value}")).unwrap()
}

/// What a group says that is never refused.
fn expected(is_small: impl Fn(&str) -> bool) -> Vec<String> {
    let mut counts = [0; 4];
    let mut all = Vec::new();
    for number in 0..30 {
        counts[number % 4] += 1;
        let value = if number % 7 == 3 { "x".repeat(BYTES_MAX) } else { format!("v{number}") };
        all.push(format!("k{} {} {value}", number % 4, counts[number % 4]));
    }
    all.retain(|said| is_small(said));
    all.sort();
    all
}

fn is_small(said: &str) -> bool {
    !said.contains("xxx")
}

#[test]
fn the_records_at_fault_go_by_the_policy_and_all_others_arrive() {
    let soon = Retry {
        limit: Some(2),
        first_wait: Duration::from_millis(1),
        then: AfterRetries::Skip,
        ..Retry::default()
    };
    let soon_a_letter = Retry { then: AfterRetries::DeadLetter, ..soon };
    for delivery in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
        for (policy, letters) in [
            (Policy::Skip, 0),
            (Policy::DeadLetter, 4),
            (Policy::Retry(soon), 0),
            (Policy::Retry(soon_a_letter), 4),
        ] {
            let mut tester = tester(delivery, policy);
            feed(tester.sim());
            run(&mut tester);
            let mut said = told(&mut tester);
            said.sort();
            if delivery == Delivery::AtLeastOnce {
                said.dedup();
            }
            assert_eq!(said, expected(is_small), "{delivery:?} {policy:?}");
            let written = tester.take_records("telling-dead-letters");
            for letter in &written {
                let reason = String::from_utf8_lossy(letter.headers.last(header::MESSAGE).unwrap());
                assert!(reason.contains("too large for its topic"), "{reason}");
            }
            // The letters are as large as what they tell of, so their topic takes them without their values only.
            assert!(written.iter().all(|letter| letter.value.is_none()), "{delivery:?} {policy:?}");
            assert_eq!(written.len(), letters, "{delivery:?} {policy:?}");
            for (key, count) in [("k0", 8), ("k1", 8), ("k2", 7), ("k3", 7)] {
                let table = Table::new(DecimalText);
                let kept = tester.value(&table, key.as_bytes(), |count| count).unwrap();
                assert_eq!(kept, Some(count), "{delivery:?} {policy:?} {key}: what caused it counts once");
            }
            let done: i64 = (0..2)
                .filter_map(|partition| tester.sim().committed("telling", "in", Partition::new(partition)))
                .map(|next| next.0)
                .sum();
            assert_eq!(done, 30, "{delivery:?} {policy:?}");
        }
    }
}

#[test]
fn to_fail_is_to_stop_with_nothing_committed() {
    for delivery in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
        let mut tester = tester(delivery, Policy::Fail);
        feed(tester.sim());
        let said = tester.run().unwrap_err().to_string();
        assert!(said.contains("out/") && said.contains("too large for its topic"), "{delivery:?}: {said}");
        for partition in 0..2 {
            let next = tester.sim().committed("telling", "in", Partition::new(partition));
            assert_eq!(next, None, "{delivery:?}");
        }
    }
}

#[test]
fn a_table_whose_changelog_refuses_an_entry_is_not_kept_without_it() {
    for delivery in [Delivery::AtLeastOnce, Delivery::ExactlyOnce] {
        let table = Table::new(Utf8);
        let kept = table.clone();
        let graph = GroupGraph::define("keeping")
            .input("in", Utf8, Utf8, move |context, _: &str, value: &str| Ok(context.set(&kept, &value)?))
            .persist(&table)
            .policies(Policies { produce: Policy::Skip, ..Policies::default() })
            .build()
            .unwrap();
        let settings = Settings { delivery, ..Settings::default() };
        let mut tester = Tester::new(graph).settings(settings).partitions(1);
        tester.sim().create("in", 1);
        tester.sim().set_faults(Faults { accepted_bytes_max: Some(BYTES_MAX), ..Faults::default() });
        tester.sim().write("in", b"k", Some(&[b'x'; BYTES_MAX]));
        let said = tester.run().unwrap_err().to_string();
        assert!(said.contains("keeping-table/0"), "{delivery:?}: {said}");
    }
}
