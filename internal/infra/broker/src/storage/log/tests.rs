use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::storage::records::tests::encode;

fn settings(pairs: &[(&str, &str)]) -> Arc<TopicSettings> {
    let explicit = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Arc::new(TopicSettings::of(&explicit.collect()))
}

fn open(dir: &TempDir, pairs: &[(&str, &str)]) -> Log {
    Log::open(dir.path(), settings(pairs), false).unwrap()
}

/// A batch of records with times ten apart from `timestamp` on.
fn batch_of(count: i32, timestamp: i64, producer: i64, sequence: i32) -> (Head, Vec<u8>) {
    let records: Vec<_> =
        (0..count).flat_map(|delta| encode(delta, Some(b"key"), Some(b"some value"))).collect();
    let head = Head {
        base_offset: 0,
        size: 0,
        checksum: 0,
        attributes: if producer >= 0 { 1 << 4 } else { 0 },
        last_delta: count - 1,
        base_timestamp: timestamp,
        max_timestamp: timestamp + i64::from(count - 1) * 10,
        producer,
        epoch: 0,
        sequence,
        count,
    };
    let bytes = batch::write(&head, &records);
    (Head::read_proven(&bytes).unwrap(), bytes)
}

fn append(log: &mut Log, count: i32, timestamp: i64) -> i64 {
    let (head, mut batch) = batch_of(count, timestamp, -1, -1);
    log.append(&head, &mut batch, 0).unwrap()
}

impl Log {
    /// All batches from an offset to a limit.
    pub(crate) fn stretch(&self, offset: i64, limit: i64) -> io::Result<Option<Stretch>> {
        self.part(offset, limit, usize::MAX, true)
    }
}

/// Base offsets and sizes of what is read from an offset on.
fn read_all(log: &Log, from: i64) -> Vec<(i64, i32)> {
    let (mut offset, mut batches) = (from, Vec::new());
    while let Some(stretch) = log.stretch(offset, log.next()).unwrap() {
        let bytes = stretch.read(1, true).unwrap();
        let head = Head::read_proven(&bytes).unwrap();
        batches.push((head.base_offset, head.count));
        offset = head.last_offset() + 1;
    }
    batches
}

#[test]
fn what_was_appended_is_read_from_any_offset_and_found_again() {
    let dir = TempDir::new().unwrap();
    let mut log = open(&dir, &[("segment.bytes", "2000")]);
    let mut expected = Vec::new();
    for number in 0..100 {
        let count = number % 7 + 1;
        expected.push((append(&mut log, count, 0), count));
    }
    assert!(log.segments.len() > 3, "several segments");
    let check = |log: &Log| {
        for from in 0..log.next() {
            let rest = expected.iter().filter(|(base, count)| base + i64::from(*count) > from);
            assert!(read_all(log, from).iter().eq(rest), "from {from}");
        }
        assert_eq!(read_all(log, log.next()), []);
    };
    check(&log);
    drop(log);
    let mut log = open(&dir, &[]);
    check(&log);
    log.close().unwrap();
    check(&open(&dir, &[]));
}

#[test]
fn a_read_stops_at_its_limit_and_at_its_size() {
    let dir = TempDir::new().unwrap();
    let mut log = open(&dir, &[]);
    let sizes: Vec<_> = (0..10).map(|_| append(&mut log, 5, 0)).collect();
    assert_eq!(sizes.last(), Some(&45));
    let one = log.stretch(0, 5).unwrap().unwrap().read(usize::MAX, true).unwrap();
    let whole = log.stretch(0, 50).unwrap().unwrap();
    assert_eq!(whole.read(usize::MAX, true).unwrap().len(), 10 * one.len());
    for (max, first, batches) in
        [(0, true, 1), (0, false, 0), (one.len() - 1, false, 0), (one.len() * 3 + 1, false, 3)]
    {
        assert_eq!(whole.read(max, first).unwrap().len(), batches * one.len(), "{max} {first}");
        let part = log.part(0, 50, max, first).unwrap();
        assert_eq!(part.map_or(0, |part| part.size()), batches * one.len(), "{max} {first}");
    }
    assert_eq!(log.stretch(20, 30).unwrap().unwrap().read(usize::MAX, true).unwrap().len(), 2 * one.len());
}

