use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::storage::log::Log;
use crate::storage::records::tests::encode;
use crate::topic_settings::TopicSettings;

/// A key, and a value or none.
type Pair = (u8, Option<u16>);

fn open(dir: &TempDir, pairs: &[(&str, &str)]) -> Partition {
    let always =
        [("cleanup.policy", "compact"), ("segment.bytes", "1024"), ("min.cleanable.dirty.ratio", "0")];
    let all = always.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings = Arc::new(TopicSettings::of(&all.collect()));
    Partition::new(Log::open(dir.path(), settings, false).unwrap())
}

/// Appends a batch; answers its first offset.
fn append(partition: &Partition, pairs: &[Pair], codec: i16, producer: i64) -> i64 {
    let encode = |(delta, (key, value)): (i32, &Pair)| {
        encode(delta, Some(&[*key]), value.map(u16::to_be_bytes).as_ref().map(<[u8; 2]>::as_slice))
    };
    let records: Vec<_> = (0..).zip(pairs).flat_map(encode).collect();
    let count = i32::try_from(pairs.len()).unwrap();
    let head = Head {
        base_offset: 0,
        size: 0,
        checksum: 0,
        attributes: codec | if producer >= 0 { 1 << 4 } else { 0 },
        last_delta: count - 1,
        base_timestamp: 0,
        max_timestamp: 0,
        producer,
        epoch: 0,
        sequence: -1,
        count,
    };
    let mut batch = batch::write(&head, &compression::close(codec, &records).unwrap());
    let head = Head::read_proven(&batch).unwrap();
    partition.log().append(&head, &mut batch, 0).unwrap()
}

fn end(partition: &Partition, producer: i64, commit: bool) {
    let mut marker = batch::marker(producer, 0, commit, 0);
    partition.log().append(&Head::read(&marker).unwrap(), &mut marker, 0).unwrap();
}

/// All records with their offsets, and how many markers there are.
fn read(partition: &Partition) -> (Vec<(i64, Pair)>, usize) {
    let log = partition.log();
    let (mut offset, mut all, mut markers) = (log.start(), Vec::new(), 0);
    while let Some(stretch) = log.stretch(offset, log.next()).unwrap() {
        let batch = stretch.read(1, true).unwrap();
        let head = Head::read_proven(&batch).unwrap();
        offset = head.last_offset() + 1;
        if head.is_control() {
            markers += 1;
            continue;
        }
        let opened = records::open(&head, &batch).unwrap();
        let of = |record: Record<'_>| {
            let value = record.bytes.get(record.bytes.len() - 3..record.bytes.len() - 1).unwrap();
            let value = (!record.is_tombstone).then(|| u16::from_be_bytes(value.try_into().unwrap()));
            (head.base_offset + i64::from(record.offset_delta), (record.key.unwrap()[0], value))
        };
        let records: Vec<_> = records::each(&opened).map(|record| of(record.unwrap())).collect();
        assert_eq!(records.len(), usize::try_from(head.count).unwrap());
        all.extend(records);
    }
    (all, markers)
}

#[test]
fn of_each_key_the_newest_stays_at_its_offset_in_every_compression() {
    for codec in 0..=4 {
        let dir = TempDir::new().unwrap();
        let partition = open(&dir, &[]);
        for round in 0..50_u16 {
            append(
                &partition,
                &[(1, Some(round)), (2, Some(round)), (100 + u8::try_from(round).unwrap(), Some(round))],
                codec,
                -1,
            );
        }
        partition.log().roll().unwrap();
        tidy(&partition, 1_000).unwrap();
        let (records, _) = read(&partition);
        let once: Vec<_> = (0..49)
            .map(|round| (i64::from(round) * 3 + 2, (100 + u8::try_from(round).unwrap(), Some(round))))
            .collect();
        let last = [(147, (1, Some(49))), (148, (2, Some(49))), (149, (149, Some(49)))];
        assert!(records.iter().eq(once.iter().chain(&last)), "codec {codec}: {records:?}");
        drop(partition);
        assert_eq!(read(&open(&dir, &[])).0, records, "and after a restart");
    }
}

