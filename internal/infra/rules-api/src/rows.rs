use millstream_model::Column;
use millstream_rule_engine::Row;
use serde_json::{Value, json};

use crate::names::Layout;
use crate::values::{row, type_text};

/// Writes a query's rows as they come, in one of the layouts.
pub(crate) struct Page {
    layout: Layout,
    columns: Vec<Column>,
    query_id: String,
    /// Whether rows are told as they come. An object's comma then stands behind it and in its line, so that whoever reads by
    /// lines need not wait for the next one.
    is_live: bool,
}

impl Page {
    pub(crate) fn new(layout: Layout, columns: Vec<Column>, query_id: String) -> Self {
        Self { layout, columns, query_id, is_live: false }
    }

    /// The same, for rows that are told as they come.
    pub(crate) fn live(self) -> Self {
        Self { is_live: true, ..self }
    }

    fn object(&self, object: &str) -> String {
        if self.is_live { format!("{object},\n") } else { format!(",\n{object}") }
    }

    fn last(&self, object: &Value) -> String {
        let comma = if self.is_live { "" } else { ",\n" };
        format!("{comma}{object}]\n")
    }

    /// What stands before all rows.
    pub(crate) fn head(&self) -> String {
        let types: Vec<_> = self.columns.iter().map(|column| type_text(&column.ty)).collect();
        match self.layout {
            Layout::Objects => {
                let each =
                    self.columns.iter().zip(&types).map(|(column, ty)| format!("`{}` {ty}", column.name));
                let schema = each.collect::<Vec<_>>().join(", ");
                let end = if self.is_live { ",\n" } else { "" };
                format!("[{}{end}", json!({"header": {"queryId": self.query_id, "schema": schema}}))
            }
            Layout::Lines | Layout::Array => {
                let names: Vec<_> = self.columns.iter().map(|column| &column.name).collect();
                let head = json!({"queryId": self.query_id, "columnNames": names, "columnTypes": types});
                if self.layout == Layout::Array { format!("[{head}") } else { format!("{head}\n") }
            }
            Layout::Text => String::new(),
        }
    }

    pub(crate) fn row(&self, told: &Row) -> String {
        match self.layout {
            Layout::Objects => {
                let end = if told.is_gone { ",\"tombstone\":true" } else { "" };
                let values = row(&told.values, &self.columns);
                self.object(&format!("{{\"row\":{{\"columns\":{values}{end}}}}}"))
            }
            Layout::Lines => format!("{}\n", row(&told.values, &self.columns)),
            Layout::Array => format!(",\n{}", row(&told.values, &self.columns)),
            Layout::Text => {
                let texts = told.values.iter().map(|value| value.as_text().unwrap_or_default());
                format!("{}\n", texts.collect::<Vec<_>>().join("\t"))
            }
        }
    }

    /// What stands behind all rows: why there are no more, where that is told.
    pub(crate) fn tail(&self, said: Option<&str>) -> String {
        match (self.layout, said) {
            (Layout::Objects, Some(said)) => self.last(&json!({"finalMessage": said})),
            (Layout::Objects | Layout::Array, _) => "]\n".to_owned(),
            (Layout::Lines | Layout::Text, _) => String::new(),
        }
    }

    /// An error among rows.
    pub(crate) fn error(&self, body: &Value) -> String {
        match self.layout {
            Layout::Objects => self.last(&json!({"errorMessage": body})),
            Layout::Array => format!(",\n{body}]\n"),
            Layout::Lines | Layout::Text => format!("{body}\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_model::{Type, Value as Sql};

    use super::*;

    fn page(layout: Layout) -> Page {
        Page::new(layout, vec![Column::new("A", Type::Int)], "q".to_owned())
    }

    fn rows() -> [Row; 2] {
        let row = |value, is_gone| Row { values: vec![value], is_gone };
        [row(Sql::Int(1), false), row(Sql::Null, true)]
    }

    #[test]
    fn arrays_are_whole_documents_with_rows_or_without_live_or_not() {
        let (live, error) = ([false, true], json!({"error_code": 1}));
        for layout in [Layout::Objects, Layout::Array] {
            for is_live in live {
                let page = if is_live { page(layout).live() } else { page(layout) };
                for count in 0..=2 {
                    let told: String = rows()[..count].iter().map(|row| page.row(row)).collect();
                    let ends = [page.tail(Some("enough")), page.error(&error)];
                    for end in ends {
                        let whole: Value =
                            serde_json::from_str(&format!("{}{told}{end}", page.head())).unwrap();
                        assert!(whole.as_array().unwrap().len() > count, "{whole}");
                    }
                }
            }
        }
        let page = page(Layout::Objects);
        assert!(serde_json::from_str::<Value>(&format!("{}{}", page.head(), page.tail(None))).is_ok());
    }

    #[test]
    fn a_live_object_ends_its_line() {
        let page = page(Layout::Objects).live();
        assert!(page.head().ends_with(",\n") && page.row(&rows()[0]).ends_with(",\n"));
    }
}
