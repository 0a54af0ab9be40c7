//! Rows in columns that keep their place while rows arrive.

use serde_json::Value;
use serde_json::value::RawValue;

/// The narrowest a column gets.
const WIDTH_MIN: usize = 6;

/// Columns of a terminal's width: set once, so that what comes later stands below what came before.
pub(crate) struct Columns {
    names: Vec<String>,
    widths: Vec<usize>,
}

impl Columns {
    /// Columns of these names and types over `width` characters. Numbers need less than texts.
    pub(crate) fn new(names: Vec<String>, types: &[String], width: usize) -> Self {
        let weight = |ty: &str| match ty {
            "BOOLEAN" | "INTEGER" => 2,
            "BIGINT" | "DOUBLE" | "DATE" | "TIME" => 3,
            _ => 5,
        };
        let weights: Vec<usize> =
            (0..names.len()).map(|place| types.get(place).map_or(5, |ty| weight(ty))).collect();
        let frame = 3 * names.len() + 1;
        let free = width.saturating_sub(frame);
        let sum = weights.iter().sum::<usize>().max(1);
        let widths = weights.iter().map(|weight| (free * weight / sum).max(WIDTH_MIN)).collect();
        Self { names, widths }
    }

    pub(crate) fn head(&self) -> String {
        format!("{}{}{}", self.line(), self.cells(&self.names), self.line())
    }

    fn line(&self) -> String {
        let parts: Vec<_> = self.widths.iter().map(|width| "-".repeat(width + 2)).collect();
        format!("+{}+\n", parts.join("+"))
    }

    fn cells(&self, texts: &[String]) -> String {
        let cells = self.widths.iter().enumerate().map(|(place, width)| {
            let text = texts.get(place).map_or("", String::as_str);
            format!(" {} ", cut(text, *width))
        });
        format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
    }

    pub(crate) fn row(&self, values: &[&RawValue]) -> String {
        self.cells(&values.iter().map(|value| shown(value)).collect::<Vec<_>>())
    }

    pub(crate) fn foot(&self) -> String {
        self.line()
    }
}

/// A value as it came, as it is read by people: a number with all its digits.
pub(crate) fn shown(value: &RawValue) -> String {
    match serde_json::from_str::<Value>(value.get()) {
        Ok(value @ Value::String(_)) => text(&value),
        _ => value.get().to_owned(),
    }
}

/// A value as it is read by people.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => text.replace(['\n', '\r', '\t'], " "),
        other => other.to_string(),
    }
}

/// The text in exactly `width` places; what does not fit ends in an ellipsis.
fn cut(text: &str, width: usize) -> String {
    let places = |c: char| if is_wide(c) { 2 } else { usize::from(!c.is_control()) };
    let all: usize = text.chars().map(places).sum();
    if all <= width {
        return format!("{text}{}", " ".repeat(width - all));
    }
    let (mut kept, mut used) = (String::new(), 0);
    for c in text.chars() {
        if used + places(c) + 1 > width {
            break;
        }
        used += places(c);
        kept.push(c);
    }
    format!("{kept}…{}", " ".repeat(width.saturating_sub(used + 1)))
}

/// Whether a character takes two places, as those of East Asia and pictures do.
fn is_wide(c: char) -> bool {
    matches!(u32::from(c), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1f64f | 0x1f900..=0x1f9ff | 0x20000..=0x3fffd)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_line_is_as_wide_as_the_first() {
        let names = vec!["ID".to_owned(), "A_NAME_THAT_IS_LONG_INDEED".to_owned(), "N".to_owned()];
        let types = ["STRING".to_owned(), "STRING".to_owned(), "INTEGER".to_owned()];
        let columns = Columns::new(names, &types, 50);
        let row = |values: Value| {
            let text = values.to_string();
            columns.row(&serde_json::from_str::<Vec<&RawValue>>(&text).unwrap())
        };
        let rows = [
            columns.head(),
            row(json!(["a", "x".repeat(100), 1_234_567_890])),
            row(json!([null, "日本語の文章はとても長いので切られます", {"a": [1]}])),
            row(json!(["two\nlines"])),
            columns.foot(),
        ];
        let width = |line: &str| line.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum::<usize>();
        for line in rows.iter().flat_map(|rows| rows.lines()) {
            assert!(width(line) == 50 - 2 || width(line) == width(rows[0].lines().next().unwrap()), "{line}");
        }
        assert!(rows[1].contains('…') && rows[2].contains("null"), "{rows:?}");
        assert!(rows[3].contains("two lines"));
    }

    #[test]
    fn numbers_keep_their_digits() {
        let all: Vec<&RawValue> =
            serde_json::from_str(r#"[12.50, 1234567890123456789.01, {"D": 3.10}, "a\tb"]"#).unwrap();
        let told: Vec<_> = all.into_iter().map(shown).collect();
        assert_eq!(told, ["12.50", "1234567890123456789.01", r#"{"D": 3.10}"#, "a b"]);
    }

    #[test]
    fn many_columns_stay_readable() {
        let names: Vec<_> = (0..40).map(|n| format!("C{n}")).collect();
        let columns = Columns::new(names, &[], 80);
        assert!(columns.head().contains("C39"), "the terminal wraps what it can't hold");
    }
}
