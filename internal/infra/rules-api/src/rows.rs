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
}

impl Page {
    pub(crate) fn new(layout: Layout, columns: Vec<Column>, query_id: String) -> Self {
        Self { layout, columns, query_id }
    }

    /// What stands before all rows.
    pub(crate) fn head(&self) -> String {
        let types: Vec<_> = self.columns.iter().map(|column| type_text(&column.ty)).collect();
        match self.layout {
            Layout::Objects => {
                let each =
                    self.columns.iter().zip(&types).map(|(column, ty)| format!("`{}` {ty}", column.name));
                let schema = each.collect::<Vec<_>>().join(", ");
                format!("[{}", json!({"header": {"queryId": self.query_id, "schema": schema}}))
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
            Layout::Objects if told.is_gone => {
                format!(
                    ",\n{}",
                    json!({"row": {"columns": row(&told.values, &self.columns), "tombstone": true}})
                )
            }
            Layout::Objects => {
                format!(",\n{}", json!({"row": {"columns": row(&told.values, &self.columns)}}))
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
            (Layout::Objects, Some(said)) => format!(",\n{}]\n", json!({"finalMessage": said})),
            (Layout::Objects | Layout::Array, _) => "]\n".to_owned(),
            (Layout::Lines | Layout::Text, _) => String::new(),
        }
    }

    /// An error among rows.
    pub(crate) fn error(&self, body: &Value) -> String {
        match self.layout {
            Layout::Objects => format!(",\n{}]\n", json!({"errorMessage": body})),
            Layout::Array => format!(",\n{body}]\n"),
            Layout::Lines | Layout::Text => format!("{body}\n"),
        }
    }
}
