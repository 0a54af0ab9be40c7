use std::collections::BTreeMap;

use super::*;

fn entry(offset: i64, text: &str) -> Entry {
    Entry { offset, ..Entry::new(text, &BTreeMap::new(), offset) }
}

fn book(entries: &[Entry]) -> Book {
    let mut book = Book::new("default", &Functions::default());
    for entry in entries {
        let _ = book.apply(entry, &formats());
    }
    book
}

/// What a book comes to, for comparison.
fn state(book: &Book) -> (Vec<String>, Vec<(String, String, bool)>) {
    let sources = book.catalog.sources().map(|source| format!("{source:?}")).collect();
    let queries = book.queries.values();
    (sources, queries.map(|query| (query.id.clone(), query.text.clone(), query.is_paused)).collect())
}

fn history() -> Vec<Entry> {
    let texts = [
        EVENTS,
        SUMS,
        "PAUSE CTAS_SUMS_1",
        "CREATE TABLE sums AS SELECT kind, COUNT(*) AS n FROM events GROUP BY kind",
        "CREATE STREAM big AS SELECT id, amount FROM events WHERE amount > 5",
        "INSERT INTO big SELECT id, amount FROM events WHERE amount < -5",
        "DROP STREAM big",
        "TERMINATE INSERTQUERY_5",
        "RESUME ALL",
        "CREATE OR REPLACE STREAM big AS SELECT id, amount, kind FROM events WHERE amount > 7",
        "DROP TABLE sums",
        "CREATE TYPE t AS INT",
        "DROP TYPE t",
        "DROP STREAM big",
        "CREATE STREAM big AS SELECT id, kind FROM events WHERE amount > 9",
        "PAUSE ALL",
        SUMS,
        "ALTER STREAM events ADD COLUMN more INT",
    ];
    let mut all: Vec<_> =
        texts.iter().enumerate().map(|(offset, text)| entry(i64::try_from(offset).unwrap(), text)).collect();
    all[9].query = Some("CSAS_BIG_4".to_owned());
    all
}

/// Whatever part of what may be taken out has been taken out, in its order, the book comes to the same.
#[test]
fn what_is_taken_out_changes_nothing() {
    let entries = history();
    let whole = book(&entries);
    let removable = whole.removable();
    assert!(removable.len() >= 8, "{removable:?}");
    for count in 0..=removable.len() {
        let gone = &removable[..count];
        let left: Vec<_> = entries.iter().filter(|entry| !gone.contains(&entry.key)).cloned().collect();
        assert_eq!(state(&book(&left)), state(&whole), "without the first {count}");
    }
}

/// As the history goes on, each state is the same for one who reads only what is left.
#[test]
fn every_state_on_the_way_is_kept_by_what_is_left() {
    let entries = history();
    for end in 0..=entries.len() {
        let so_far = &entries[..end];
        let whole = book(so_far);
        let removable = whole.removable();
        let left: Vec<_> = so_far.iter().filter(|entry| !removable.contains(&entry.key)).cloned().collect();
        assert_eq!(state(&book(&left)), state(&whole), "after {end}");
    }
}

#[test]
fn of_two_that_do_not_go_together_the_later_one_is_refused() {
    let mut book = book(&[entry(0, EVENTS)]);
    let other = Entry { offset: 2, seen: 1, ..entry(2, "CREATE STREAM x AS SELECT id, kind FROM events") };
    book.apply(&entry(1, "CREATE STREAM x AS SELECT id, amount FROM events"), &formats()).unwrap();
    assert!(book.apply(&other, &formats()).is_err());
    assert_eq!(book.garbage, [other.key], "it was right when it was looked at, and can go");
    assert!(book.broken.is_empty());
}

#[test]
fn a_statement_that_is_not_understood_any_more_is_told_and_kept() {
    let mut book =
        book(&[entry(0, EVENTS), entry(1, "CREATE STREAM x AS SELECT UNHEARD_OF(id) FROM events")]);
    assert_eq!(book.broken.len(), 1);
    assert!(book.broken[0].reason.contains("UNHEARD_OF") && book.garbage.is_empty());
    book.apply(&entry(2, SUMS), &formats()).unwrap();
    assert_eq!(book.queries.len(), 1, "and what comes after it counts");
}
