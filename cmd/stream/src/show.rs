use std::fmt::Write as _;

use millstream_model::TopicName;
use millstream_runtime::{PartitionStatus, Snapshot};
use millstream_storefront::wire::ProductStateWire;

/// The filter, as it is told after each change.
pub(crate) fn filter(text: &str) -> String {
    if text.is_empty() { "filter: none, all products pass".to_owned() } else { format!("filter: \"{text}\"") }
}

/// How things stand; `rates` are records a second, in and out, and `table` tells the group table's size.
pub(crate) fn status(filter_text: &str, now: &Snapshot, rates: (f64, f64), table: &str) -> String {
    let mut lines = vec![filter(filter_text)];
    if now.partitions.is_empty() {
        lines.push("partitions: none is assigned to this instance".to_owned());
    }
    lines.extend(now.partitions.iter().map(partition));
    lines.push(format!("in: {} ({:.0}/s)", counts(&now.records_in), rates.0));
    lines.push(format!("out: {} ({:.0}/s)", counts(&now.records_out), rates.1));
    if now.dead_letters + now.skipped > 0 {
        lines.push(format!("set aside: {} dead letters, {} skipped", now.dead_letters, now.skipped));
    }
    if now.deferred + now.waiting + now.retried > 0 {
        lines.push(format!(
            "held: {} deferred, {} waiting, {} retries so far",
            now.deferred, now.waiting, now.retried
        ));
    }
    lines.extend(now.stalled.iter().map(|reason| format!("waits: {reason}")));
    lines.extend(now.failure.iter().map(|reason| format!("failed: {reason}")));
    lines.push(format!("lag: {}", now.lag()));
    lines.push(format!("table: {table}"));
    lines.join("\n")
}

fn partition(status: &PartitionStatus) -> String {
    let state = if status.is_running {
        "running".to_owned()
    } else {
        let left =
            status.recovery_left().map_or_else(String::new, |left| format!(", {} s left", left.as_secs()));
        let rate = status.replay_rate().map_or_else(String::new, |rate| format!(" at {rate}/s"));
        format!("recovering, {} records to go{rate}{left}", status.remaining)
    };
    let lag = status.lag.map_or_else(|| "unknown".to_owned(), |lag| lag.to_string());
    format!("partition {}: {state}, replayed {}, lag {lag}", status.partition, status.replayed)
}

fn counts(counts: &[(TopicName, u64)]) -> String {
    counts.iter().map(|(topic, count)| format!("{topic} {count}")).collect::<Vec<_>>().join(", ")
}

/// All that the group table holds of a product.
pub(crate) fn product(key: &str, state: &ProductStateWire<'_>) -> String {
    let product = &state.product;
    let mut text = format!("{key}: {}\n", product.name);
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            // Writing to a text does not fail.
            let _ = writeln!(text, "  {name:<12} {value}");
        }
    };
    line("price", format!("{} {}", product.price.amount, product.price.currency));
    line("category", product.category.to_string());
    line("brand", product.brand.to_string());
    line("sku", product.sku.to_string());
    line("store", product.store_id.to_string());
    line("stock", format!("{} available, {} reserved", product.stock.available, product.stock.reserved));
    line("tags", product.tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    for (name, value) in &product.specifications {
        line(name.as_str(), value.to_string());
    }
    line("images", images(state));
    for image in &product.images {
        line("", image.url.to_string());
    }
    line("seen", format!("{} times, last at offset {}", state.seen, state.last_offset));
    text.trim_end().to_owned()
}

fn images(state: &ProductStateWire<'_>) -> String {
    let (have, declared) = (state.product.images.len(), state.product.image_count);
    match state.completed_at {
        Some(offset) => format!("{have} of {declared}, complete since offset {offset}"),
        None => format!("{have} of {declared}, not complete"),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use millstream_model::{Offset, Partition};
    use millstream_shop::{Catalogue, EmissionKind, ProductState};

    use super::*;

    #[test]
    fn a_filter_is_told_with_quotes_and_its_absence_in_words() {
        assert_eq!(filter(""), "filter: none, all products pass");
        assert_eq!(filter("lamp"), "filter: \"lamp\"");
    }

    #[test]
    fn a_status_has_a_line_for_each_matter() {
        let topic = |name: &str| TopicName::new(name).unwrap();
        let running = PartitionStatus {
            partition: Partition::new(0),
            is_running: true,
            replayed: 7,
            remaining: 0,
            recovering: None,
            lag: Some(3),
        };
        let recovering = PartitionStatus {
            partition: Partition::new(1),
            is_running: false,
            remaining: 12,
            recovering: Some(std::time::Duration::from_secs(2)),
            lag: None,
            ..running.clone()
        };
        let now = Snapshot {
            records_in: vec![(topic("products"), 40)],
            records_out: vec![(topic("filtered"), 10), (topic("complete"), 2)],
            dead_letters: 1,
            waiting: 5,
            retried: 3,
            stalled: Some("products/0@7 is tried again, 3 times so far: not yet".to_owned()),
            partitions: vec![running, recovering],
            ..Snapshot::default()
        };
        let text = status("lamp", &now, (4.4, 1.0), "40 keys");
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "filter: \"lamp\"",
                "partition 0: running, replayed 7, lag 3",
                "partition 1: recovering, 12 records to go at 3/s, 4 s left, replayed 7, lag unknown",
                "in: products 40 (4/s)",
                "out: filtered 10, complete 2 (1/s)",
                "set aside: 1 dead letters, 0 skipped",
                "held: 0 deferred, 5 waiting, 3 retries so far",
                "waits: products/0@7 is tried again, 3 times so far: not yet",
                "lag: 3",
                "table: 40 keys",
            ]
        );
        let idle = status("", &Snapshot::default(), (0.0, 0.0), "0 keys");
        assert!(idle.contains("none is assigned to this instance"), "{idle}");
    }

    #[test]
    fn a_product_is_shown_with_its_images_and_how_often_it_came() {
        let partial = Catalogue::new(1, NonZeroU32::MIN, 100)
            .find(|emission| emission.kind == EmissionKind::Partial)
            .unwrap()
            .product;
        let mut slot = None;
        ProductState::observe(&mut slot, partial.clone(), Offset(9));
        let state = slot.unwrap();
        let text = product("p-1", &ProductStateWire::from(&state));
        assert!(text.starts_with(&format!("p-1: {}\n  price ", partial.name)), "{text}");
        let (have, declared) = (partial.images.images().len(), partial.images.declared());
        for line in [
            format!("  images       {have} of {declared}, not complete"),
            "  seen         1 times, last at offset 9".to_owned(),
            format!("  store        {}", partial.store_id),
        ] {
            assert!(text.lines().any(|found| found == line), "no {line:?} in {text}");
        }
        assert!(text.contains(&partial.images.images()[0].url));
    }
}
