use std::collections::BTreeMap;
use std::num::NonZeroU32;

use millstream_model::Timestamp;

use crate::{ImageSet, Product};
use random::Random;

mod invention;
mod random;
mod vocabulary;

/// 2026-01-01T00:00:00Z: a fixed beginning, so that a seed alone says every byte.
const BEGINNING: Timestamp = Timestamp(1_767_225_600_000);
const INCOMPLETE_PERCENT: u32 = 15;
/// A completion follows at most this many products after the message before it.
const COMPLETION_DELAY_MAX: u32 = 12;

/// Invents believable products: the same seed and settings give the same products byte for byte, in every version.
///
/// About one product in seven comes with only part of its images. The rest follows in one or two more messages for
/// the same id, some products later at most, each with a later `updated_at` and only the images it adds. So `products`
/// counts products, and there are more messages than that. All completions have come when the iterator ends.
///
/// Names come from a vocabulary of some hundred, common ones more often, so that a search by full name finds several.
/// Time runs with the messages, from a fixed beginning; no clock is read.
///
/// ```
/// use std::num::NonZeroU32;
/// use millstream_shop::Catalogue;
///
/// let stores = NonZeroU32::new(3).unwrap();
/// let once: Vec<_> = Catalogue::new(42, stores, 100).collect();
/// let again: Vec<_> = Catalogue::new(42, stores, 100).collect();
/// assert_eq!(once, again);
/// assert!(once.len() > 100);
/// ```
pub struct Catalogue {
    seed: u64,
    stores: NonZeroU32,
    products: u64,
    invented: u64,
    now: Timestamp,
    ticks: Random,
    waiting: BTreeMap<Turn, Product>,
}

/// When a completion is due: after how many products, then in the order of the products and their parts.
type Turn = (u64, u64, u8);

/// One message of a catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emission {
    /// What it says.
    pub product: Product,
    /// What it is to the product.
    pub kind: EmissionKind,
}

/// What a message is to its product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EmissionKind {
    /// The product's only message, with all its images.
    Whole,
    /// The product's first message; images are missing and follow.
    Partial,
    /// A later message with images that were missing.
    Completion,
}

impl Catalogue {
    /// A catalogue of `products` products, shared by `stores` stores that each have one currency.
    pub const fn new(seed: u64, stores: NonZeroU32, products: u64) -> Self {
        let ticks = Random::new(!seed);
        Self { seed, stores, products, invented: 0, now: BEGINNING, ticks, waiting: BTreeMap::new() }
    }

    /// The same products, announced from `beginning` on.
    #[must_use]
    pub const fn starting_at(mut self, beginning: Timestamp) -> Self {
        self.now = beginning;
        self
    }

    fn tick(&mut self) -> Timestamp {
        self.now.0 = self.now.0.saturating_add(self.ticks.between(20, 400).into());
        self.now
    }

    fn invent(&mut self) -> Emission {
        let index = self.invented;
        self.invented += 1;
        let now = self.tick();
        let mut random = Random::for_index(self.seed, index);
        let product = invention::product(&mut random, self.stores, now);
        if product.images.declared() > 1 && random.chance(INCOMPLETE_PERCENT) {
            return Emission {
                product: self.split(&mut random, &product, index),
                kind: EmissionKind::Partial,
            };
        }
        Emission { product, kind: EmissionKind::Whole }
    }

    /// Keeps the last images of `product` back for later turns and gives the first message.
    fn split(&mut self, random: &mut Random, product: &Product, index: u64) -> Product {
        let images = product.images.images();
        let declared = product.images.declared();
        let first = random.between(1, declared.saturating_sub(1));
        let second = random.between(first + 1, declared);
        let part = |from: u32, to: u32| {
            let chosen = images.iter().skip(from as usize).take((to - from) as usize).cloned().collect();
            Product { images: ImageSet::new(declared, chosen), ..product.clone() }
        };
        let mut due = self.invented;
        for (number, from, to) in [(0, first, second), (1, second, declared)] {
            due += u64::from(random.below(COMPLETION_DELAY_MAX));
            if from < to {
                self.waiting.insert((due, index, number), part(from, to));
            }
        }
        part(0, first)
    }

    fn complete(&mut self) -> Option<Emission> {
        let (_, mut product) = self.waiting.pop_first()?;
        product.updated_at = self.tick();
        Some(Emission { product, kind: EmissionKind::Completion })
    }

    fn completion_is_due(&self) -> bool {
        self.waiting.first_key_value().is_some_and(|(turn, _)| turn.0 <= self.invented)
    }
}

impl Iterator for Catalogue {
    type Item = Emission;

    fn next(&mut self) -> Option<Emission> {
        if self.invented < self.products && !self.completion_is_due() {
            return Some(self.invent());
        }
        self.complete()
    }
}

#[cfg(test)]
mod tests;
