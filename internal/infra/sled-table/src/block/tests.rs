use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::any;

use super::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn packed(entries: &Model) -> Packer {
    let mut packer = Packer::default();
    entries.iter().for_each(|(key, value)| packer.push(key, value));
    packer
}

fn read(block: &[u8]) -> Model {
    Block::new(block).map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect()
}

proptest::proptest! {
    #[test]
    fn a_merge_is_a_maps(
        before in btree_map(vec(0_u8..4, 0..4), vec(any::<u8>(), 0..200), 0..40),
        changes in btree_map(vec(0_u8..4, 0..4), option::of(vec(any::<u8>(), 0..5_000)), 0..40),
    ) {
        let (old, mut packer) = (packed(&before), Packer::default());
        let mut wanted = changes.iter().map(|(key, value)| (key.as_slice(), value.as_deref())).peekable();
        packer.merge(Block::new(&old.bytes), &mut wanted).unwrap();
        packer.push_while(&mut wanted, |_| true);
        let mut model = before;
        for (key, value) in changes {
            match value {
                Some(value) => drop(model.insert(key, value)),
                None => drop(model.remove(&key)),
            }
        }
        let blocks = packer.blocks();
        let all: Model = blocks.iter().flat_map(|(_, block)| read(block)).collect();
        assert_eq!(all, model);
        for (first, block) in blocks {
            let entries = read(block);
            assert_eq!(entries.keys().next().unwrap(), first, "a block is found by its first key");
            assert!(block.len() <= BYTES_MAX || entries.len() == 1, "{} bytes", block.len());
            for key in model.keys() {
                let found = Block::new(block).get(key).unwrap();
                assert_eq!(found, entries.get(key).map(Vec::as_slice));
            }
        }
    }

    #[test]
    fn whatever_bytes_there_are_a_read_ends_and_what_it_gives_is_in_order(bytes in vec(any::<u8>(), 0..60)) {
        let entries: Vec<_> = Block::new(&bytes).map_while(Result::ok).collect();
        assert!(entries.is_sorted_by(|(key, _), (next, _)| key < next));
        let _ = Block::new(&bytes).get(b"k");
    }
}

#[test]
fn what_is_cut_is_cut_evenly_and_keeps_room() {
    let entries = (0..1_000_u32).map(|key| (key.to_be_bytes().to_vec(), vec![7; 94])).collect();
    let packer = packed(&entries);
    let lengths: Vec<_> = packer.blocks().iter().map(|(_, block)| block.len()).collect();
    assert_eq!(lengths.iter().sum::<usize>(), 100_000);
    assert!(lengths.iter().all(|length| (BYTES_MAX / 2..BYTES_MAX).contains(length)), "{lengths:?}");
}

#[test]
fn few_entries_go_with_their_neighbours() {
    let packer = packed(&BTreeMap::from([(b"k".to_vec(), b"v".to_vec())]));
    assert!(packer.goes_with(100) && !packer.goes_with(BYTES_CUT));
    assert!(Packer::default().blocks().is_empty());
}

#[test]
fn what_is_cut_off_or_out_of_order_is_no_block() {
    let whole = packed(&BTreeMap::from([(b"a".to_vec(), vec![1; 200]), (b"b".to_vec(), vec![2; 3])])).bytes;
    for end in 1..whole.len() {
        let first_ends = 3 + 1 + 200;
        let is_whole = Block::new(&whole[..end]).all(|entry| entry.is_ok());
        assert_eq!(is_whole, end == first_ends, "cut at {end}");
    }
    let mut packer = Packer::default();
    for key in [b"b", b"a"] {
        packer.push(key, b"");
    }
    assert!(Block::new(&packer.bytes).any(|entry| entry.is_err()));
    assert!(Block::new(&[0x80; 20]).all(|entry| entry.is_err()), "a length that does not end");
}
