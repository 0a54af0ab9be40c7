mod fakes;

use std::collections::{BTreeMap, BTreeSet};

use millstream_model::{Offset, Partition};

use crate::replicator::Replicator;
use fakes::{Bench, Fault, Group, Reader, Table};

fn rows(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_table_follows_its_topic() {
    let bench = Bench::new(2);
    bench.write(0, &[("a", Some("1")), ("b", Some("2")), ("a", Some("3"))]);
    bench.write(1, &[("c", Some("4")), ("d", Some("5")), ("c", None)]);
    let mut replicator = bench.replicator();
    bench.settle(&mut replicator);
    assert_eq!(bench.rows(), rows(&[("a", "3"), ("b", "2"), ("d", "5")]));
    assert_eq!(bench.position(0), Some(Offset(3)));
    assert_eq!(replicator.figures().lag(), Some(0));
    bench.write(1, &[("c", Some("6"))]);
    bench.settle(&mut replicator);
    assert_eq!(bench.rows()["c"], "6");
    assert_eq!(bench.applied(), 7, "each record once");
}

#[test]
fn another_member_goes_on_where_the_table_is_and_not_where_the_group_is() {
    let bench = Bench::new(1);
    bench.write(0, &[("a", Some("1"))]);
    bench.settle(&mut bench.replicator());
    bench.write(0, &[("b", Some("2"))]);
    bench.settle(&mut bench.replicator());
    assert_eq!((bench.rows(), bench.applied()), (rows(&[("a", "1"), ("b", "2")]), 2));
}

#[test]
fn a_commit_whose_answer_was_lost_is_not_done_again() {
    let bench = Bench::new(1);
    bench.write(0, &[("a", Some("1")), ("b", Some("2"))]);
    for fault in [Fault::LandsUnseen, Fault::Retry] {
        bench.fail_next(fault);
    }
    bench.settle(&mut bench.replicator());
    assert_eq!((bench.rows(), bench.applied()), (rows(&[("a", "1"), ("b", "2")]), 2));
}

#[test]
fn a_member_that_lost_its_partition_unknowingly_changes_nothing() {
    let bench = Bench::new(1);
    bench.write(0, &[("a", Some("1"))]);
    let mut late = bench.replicator();
    bench.settle(&mut late);
    bench.write(0, &[("a", Some("2")), ("a", None)]);
    bench.settle(&mut bench.replicator());
    bench.write(0, &[("b", Some("3"))]);
    bench.settle(&mut late);
    assert_eq!((bench.rows(), bench.applied()), (rows(&[("b", "3")]), 4));
}

#[test]
fn what_no_table_holds_is_set_aside_and_the_rest_goes_on() {
    let bench = Bench::new(1);
    bench.write(
        0,
        &[
            ("a", Some("1")),
            ("bad key", Some("2")),
            ("b", Some("bad value")),
            ("c", Some("bad row")),
            ("d", Some("4")),
        ],
    );
    bench.settle(&mut bench.replicator());
    assert_eq!(bench.rows(), rows(&[("a", "1"), ("d", "4")]));
    let letters = bench.letters();
    assert_eq!(letters.iter().map(|letter| letter.offset.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(letters[0].reason, "key: bad key");
}

#[test]
fn a_row_that_the_database_refuses_is_found_among_thousands() {
    let bench = Bench::new(1);
    let keys: Vec<String> = (0..3000).map(|number| format!("k{number}")).collect();
    let records: Vec<_> = keys
        .iter()
        .map(|key| (key.as_str(), Some(if key == "k1717" { "refused" } else { "fine" })))
        .collect();
    bench.write(0, &records);
    let mut replicator = bench.replicator();
    bench.settle(&mut replicator);
    assert_eq!((bench.rows().len(), bench.applied()), (2999, 2999));
    let letters = bench.letters();
    assert_eq!((letters.len(), letters[0].offset.as_str()), (1, "1717"));
}

#[test]
fn what_is_set_aside_beside_a_row_that_is_refused_is_set_aside_once() {
    let bench = Bench::new(1);
    let value = |number: usize| match number {
        300 => "refused",
        _ if number % 100 == 7 => "bad value",
        _ => "fine",
    };
    let keys: Vec<String> = (0..1000).map(|number| format!("k{number}")).collect();
    let records: Vec<_> =
        keys.iter().enumerate().map(|(number, key)| (key.as_str(), Some(value(number)))).collect();
    bench.write(0, &records);
    let mut replicator = bench.replicator();
    bench.settle(&mut replicator);
    let mut offsets: Vec<usize> =
        bench.letters().iter().map(|letter| letter.offset.parse().unwrap()).collect();
    offsets.sort_unstable();
    assert_eq!(offsets, [7, 107, 207, 300, 307, 407, 507, 607, 707, 807, 907]);
    assert_eq!(bench.rows().len(), 989);
}

#[test]
fn a_record_whose_schema_can_not_be_had_now_is_waited_for() {
    let bench = Bench::new(1);
    bench.write(0, &[("a", Some("1")), ("b", Some("later")), ("c", Some("3"))]);
    bench.registry_is_down(true);
    let mut replicator = bench.replicator();
    bench.turn(&mut replicator, 20);
    assert_eq!(bench.rows(), rows(&[("a", "1")]), "what is before it is written, what is behind it waits");
    assert!(replicator.figures().ready().is_err());
    bench.registry_is_down(false);
    bench.settle(&mut replicator);
    assert_eq!(bench.rows(), rows(&[("a", "1"), ("b", "later"), ("c", "3")]));
    assert!(bench.letters().is_empty());
}

#[test]
fn a_topic_made_anew_is_not_taken_for_the_old_one() {
    let bench = Bench::new(1);
    bench.write(0, &[("a", Some("1")), ("b", Some("2"))]);
    bench.settle(&mut bench.replicator());
    bench.make_topic_anew();
    bench.write(0, &[("z", Some("1"))]);
    let mut replicator = bench.replicator();
    let error = (0..10).find_map(|_| replicator.turn().err()).unwrap().to_string();
    assert!(
        error.contains("offset 2 of things/0, which ends at 1") && error.contains("millstream_positions"),
        "{error}"
    );
}

#[test]
fn a_topic_made_anew_while_it_is_read_is_noticed() {
    let bench = Bench::new(1);
    bench.write(0, &[("a", Some("1")), ("b", Some("2"))]);
    let mut replicator = bench.replicator();
    bench.settle(&mut replicator);
    bench.make_topic_anew();
    replicator.reset_reading();
    bench.write(0, &[("z", Some("1"))]);
    let error = (0..10).find_map(|_| replicator.turn().err()).unwrap().to_string();
    assert!(error.contains("offset 2 of things/0, and offset 0 came of it"), "{error}");
    assert_eq!(bench.rows(), rows(&[("a", "1"), ("b", "2")]));
}

#[test]
fn partitions_given_up_are_left_as_they_are() {
    let bench = Bench::new(2);
    bench.write(0, &[("a", Some("1"))]);
    let mut replicator = bench.replicator();
    bench.settle(&mut replicator);
    bench.revoke(&[0, 1]);
    bench.turn(&mut replicator, 3);
    bench.write(0, &[("b", Some("2"))]);
    bench.turn(&mut replicator, 3);
    assert_eq!(bench.rows(), rows(&[("a", "1")]));
    assert_eq!(replicator.figures().lag(), None);
    bench.assign(&[Partition::new(0)]);
    bench.settle(&mut replicator);
    assert_eq!(bench.rows(), rows(&[("a", "1"), ("b", "2")]));
}

#[test]
fn large_records_make_small_transactions() {
    let bench = Bench::new(1);
    let large = "x".repeat(9 << 20);
    let records: Vec<_> = ["a", "b", "c", "d", "e"].map(|key| (key, Some(large.as_str()))).into();
    bench.write(0, &records);
    let mut replicator = bench.replicator();
    bench.settle(&mut replicator);
    assert_eq!(bench.rows().len(), 5);
    assert_eq!(bench.commits(), 3, "two of nine million bytes in each");
}

/// A replicator whose replica writes the first record, for as long as the bench is slow.
fn writing(bench: &Bench) -> Replicator<Group, Reader, Table> {
    bench.is_slow(true);
    let mut replicator = bench.replicator();
    bench.write(0, &[("a", Some("1"))]);
    bench.turn(&mut replicator, 3);
    replicator
}

#[test]
fn records_are_read_while_the_replica_writes() {
    let bench = Bench::new(1);
    let mut replicator = writing(&bench);
    bench.write(0, &[("b", Some("2")), ("a", None)]);
    bench.turn(&mut replicator, 3);
    assert_eq!((bench.position(0), bench.applied()), (None, 0), "the first write lasts");
    assert_eq!(replicator.batch.records, 2);
    bench.is_slow(false);
    bench.turn(&mut replicator, 1);
    assert_eq!(bench.position(0), Some(Offset(1)));
    assert_eq!(replicator.figures().lag(), Some(2), "what is read ahead is not written yet");
    bench.settle(&mut replicator);
    assert_eq!((bench.rows(), bench.commits()), (rows(&[("b", "2")]), 2));
    assert_eq!(replicator.figures().lag(), Some(0));
}

#[test]
fn what_was_read_ahead_of_a_write_that_failed_is_read_again() {
    for fault in [Fault::Retry, Fault::LandsUnseen] {
        let bench = Bench::new(2);
        let mut replicator = writing(&bench);
        bench.write(0, &[("a", Some("2"))]);
        bench.write(1, &[("b", Some("3"))]);
        bench.turn(&mut replicator, 3);
        bench.fail_next(fault);
        bench.is_slow(false);
        bench.settle(&mut replicator);
        assert_eq!((bench.rows(), bench.applied()), (rows(&[("a", "2"), ("b", "3")]), 3));
    }
}

#[test]
fn partitions_are_given_up_behind_the_write_that_is_under_way() {
    let bench = Bench::new(1);
    let mut replicator = writing(&bench);
    bench.write(0, &[("a", Some("2"))]);
    bench.turn(&mut replicator, 3);
    bench.revoke(&[0]);
    bench.turn(&mut replicator, 1);
    assert_eq!((bench.rows(), bench.position(0)), (rows(&[("a", "1")]), Some(Offset(1))));
    assert_eq!(replicator.figures().records(), 1);
}

#[test]
fn what_is_under_way_lands_before_it_ends() {
    let bench = Bench::new(1);
    let replicator = writing(&bench);
    let stop = millstream_runtime::Stop::new();
    stop.set();
    replicator.run(&stop).unwrap();
    assert_eq!((bench.rows(), bench.applied()), (rows(&[("a", "1")]), 1));
}

/// Whatever happens, each record counts once, and the last word on a key stands.
#[test]
fn a_table_follows_its_topic_through_everything() {
    for seed in 1..=300_u64 {
        let mut chance = seed;
        let mut below = |bound: u64| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (chance >> 33) % bound
        };
        let bench = Bench::new(2);
        let mut replicator = bench.replicator();
        let (mut model, mut count, mut refused) = (BTreeMap::new(), 0, 0);
        for step in 0..200 {
            match below(12) {
                0 => bench.fail_next(Fault::Retry),
                1 => bench.fail_next(Fault::LandsUnseen),
                2 => bench.is_slow(below(2) == 0),
                3 => bench.registry_is_down(below(3) == 0),
                4 => {
                    bench.revoke(&[0, 1]);
                    bench.assign(&[Partition::new(0), Partition::new(1)]);
                }
                _ => {
                    let partition = below(2);
                    let key = format!("{partition}-{}", below(5));
                    let value = match below(20) {
                        0 => "refused".to_owned(),
                        1 | 2 => "later".to_owned(),
                        _ => step.to_string(),
                    };
                    let value = (below(6) > 0).then_some(value);
                    bench.write(usize::try_from(partition).unwrap(), &[(&key, value.as_deref())]);
                    if value.as_deref() == Some("refused") {
                        refused += 1;
                    } else {
                        count += 1;
                        match value {
                            Some(value) => model.insert(key, value),
                            None => model.remove(&key),
                        };
                    }
                }
            }
            bench.turn(&mut replicator, usize::try_from(below(3)).unwrap());
        }
        bench.registry_is_down(false);
        bench.is_slow(false);
        bench.settle(&mut replicator);
        assert_eq!((bench.rows(), bench.applied()), (model, count), "seed {seed}");
        // Who takes a partition over does not know which letters were sent for it.
        let letters: BTreeSet<_> =
            bench.letters().into_iter().map(|letter| (letter.partition, letter.offset)).collect();
        assert_eq!(letters.len(), refused, "seed {seed}");
    }
}
