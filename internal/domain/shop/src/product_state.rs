use std::mem;

use millstream_model::Offset;

use crate::Product;

/// What a group table keeps per product: the latest version with every image seen so far, and how often it was seen.
///
/// A record may be delivered again after a crash. Its offset tells: one that is not past the last offset taken in is
/// a redelivery, changes nothing, and has the same outputs decided as before. So the state is that of each record
/// once, while outputs may repeat but are never lost.
///
/// **Invariant:** offsets are those of one partition, where all records of a product are. `seen` is at least 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductState {
    product: Product,
    seen: u64,
    completed_at: Option<Offset>,
    last: Offset,
}

/// What one record meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation<'a> {
    /// The latest version with the merged images, when this record was the one that completed the image set. At most
    /// one record of a product does, also when later versions declare more images.
    pub became_complete: Option<&'a Product>,
    /// Whether the record had been taken in before.
    pub redelivered: bool,
}

impl ProductState {
    /// A state as it was stored: see [`ProductState::observe`] for how it comes about.
    pub const fn restore(product: Product, seen: u64, completed_at: Option<Offset>, last: Offset) -> Self {
        Self { product, seen, completed_at, last }
    }

    /// Takes in `product`, read at offset `at`, and says what that meant. An empty slot is a product never seen.
    pub fn observe(slot: &mut Option<Self>, product: Product, at: Offset) -> Observation<'_> {
        let redelivered = slot.as_ref().is_some_and(|known| at <= known.last);
        let state = match slot {
            None => slot.insert(Self::first(product, at)),
            Some(state) => state.take_in(product, at),
        };
        let became_complete = (state.completed_at == Some(at)).then_some(&state.product);
        Observation { became_complete, redelivered }
    }

    /// The latest version; its image set holds the images of every version.
    pub const fn product(&self) -> &Product {
        &self.product
    }

    /// How many records were taken in, redeliveries left out.
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// The offset of the record that completed the image set, once it was complete.
    pub const fn completed_at(&self) -> Option<Offset> {
        self.completed_at
    }

    /// The offset of the last record taken in.
    pub const fn last(&self) -> Offset {
        self.last
    }

    fn first(product: Product, at: Offset) -> Self {
        let completed_at = product.images.is_complete().then_some(at);
        Self { product, seen: 1, completed_at, last: at }
    }

    fn take_in(&mut self, product: Product, at: Offset) -> &Self {
        if at <= self.last {
            return self;
        }
        self.merge(product);
        self.seen = self.seen.saturating_add(1);
        self.last = at;
        if self.completed_at.is_none() && self.product.images.is_complete() {
            self.completed_at = Some(at);
        }
        self
    }

    fn merge(&mut self, mut product: Product) {
        if product.updated_at < self.product.updated_at {
            self.product.images.merge_older(product.images);
            return;
        }
        let known = mem::take(&mut self.product.images);
        let newer = mem::replace(&mut product.images, known);
        product.images.merge_newer(newer);
        self.product = product;
    }
}

#[cfg(test)]
mod tests;
