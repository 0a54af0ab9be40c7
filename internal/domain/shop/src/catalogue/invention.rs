use std::collections::BTreeMap;
use std::num::NonZeroU32;

use millstream_model::Timestamp;

use super::random::Random;
use super::vocabulary::{CLOSINGS, DEPARTMENTS, Department, PRAISES, TAGS, VIEWS};
use crate::{Currency, Image, ImageSet, Money, Product, ProductId, Stock, StoreId};

const IMAGES_MAX: u32 = 6;
const AGE_SECONDS_MAX: u32 = 90 * 24 * 3600;
/// Roubles to the euro, for prices that look right.
const ROUBLES: u32 = 95;

struct Store {
    number: u32,
    currency: Currency,
}

/// A product with all its images, announced at `now`.
pub(super) fn product(random: &mut Random, stores: NonZeroU32, now: Timestamp) -> Product {
    let store = Store::new(random.below(stores.get()));
    let department: Department = random.pick(DEPARTMENTS);
    let brand = random.pick(department.brands);
    let name = name(random, &department, store.currency);
    let id = id(random);
    Product {
        description: description(random, &name, brand),
        price: price(random, &department, store.currency),
        category: department.name.to_owned(),
        brand: brand.to_owned(),
        stock: Stock { available: random.below(400).into(), reserved: random.below(12).into() },
        sku: format!("{}-{:07}", department.code, random.below(10_000_000)),
        tags: tags(random, &department),
        images: images(random, &id, &name),
        specifications: specifications(random, &department),
        created_at: Timestamp(now.0.saturating_sub(i64::from(random.below(AGE_SECONDS_MAX)) * 1000)),
        updated_at: now,
        store_id: StoreId::made(format!("store-{:02}", store.number)),
        id: ProductId::made(id),
        name,
    }
}

impl Store {
    /// Stores are counted from 1 and take the currencies in turn.
    fn new(index: u32) -> Self {
        let currency = match index % 3 {
            0 => Currency::EUR,
            1 => Currency::USD,
            _ => Currency::RUB,
        };
        Self { number: index.saturating_add(1), currency }
    }
}

/// 128 random bits in the shape of a version 4 UUID.
fn id(random: &mut Random) -> String {
    let (high, low) = (random.next(), random.next());
    let (version, variant) = (0x4000 | (high & 0x0fff), 0x8000 | ((low >> 48) & 0x3fff));
    let (first, second, last) = (high >> 32, (high >> 16) & 0xffff, low & 0xffff_ffff_ffff);
    format!("{first:08x}-{second:04x}-{version:04x}-{variant:04x}-{last:012x}")
}

/// Of two draws the first in the list, so that some names are common and some rare.
fn common<T: Copy + Default>(random: &mut Random, choices: &[T]) -> T {
    let end = u32::try_from(choices.len()).unwrap_or(u32::MAX);
    let at = random.below(end).min(random.below(end));
    choices.get(at as usize).copied().unwrap_or_default()
}

fn name(random: &mut Random, department: &Department, currency: Currency) -> String {
    let russian = currency == Currency::RUB && random.chance(60);
    if russian {
        return common(random, department.russian).to_owned();
    }
    format!("{} {}", common(random, department.qualities), common(random, department.things))
}

fn description(random: &mut Random, name: &str, brand: &str) -> String {
    format!("{name} by {brand}. {} {}", random.pick(PRAISES), random.pick(CLOSINGS))
}

fn price(random: &mut Random, department: &Department, currency: Currency) -> Money {
    let (low, high) = department.euros;
    let euros = random.between(low, high);
    let units = if currency == Currency::RUB { euros * ROUBLES } else { euros };
    Money::made(units * 100 + random.pick(&[0, 49, 90, 95, 99]), currency)
}

fn tags(random: &mut Random, department: &Department) -> Vec<String> {
    let mut tags = vec![department.name.to_lowercase()];
    for _ in 0..random.below(4) {
        let tag = random.pick(TAGS).to_owned();
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

fn images(random: &mut Random, id: &str, name: &str) -> ImageSet {
    let count = random.between(1, IMAGES_MAX);
    let image = |(number, view): (usize, &&str)| Image {
        url: format!("https://images.shop.example/{id}/{}.jpg", number + 1),
        alt: format!("{name}, {view}"),
    };
    ImageSet::new(count, VIEWS.iter().take(count as usize).enumerate().map(image).collect())
}

fn specifications(random: &mut Random, department: &Department) -> BTreeMap<String, String> {
    let each = department.specifications.iter();
    each.map(|(property, values)| ((*property).to_owned(), random.pick(values).to_owned())).collect()
}
