use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use serde_json::json;

use crate::answers::Answer;

/// A recommendation as a table under its prompt; `again` tells an update from a first answer.
pub(crate) fn table(answer: &Answer, again: bool) -> String {
    let count = answer.products.len();
    let noun = if count == 1 { "product" } else { "products" };
    let title = if again { "updated" } else { "found" };
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header(["id", "name", "price", ""]);
    for offer in &answer.products {
        table.add_row([&offer.id, &offer.name, &offer.price, &offer.currency]);
    }
    if let Some(price) = table.column_mut(2) {
        price.set_cell_alignment(CellAlignment::Right);
    }
    format!("{}: {title} {count} {noun}\n{table}", answer.prompt)
}

/// A recommendation as one line of JSON. Prices are texts, so that no digit is lost.
pub(crate) fn json(answer: &Answer) -> String {
    let product = |offer: &crate::answers::Offer| json!({ "id": offer.id, "name": offer.name, "price": offer.price, "currency": offer.currency });
    json!({ "user": answer.user, "prompt": answer.prompt, "products": answer.products.iter().map(product).collect::<Vec<_>>() }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Offer;

    fn answer() -> Answer {
        let offer =
            Offer { id: "p1".into(), name: "Oak lamp".into(), price: "12.50".into(), currency: "EUR".into() };
        Answer { user: "ann".into(), prompt: "Oak lamp".into(), products: vec![offer] }
    }

    #[test]
    fn a_table_tells_whether_it_is_an_update() {
        let shown = table(&answer(), false);
        assert!(shown.starts_with("Oak lamp: found 1 product\n") && shown.contains("12.50"), "{shown}");
        assert!(table(&answer(), true).starts_with("Oak lamp: updated 1 product\n"));
    }

    #[test]
    fn json_is_one_line_with_exact_prices() {
        assert_eq!(
            json(&answer()),
            r#"{"products":[{"currency":"EUR","id":"p1","name":"Oak lamp","price":"12.50"}],"prompt":"Oak lamp","user":"ann"}"#
        );
    }
}