#[test]
fn a_part_is_as_many_whole_batches_as_fit() {
    let dir = TempDir::new().unwrap();
    let mut log = open(&dir, &[]);
    let mut ends = vec![0];
    for number in 0..300 {
        append(&mut log, number % 40 + 1, 0);
        ends.push(log.active.size);
    }
    let offsets: Vec<_> = read_all(&log, 0).iter().map(|(base, _)| *base).collect();
    for (from, offset) in offsets.iter().enumerate().step_by(7) {
        for max in (0..40_000).step_by(997) {
            let fitting = ends.iter().filter(|end| **end > ends[from] && **end - ends[from] <= max as u64);
            let expected = fitting.max().map_or(0, |end| *end - ends[from]);
            let part = log.part(*offset, log.next(), max, false).unwrap();
            assert_eq!(part.map_or(0, |part| part.size() as u64), expected, "{max} from {offset}");
        }
    }
}

#[test]
fn a_torn_end_is_cut_and_all_before_it_stays() {
    let dir = TempDir::new().unwrap();
    let mut log = open(&dir, &[]);
    append(&mut log, 3, 0);
    append(&mut log, 3, 0);
    let (path, size) = (Segment::path_of(dir.path(), 0), log.active.size);
    drop(log);
    let whole = fs::read(&path).unwrap();
    let half = size / 2;
    for cut in half + 1..size {
        fs::write(&path, &whole[..usize::try_from(cut).unwrap()]).unwrap();
        let mut log = open(&dir, &[]);
        assert_eq!((log.next(), log.active.size), (3, half), "{cut} bytes");
        assert_eq!(append(&mut log, 1, 0), 3);
    }
    fs::write(&path, &whole).unwrap();
    OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"?", half + 70).unwrap();
    assert_eq!(open(&dir, &[]).next(), 3, "a batch that was damaged is none");
}

#[test]
fn records_are_found_by_their_time() {
    let dir = TempDir::new().unwrap();
    let mut log = open(&dir, &[("segment.bytes", "1024")]);
    for number in 0..50 {
        // Times that rise, but not always.
        append(&mut log, 3, 1_000 + number * 100 - (number % 5) * 150);
    }
    let times: Vec<_> = (0..50)
        .flat_map(|number| (0..3).map(move |delta| 1_000 + number * 100 - (number % 5) * 150 + delta * 10))
        .collect();
    for timestamp in (0..6_500).step_by(7) {
        let expected = times.iter().position(|time| *time >= timestamp);
        let found = log.find_time(timestamp, log.next()).unwrap();
        assert_eq!(
            found.map(|moment| moment.offset),
            expected.map(|at| i64::try_from(at).unwrap()),
            "{timestamp}"
        );
    }
    let latest = times.iter().copied().max().unwrap();
    let found = log.find_latest_time().unwrap().unwrap();
    assert_eq!((found.timestamp, times[usize::try_from(found.offset).unwrap()]), (latest, latest));
}

#[test]
fn what_is_deleted_from_the_front_stays_deleted() {
    let dir = TempDir::new().unwrap();
    let mut log = open(&dir, &[("segment.bytes", "1024")]);
    for number in 0..30 {
        append(&mut log, 4, number);
    }
    let files = log.segments.len();
    assert_eq!(log.delete_before(61).unwrap(), 61);
    assert!(log.segments.len() < files);
    assert_eq!(log.delete_before(10).unwrap(), 61, "it never goes back");
    let mut log = open(&dir, &[]);
    assert_eq!((log.start(), log.next()), (61, 120));
    assert_eq!(read_all(&log, 61).first(), Some(&(60, 4)), "a batch is sent whole");
    log.delete_before(120).unwrap();
    assert_eq!((open(&dir, &[]).start(), open(&dir, &[]).next()), (120, 120));
}

