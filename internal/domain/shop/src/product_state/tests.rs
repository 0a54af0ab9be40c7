use std::collections::{BTreeMap, BTreeSet};

use millstream_model::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::{Currency, Image, ImageSet, Money, ProductId, Stock, StoreId};

fn product(declared: u32, urls: &[u8], updated_at: i64) -> Product {
    let image = |url: &u8| Image { url: url.to_string(), alt: updated_at.to_string() };
    Product {
        id: ProductId::new("p-1").unwrap(),
        name: "Oak desk lamp".into(),
        description: String::new(),
        price: Money::from_hundredths(100 + updated_at, Currency::EUR).unwrap(),
        category: "Lighting".into(),
        brand: String::new(),
        stock: Stock::default(),
        sku: String::new(),
        tags: Vec::new(),
        images: ImageSet::new(declared, urls.iter().map(image).collect()),
        specifications: BTreeMap::new(),
        created_at: Timestamp(0),
        updated_at: Timestamp(updated_at),
        store_id: StoreId::new("s-1").unwrap(),
    }
}

fn urls(product: &Product) -> Vec<&str> {
    product.images.images().iter().map(|image| image.url.as_str()).collect()
}

#[test]
fn the_record_that_brings_the_last_image_completes_the_set() {
    let mut slot = None;
    assert_eq!(ProductState::observe(&mut slot, product(3, &[1], 1), Offset(10)).became_complete, None);
    assert_eq!(ProductState::observe(&mut slot, product(3, &[2], 2), Offset(12)).became_complete, None);
    let observation = ProductState::observe(&mut slot, product(3, &[3], 3), Offset(19));
    let complete = observation.became_complete.unwrap();
    assert_eq!(urls(complete), ["1", "2", "3"]);
    assert_eq!(complete.updated_at, Timestamp(3));
}

#[test]
fn a_completed_product_is_not_completed_again_by_later_versions() {
    let mut slot = None;
    assert!(ProductState::observe(&mut slot, product(1, &[1], 1), Offset(0)).became_complete.is_some());
    for (declared, images, at) in [(1, vec![1], 1), (3, vec![1], 2), (3, vec![2, 3], 3)] {
        let version = product(declared, &images, at);
        assert_eq!(ProductState::observe(&mut slot, version, Offset(at)).became_complete, None);
    }
    assert_eq!(slot.unwrap().seen(), 4);
}

#[test]
fn an_older_version_gives_its_images_and_nothing_else() {
    let mut slot = None;
    ProductState::observe(&mut slot, product(2, &[1], 9), Offset(0));
    let observation = ProductState::observe(&mut slot, product(1, &[1, 2], 5), Offset(1));
    let complete = observation.became_complete.unwrap();
    assert_eq!((complete.updated_at, complete.price.hundredths()), (Timestamp(9), 109));
    let alts: Vec<_> = complete.images.images().iter().map(|image| image.alt.as_str()).collect();
    assert_eq!(alts, ["9", "5"]);
}

#[test]
fn a_redelivery_changes_nothing_and_completes_again() {
    let mut slot = None;
    ProductState::observe(&mut slot, product(2, &[1], 1), Offset(4));
    ProductState::observe(&mut slot, product(2, &[2], 2), Offset(5));
    let before = slot.clone();
    for (at, completes) in [(4, false), (5, true), (5, true), (3, false)] {
        let observation = ProductState::observe(&mut slot, product(2, &[1, 2], 3), Offset(at));
        assert!(observation.redelivered);
        assert_eq!(observation.became_complete.is_some(), completes, "offset {at}");
    }
    assert_eq!(slot, before);
}

/// One message of the model: a declared count, the images it brings and when it was made.
type Message = (u32, Vec<u8>, i64);

/// What the first `count` messages, each taken once, come to; by looking at all of them each time.
fn latest(log: &[Message], count: usize) -> &Message {
    let mut latest = &log[0];
    for message in &log[..count] {
        if message.2 >= latest.2 {
            latest = message;
        }
    }
    latest
}

fn all_urls(log: &[Message], count: usize) -> BTreeSet<u8> {
    log[..count].iter().flat_map(|message| message.1.iter().copied()).collect()
}

fn completing(log: &[Message]) -> Option<usize> {
    (0..log.len()).find(|&at| all_urls(log, at + 1).len() >= latest(log, at + 1).0 as usize)
}

/// Delivers the log with rewinds: each step goes on by one, or back first. Gives the offsets in order of delivery.
fn deliveries(length: usize, rewinds: &[(usize, usize)]) -> Vec<usize> {
    let mut order = Vec::new();
    let mut next = 0;
    let mut rewinds = rewinds.iter();
    while next < length {
        order.push(next);
        next += 1;
        if let Some((_, back)) = rewinds.next().filter(|(chance, _)| chance % 3 == 0) {
            next = next.saturating_sub(*back);
        }
    }
    order
}

proptest! {
    #[test]
    fn the_state_is_that_of_each_record_once_however_often_it_comes(
        log in prop::collection::vec((0u32..6, prop::collection::vec(0u8..6, 0..4), 0i64..8), 1..12),
        rewinds in prop::collection::vec((0usize..3, 0usize..8), 0..24),
    ) {
        let completing = completing(&log);
        let mut slot = None;
        let mut furthest = 0;
        for at in deliveries(log.len(), &rewinds) {
            let (declared, images, updated_at) = &log[at];
            let version = product(*declared, images, *updated_at);
            let observation = ProductState::observe(&mut slot, version, Offset(i64::try_from(at).unwrap()));
            prop_assert_eq!(observation.redelivered, at < furthest);
            prop_assert_eq!(observation.became_complete.is_some(), completing == Some(at));
            furthest = furthest.max(at + 1);
            let state = slot.as_ref().unwrap();
            prop_assert_eq!(state.seen(), furthest as u64);
            prop_assert_eq!(state.product().updated_at.0, latest(&log, furthest).2);
            prop_assert_eq!(state.product().images.declared(), latest(&log, furthest).0);
            let known: BTreeSet<u8> = urls(state.product()).iter().map(|url| url.parse().unwrap()).collect();
            prop_assert_eq!(known.len(), state.product().images.images().len());
            prop_assert_eq!(known, all_urls(&log, furthest));
        }
    }
}
