use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table};
use millstream_shop::{Offer, StoreId};
use millstream_storefront::wire::RecommendationWire;
use millstream_storefront::{Answer, Change};

/// The most products shown on a terminal at once.
const ROWS_MAX: usize = 20;

/// The column of prices.
const PRICE: usize = 2;

/// An answer as a person or a script reads it; `width` is the terminal's, if there is one.
pub(crate) fn answer(answer: &Answer, is_json: bool, width: Option<u16>) -> serde_json::Result<String> {
    if is_json { json(answer) } else { Ok(table(answer, width)) }
}

/// A recommendation as one line of JSON. Prices are texts, so that no digit is lost.
pub(crate) fn json(answer: &Answer) -> serde_json::Result<String> {
    serde_json::to_string(&RecommendationWire::from(&answer.recommendation))
}

/// A recommendation as a table under its prompt, with what changed since the one before.
fn table(answer: &Answer, width: Option<u16>) -> String {
    let title = title(answer);
    let rows = rows(answer, if width.is_some() { ROWS_MAX } else { usize::MAX });
    if rows.is_empty() {
        return title;
    }
    let header = ["id", "name", "price", "brand", "store", "change"];
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header(header).add_rows(&rows);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    if let Some(price) = table.column_mut(PRICE) {
        price.set_cell_alignment(CellAlignment::Right);
    }
    hide_empty_columns(&mut table, &rows);
    let left_out = answer.recommendation.products.len() - rows.len();
    let rest = if left_out > 0 { format!("\n… and {left_out} more") } else { String::new() };
    format!("{title}\n{table}{rest}")
}

/// The products as rows; where they are too many, no more than that, and of an update only those that changed.
fn rows(answer: &Answer, rows_max: usize) -> Vec<[String; 6]> {
    let is_long = answer.recommendation.products.len() > rows_max;
    let offers = answer.recommendation.products.iter().zip(&answer.changes);
    let shown = offers.filter(|(_, change)| !(is_long && answer.is_update && **change == Change::None));
    shown.take(rows_max).map(|(offer, change)| row(offer, *change, answer.is_update)).collect()
}

fn hide_empty_columns(table: &mut Table, rows: &[[String; 6]]) {
    for (index, column) in table.column_iter_mut().enumerate() {
        if rows.iter().all(|row| row.get(index).is_none_or(String::is_empty)) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }
}

fn title(answer: &Answer) -> String {
    let products = match answer.recommendation.products.len() {
        0 => "no product".to_owned(),
        1 => "1 product".to_owned(),
        count => format!("{count} products"),
    };
    let prompt = clean(&answer.recommendation.prompt);
    if !answer.is_update {
        return format!("{prompt}: found {products}");
    }
    let count = |wanted: fn(&Change) -> bool| answer.changes.iter().filter(|change| wanted(change)).count();
    let counts = [
        (count(|change| *change == Change::New), "new"),
        (count(|change| matches!(change, Change::Price { .. })), "at a new price"),
        (count(|change| *change == Change::Other), "changed"),
        (answer.gone.len(), "gone"),
    ];
    let news = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let news = news.collect::<Vec<_>>().join(", ");
    format!("{prompt}: updated, {products}: {}", if news.is_empty() { "as before" } else { &news })
}

fn row(offer: &Offer, change: Change, is_update: bool) -> [String; 6] {
    let changed = match change {
        Change::Price { was } => format!("was {was}"),
        Change::New if is_update => "new".to_owned(),
        Change::Other => "changed".to_owned(),
        Change::New | Change::None => String::new(),
    };
    let store = offer.store_id.as_ref().map_or("", StoreId::as_str);
    let price = offer.price.to_string();
    [clean(offer.id.as_str()), clean(&offer.name), price, clean(&offer.brand), clean(store), changed]
}