#[test]
fn segments_are_closed_by_the_time_between_their_records() {
    let dir = TempDir::new().unwrap();
    let mut log = open(&dir, &[("segment.ms", "1000"), ("cleanup.policy", "compact")]);
    for _ in 0..50 {
        append(&mut log, 1, 5_000);
    }
    assert!(log.segments.is_empty(), "records of long ago are no reason");
    append(&mut log, 1, 7_000);
    assert_eq!(log.segments.len(), 1);
    log.roll_if_old(900).unwrap();
    assert_eq!(log.segments.len(), 1);
    log.roll_if_old(1_100).unwrap();
    assert_eq!(log.segments.len(), 2, "what is open for long is closed, so that it can be compacted");
}

#[test]
fn old_and_surplus_segments_are_removed() {
    let fill = |pairs: &[(&str, &str)]| {
        let dir = TempDir::new().unwrap();
        let all: Vec<_> = pairs.iter().copied().chain([("segment.bytes", "1024")]).collect();
        let mut log = open(&dir, &all);
        for number in 0..30 {
            append(&mut log, 4, number * 1_000);
        }
        (dir, log)
    };
    let (_dir, mut log) = fill(&[("retention.ms", "10000")]);
    log.retain(30_000).unwrap();
    let first = log.find_time(0, log.next()).unwrap().unwrap();
    assert!((12_000..20_040).contains(&first.timestamp), "{first:?}");
    log.retain(1_000_000).unwrap();
    assert_eq!((log.start(), log.next(), log.size()), (120, 120, 0), "all are too old");

    let (_dir, mut log) = fill(&[("retention.ms", "-1"), ("retention.bytes", "3000")]);
    log.retain(1_000_000).unwrap();
    assert!((3_000..4_100).contains(&log.size()), "{}", log.size());

    let (_dir, mut log) = fill(&[("retention.ms", "1"), ("cleanup.policy", "compact")]);
    log.retain(1_000_000).unwrap();
    assert_eq!(log.start(), 0);
}

#[test]
fn producers_and_their_transactions_are_known_after_a_crash_and_after_a_clean_stop() {
    for clean in [true, false] {
        let dir = TempDir::new().unwrap();
        let mut log = open(&dir, &[("segment.bytes", "1024")]);
        let mut sequence = 0;
        let mut send = |log: &mut Log, producer: i64| {
            let (head, mut batch) = batch_of(5, 0, producer, sequence);
            sequence += if producer == 1 { 5 } else { 0 };
            log.append(&head, &mut batch, 0).unwrap()
        };
        for _ in 0..12 {
            send(&mut log, 1);
        }
        let mut marker = batch::marker(1, 0, false, 0);
        let end = log.append(&Head::read(&marker).unwrap(), &mut marker, 0).unwrap();
        let open_from = send(&mut log, 1);
        for _ in 0..8 {
            send(&mut log, 1);
        }
        if clean {
            log.close().unwrap();
        }
        let timeless = |log: &Log| {
            let known = log.producers().remember().into_iter();
            let known: Vec<_> = known.map(|each| millstream_cluster::Remembered { at: 0, ..each }).collect();
            (known, log.producers().aborted().to_vec())
        };
        let known = timeless(&log);
        drop(log);
        let log = open(&dir, &[]);
        assert_eq!(timeless(&log), known, "clean: {clean}");
        assert_eq!(log.stable(), open_from);
        assert_eq!(log.producers().aborted_between(0, 1)[0].last_offset, end);
    }
}

proptest! {
    // Each case writes files.
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is appended, cut off and opened again, reading gives what a plain list would.
    #[test]
    fn a_log_reads_as_a_list_does(steps in proptest::collection::vec((1..20_i32, 0..8_u8), 1..60)) {
        let dir = TempDir::new().unwrap();
        let pairs = [("segment.bytes", "1024")];
        let mut log = open(&dir, &pairs);
        let mut model = Vec::new();
        for (count, what) in steps {
            match what {
                0 => { log.close().unwrap(); log = open(&dir, &pairs); }
                1 => log = open(&dir, &pairs),
                2 => {
                    let to = log.start() + (log.next() - log.start()) / 3;
                    log.delete_before(to).unwrap();
                }
                _ => model.push((append(&mut log, count, 0), count)),
            }
            let left = model.iter().filter(|(base, count)| base + i64::from(*count) > log.start());
            prop_assert!(read_all(&log, log.start()).iter().eq(left));
        }
    }
}
