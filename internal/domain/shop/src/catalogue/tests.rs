use std::collections::{BTreeMap, HashMap};

use millstream_model::Offset;
use proptest::prelude::*;

use super::*;
use crate::{Case, Currency, NameFilter, ProductState};

fn catalogue(seed: u64, stores: u32, products: u64) -> Vec<Emission> {
    Catalogue::new(seed, NonZeroU32::new(stores).unwrap(), products).collect()
}

#[test]
fn the_products_of_a_seed_are_the_same_in_every_version() {
    insta::assert_debug_snapshot!(catalogue(22, 3, 4));
}

#[test]
fn another_seed_gives_other_products() {
    assert_ne!(catalogue(1, 3, 5), catalogue(2, 3, 5));
}

#[test]
fn a_longer_catalogue_begins_with_the_same_products() {
    let ids = |products| -> Vec<_> {
        let firsts = catalogue(5, 3, products).into_iter().filter(|e| e.kind != EmissionKind::Completion);
        firsts.map(|emission| emission.product.id).collect()
    };
    assert_eq!(ids(50), ids(200)[..50]);
}

#[test]
fn names_repeat_and_a_search_hits() {
    let emissions = catalogue(42, 6, 1000);
    let mut by_name: BTreeMap<&str, u32> = BTreeMap::new();
    for emission in emissions.iter().filter(|e| e.kind != EmissionKind::Completion) {
        *by_name.entry(&emission.product.name).or_default() += 1;
    }
    let repeated: u32 = by_name.values().filter(|count| **count > 1).sum();
    assert!(repeated > 900, "{repeated} of 1000 share their name");
    assert!((150..400).contains(&by_name.len()), "{} names", by_name.len());
    for text in ["lamp", "OAK", "лампа"] {
        let filter = NameFilter::new(text, Case::Insensitive);
        assert!(by_name.keys().filter(|name| filter.passes(name)).count() > 0, "{text}");
    }
    assert!(by_name["Oak desk lamp"] >= 2);
}

#[test]
fn about_one_in_seven_is_incomplete_at_first() {
    let count = |emissions: &[Emission], kind| emissions.iter().filter(|e| e.kind == kind).count();
    let emissions = catalogue(42, 3, 10_000);
    let partial = count(&emissions, EmissionKind::Partial);
    assert!((1000..1500).contains(&partial), "{partial} of 10000");
    assert_eq!(partial + count(&emissions, EmissionKind::Whole), 10_000);
    assert!(count(&emissions, EmissionKind::Completion) >= partial);
}

#[test]
fn every_store_sells_and_keeps_to_its_currency() {
    let mut currencies: BTreeMap<String, Currency> = BTreeMap::new();
    for Emission { product, .. } in catalogue(3, 4, 500) {
        let currency = product.price.currency();
        let known = *currencies.entry(product.store_id.to_string()).or_insert(currency);
        assert_eq!(known, currency);
    }
    let expected =
        [("01", Currency::EUR), ("02", Currency::USD), ("03", Currency::RUB), ("04", Currency::EUR)];
    assert_eq!(currencies, expected.map(|(number, currency)| (format!("store-{number}"), currency)).into());
}

#[test]
fn the_beginning_moves_every_time_and_nothing_else() {
    let stores = NonZeroU32::new(2).unwrap();
    let shifted = Catalogue::new(9, stores, 30).starting_at(Timestamp(BEGINNING.0 + 1000));
    for (mut moved, original) in shifted.zip(Catalogue::new(9, stores, 30)) {
        moved.product.updated_at.0 -= 1000;
        moved.product.created_at.0 -= 1000;
        assert_eq!(moved, original);
    }
}

/// How far a completion may trail the first message of its product: other completions come in between.
fn furthest_gap(emissions: &[Emission]) -> usize {
    let mut firsts = HashMap::new();
    let gap =
        |(at, emission): (usize, &Emission)| at - *firsts.entry(emission.product.id.clone()).or_insert(at);
    emissions.iter().enumerate().map(gap).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_product_becomes_complete_exactly_once(seed: u64, stores in 1u32..9, products in 0u64..120) {
        let emissions = catalogue(seed, stores, products);
        prop_assert!(furthest_gap(&emissions) <= 4 * COMPLETION_DELAY_MAX as usize);
        let mut states: HashMap<String, Option<ProductState>> = HashMap::new();
        let mut complete = 0;
        let mut before = Timestamp(0);
        for (emission, at) in emissions.into_iter().zip(0..) {
            prop_assert!(emission.product.updated_at > before);
            prop_assert!(emission.product.created_at <= emission.product.updated_at);
            prop_assert_eq!(emission.kind == EmissionKind::Whole, emission.product.images.is_complete());
            before = emission.product.updated_at;
            let slot = states.entry(emission.product.id.to_string()).or_default();
            prop_assert_eq!(slot.is_some(), emission.kind == EmissionKind::Completion);
            let observation = ProductState::observe(slot, emission.product, Offset(at));
            complete += u64::from(observation.became_complete.is_some());
        }
        prop_assert_eq!(complete, products);
        prop_assert_eq!(states.len() as u64, products);
        prop_assert!(states.values().flatten().all(|state| state.product().images.is_complete()));
    }
}