/// A text from a topic may hold what a terminal takes for a command.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use millstream_shop::{Currency, Money, ProductId, Recommendation};

    use super::*;

    fn money(hundredths: i64) -> Money {
        Money::from_hundredths(hundredths, Currency::EUR).unwrap()
    }

    fn offer(id: &str, name: &str, hundredths: i64) -> Offer {
        let (id, price) = (ProductId::new(id).unwrap(), money(hundredths));
        Offer { id, name: name.into(), price, brand: String::new(), store_id: None }
    }

    fn answered(products: Vec<Offer>, changes: Vec<Change>, is_update: bool) -> Answer {
        let recommendation = Recommendation { user: "ann".into(), prompt: "Oak lamp".into(), products };
        Answer { recommendation, changes, gone: Vec::new(), is_update }
    }

    #[test]
    fn a_first_answer_is_a_plain_table() {
        let products = vec![offer("p1", "Oak lamp", 1250), offer("p2", "Oak lamp", 99_900)];
        let shown = table(&answered(products, vec![Change::New; 2], false), None);
        let expected = "\
Oak lamp: found 2 products
┌────────────────────────────┐
│ id   name            price │
╞════════════════════════════╡
│ p1   Oak lamp    12.50 EUR │
│ p2   Oak lamp   999.00 EUR │
└────────────────────────────┘";
        assert_eq!(shown, expected, "\n{shown}");
    }

    #[test]
    fn an_update_shows_what_changed() {
        let mut products =
            vec![offer("p1", "Oak lamp", 1250), offer("p2", "Oak lamp", 100), offer("p3", "Oak lamp", 1)];
        products[0].brand = "Birk".into();
        let mut answer =
            answered(products, vec![Change::None, Change::Price { was: money(250) }, Change::New], true);
        answer.gone.push(offer("p4", "Oak lamp", 1));
        let shown = table(&answer, None);
        let title = "Oak lamp: updated, 3 products: 1 new, 1 at a new price, 1 gone\n";
        assert!(shown.starts_with(title), "{shown}");
        for words in ["was 2.50 EUR", "│ p3", "new", "Birk", "change"] {
            assert!(shown.contains(words), "no {words:?} in\n{shown}");
        }
        assert!(!shown.contains("store"), "an empty column is left out:\n{shown}");
    }

    #[test]
    fn of_many_products_a_terminal_shows_those_that_changed() {
        let products: Vec<_> = (0..50).map(|index| offer(&format!("p{index}"), "Oak lamp", 1)).collect();
        let mut changes = vec![Change::None; 50];
        changes[49] = Change::New;
        let first = table(&answered(products.clone(), vec![Change::New; 50], false), Some(80));
        assert!(
            first.contains("│ p19 ") && !first.contains("│ p20 ") && first.ends_with("… and 30 more"),
            "{first}"
        );
        let update = table(&answered(products.clone(), changes.clone(), true), Some(80));
        assert!(update.contains("│ p49 ") && !update.contains("│ p0 "), "{update}");
        assert!(update.ends_with("… and 49 more"), "{update}");
        let whole = table(&answered(products, changes, true), None);
        assert!(whole.contains("│ p0 ") && whole.contains("│ p49 "), "{whole}");
    }

    #[test]
    fn what_has_no_product_is_a_line() {
        assert_eq!(table(&answered(Vec::new(), Vec::new(), false), None), "Oak lamp: found no product");
        assert_eq!(
            table(&answered(Vec::new(), Vec::new(), true), None),
            "Oak lamp: updated, no product: as before"
        );
    }

    #[test]
    fn a_name_can_not_command_the_terminal() {
        let shown =
            table(&answered(vec![offer("p1", "\u{1b}[2JOak\nlamp", 1)], vec![Change::New], false), None);
        assert!(!shown.contains('\u{1b}') && shown.contains("\u{fffd}[2JOak\u{fffd}lamp"), "{shown}");
    }

    #[test]
    fn a_table_fits_the_terminal() {
        let long = offer("p1", "A lamp of oak with a very long name that goes on and on", 1);
        let shown = table(&answered(vec![long], vec![Change::New], false), Some(40));
        assert!(shown.lines().all(|line| line.chars().count() <= 40), "{shown}");
    }

    #[test]
    fn json_is_one_line_with_exact_prices() {
        let answer = answered(vec![offer("p1", "Oak\nlamp", 1250)], vec![Change::New], false);
        let shown = json(&answer).unwrap();
        let value: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(
            (shown.lines().count(), &value["user"], &value["prompt"]),
            (1, &"ann".into(), &"Oak lamp".into())
        );
        let product = &value["products"][0];
        assert_eq!((&product["price"], &product["currency"]), (&"12.50".into(), &"EUR".into()));
    }
}
