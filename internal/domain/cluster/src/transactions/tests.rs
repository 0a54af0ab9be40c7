use super::*;

const PART: fn() -> Part = || Part::Partition("t".to_owned(), 0);

fn begun(transactions: &mut Transactions, id: &str) -> Grant {
    let grant = transactions.init(id, 1_000, None).unwrap().unwrap();
    assert!(transactions.add(100, id, grant, [PART()]).unwrap());
    grant
}

#[test]
fn an_end_is_decided_once_and_may_be_asked_for_again() {
    for commit in [true, false] {
        let mut transactions = Transactions::default();
        let grant = begun(&mut transactions, "a");
        assert!(!transactions.add(200, "a", grant, [PART()]).unwrap(), "it holds it already");
        let ending = transactions.end("a", grant, commit).unwrap().unwrap();
        assert_eq!((ending.commit, ending.grant, ending.parts), (commit, grant, [PART()].into()));
        assert_eq!(transactions.end("a", grant, commit), Err(Fault::ConcurrentTransactions));
        assert_eq!(transactions.end("a", grant, !commit), Err(Fault::InvalidTxnState));
        assert_eq!(transactions.add(200, "a", grant, [PART()]), Err(Fault::ConcurrentTransactions));
        assert_eq!(transactions.init("a", 1_000, None), Err(Fault::ConcurrentTransactions));
        assert_eq!(transactions.unwritten().len(), 1);
        transactions.ended("a");
        assert!(transactions.unwritten().is_empty());
        assert_eq!(transactions.end("a", grant, commit), Ok(None));
        assert_eq!(transactions.end("a", grant, !commit), Err(Fault::InvalidTxnState));
        assert_eq!(transactions.holds("a", grant, &PART()), Err(Fault::InvalidTxnState));
    }
}

#[test]
fn a_newer_producer_takes_back_what_the_older_left_and_fences_it() {
    let mut transactions = Transactions::default();
    let old = begun(&mut transactions, "a");
    let ending = transactions.init("a", 1_000, None).unwrap().unwrap_err();
    assert!(!ending.commit && ending.grant.epoch > old.epoch);
    transactions.ended("a");
    let new = transactions.init("a", 1_000, None).unwrap().unwrap();
    assert_eq!(new.producer, old.producer);
    assert!(new.epoch > ending.grant.epoch);
    for refused in [
        transactions.add(0, "a", old, [PART()]).map(|_| ()),
        transactions.end("a", old, true).map(|_| ()),
        transactions.init("a", 1_000, Some(old)).map(|_| ()),
        transactions.holds("a", old, &PART()),
    ] {
        assert_eq!(refused, Err(Fault::ProducerFenced));
    }
    let stranger = Grant { producer: old.producer + 1, epoch: 0 };
    assert_eq!(transactions.end("a", stranger, true), Err(Fault::InvalidMapping));
}

#[test]
fn one_that_is_open_for_too_long_is_taken_back() {
    let mut transactions = Transactions::default();
    let grant = begun(&mut transactions, "a");
    let other = begun(&mut transactions, "b");
    transactions.end("b", other, true).unwrap();
    assert_eq!(transactions.next_deadline(), Some(1_100));
    assert_eq!(transactions.expire(1_099), []);
    let endings = transactions.expire(1_100);
    assert_eq!(endings.len(), 1);
    assert!(!endings[0].commit && endings[0].id == "a");
    assert_eq!(transactions.end("a", grant, true), Err(Fault::ProducerFenced));
}

#[test]
fn a_producer_may_ask_for_its_next_epoch_twice() {
    let mut transactions = Transactions::default();
    let first = transactions.init("a", 1_000, None).unwrap().unwrap();
    let second = transactions.init("a", 1_000, Some(first)).unwrap().unwrap();
    assert_eq!(transactions.init("a", 1_000, Some(first)).unwrap().unwrap(), second, "it had not heard");
    let third = transactions.init("a", 1_000, Some(second)).unwrap().unwrap();
    assert!(first.epoch < second.epoch && second.epoch < third.epoch);
    assert_eq!(transactions.init("a", 1_000, Some(first)), Err(Fault::ProducerFenced));
}

#[test]
fn epochs_that_run_out_are_followed_by_a_new_producer() {
    let mut transactions = Transactions::default();
    let first = transactions.init("a", 1_000, None).unwrap().unwrap();
    let mut last = first;
    while last.producer == first.producer {
        assert!(last.epoch <= EPOCH_MAX);
        last = transactions.init("a", 1_000, None).unwrap().unwrap();
    }
    assert_eq!(last.epoch, 0);
    let recalled = Transactions::recall(transactions.known.clone(), 0);
    assert_eq!(recalled.next_producer(), last.producer + 1);
}

#[test]
fn timeouts_out_of_range_are_refused() {
    for timeout_ms in [0, -1, TIMEOUT_MS_MAX + 1] {
        assert_eq!(Transactions::default().init("a", timeout_ms, None), Err(Fault::InvalidTimeout));
    }
}