#[test]
fn tombstones_stay_for_their_time_and_then_go() {
    let dir = TempDir::new().unwrap();
    let partition = open(&dir, &[("delete.retention.ms", "10000")]);
    append(&partition, &[(1, Some(1)), (2, Some(1)), (1, None)], 0, -1);
    let closed = |partition: &Partition| {
        append(partition, &[(9, Some(9))], 0, -1);
        partition.log().roll().unwrap();
    };
    closed(&partition);
    tidy(&partition, 20_000).unwrap();
    assert_eq!(
        read(&partition).0,
        [(1, (2, Some(1))), (2, (1, None)), (3, (9, Some(9)))],
        "seen once at least"
    );
    closed(&partition);
    tidy(&partition, 9_000).unwrap();
    assert_eq!(read(&partition).0.first(), Some(&(1, (2, Some(1)))));
    assert!(read(&partition).0.contains(&(2, (1, None))), "too young");
    closed(&partition);
    tidy(&partition, 20_000).unwrap();
    assert_eq!(read(&partition).0, [(1, (2, Some(1))), (5, (9, Some(9)))]);
}

#[test]
fn what_was_taken_back_goes_and_what_is_open_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let partition = open(&dir, &[]);
    append(&partition, &[(1, Some(1))], 0, 7);
    end(&partition, 7, true);
    append(&partition, &[(1, Some(2)), (2, Some(2))], 0, 7);
    end(&partition, 7, false);
    partition.log().roll().unwrap();
    let open_from = append(&partition, &[(1, Some(3))], 0, 7);
    partition.log().roll().unwrap();
    append(&partition, &[(1, Some(4))], 0, -1);
    partition.log().roll().unwrap();
    tidy(&partition, 1_000).unwrap();
    let expected = [(0, (1, Some(1))), (open_from, (1, Some(3))), (open_from + 1, (1, Some(4)))];
    assert_eq!(read(&partition), (expected.to_vec(), 0), "the aborted value never supersedes");
    assert_eq!(partition.log().producers().aborted(), [], "and is in no list any more");
    assert_eq!(partition.log().stable(), open_from);
    end(&partition, 7, true);
    partition.log().roll().unwrap();
    tidy(&partition, 1_000).unwrap();
    assert_eq!(read(&partition), (vec![(open_from + 1, (1, Some(4)))], 0));
}

#[test]
fn a_lag_and_a_ratio_are_waited_for() {
    for (settings, now, compacted) in [
        (("min.compaction.lag.ms", "5000"), 4_999, false),
        (("min.compaction.lag.ms", "5000"), 5_000, true),
        (("cleanup.policy", "delete"), 5_000, false),
    ] {
        let dir = TempDir::new().unwrap();
        let partition = open(&dir, &[settings]);
        append(&partition, &[(1, Some(1)), (1, Some(2))], 0, -1);
        partition.log().roll().unwrap();
        tidy(&partition, now).unwrap();
        assert_eq!(read(&partition).0.len() == 1, compacted, "{settings:?} at {now}");
    }
}

proptest! {
    // Each case writes files.
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is written, compacted and opened again: the newest of each key is a plain map's, and offsets never change.
    #[test]
    fn the_newest_of_each_key_is_a_plain_map_s(
        batches in proptest::collection::vec(
            (proptest::collection::vec((0..6_u8, any::<Option<u16>>()), 1..8), 0..5_i16, 0..6_u8), 1..40),
    ) {
        let dir = TempDir::new().unwrap();
        let mut partition = open(&dir, &[("delete.retention.ms", "1000000")]);
        let (mut model, mut offsets) = (BTreeMap::new(), BTreeMap::new());
        for (pairs, codec, then) in batches {
            let base = append(&partition, &pairs, codec, -1);
            for (offset, pair) in (base..).zip(&pairs) {
                model.insert(pair.0, (offset, *pair));
                offsets.insert(offset, *pair);
            }
            match then {
                0 => partition.log().roll().unwrap(),
                1 => tidy(&partition, 10).unwrap(),
                2 => partition = { drop(partition); open(&dir, &[("delete.retention.ms", "1000000")]) },
                _ => {}
            }
            let (records, _) = read(&partition);
            let newest: BTreeMap<_, _> = records.iter().map(|(offset, pair)| (pair.0, (*offset, *pair))).collect();
            prop_assert_eq!(&newest, &model);
            prop_assert!(records.iter().all(|(offset, pair)| offsets.get(offset) == Some(pair)));
        }
    }
}
