use millstream_model::Value;
use millstream_ports::{Groups, Topics, World};
use millstream_sql::{Bounds, SourceKind, ask};

use super::insert::NewRow;
use super::push::Transient;
use super::{Fault, Server};

/// A row's key and window.
type Found = (Vec<Value>, Option<Bounds>);

impl<W: World + Topics + Groups> Server<W> {
    /// `DELETE FROM table WHERE …`: writes a tombstone for each row that is there now and meets the condition. Answers how many.
    pub(crate) fn delete(&self, table: &str, condition: Option<&str>) -> Result<usize, Fault> {
        let (catalog, filled) = {
            let book = self.inner.book();
            (book.catalog.clone(), book.filled_by(table))
        };
        let source =
            catalog.get(table).ok_or_else(|| Fault::statement(format!("there is no table {table}")))?;
        if source.kind != SourceKind::Table || source.is_read_only {
            let said = format!("rows are deleted from tables that may be written, and {table} is none");
            return Err(Fault::statement(said));
        }
        if let Some(query) = filled {
            let said = format!("the rows of {table} are those of {query}; delete what it reads");
            return Err(Fault::statement(said));
        }
        let filter = condition.map_or_else(String::new, |condition| format!(" WHERE {condition}"));
        let quoted = table.replace('`', "``");
        let text = format!("SELECT * FROM `{quoted}`{filter}");
        let asking =
            ask(&text, &catalog, &self.inner.formats).map_err(|mistakes| Fault::mistakes(&text, mistakes))?;
        let key = asking.key.clone();
        let mut running = Transient::new(asking, &self.inner.formats)?;
        let found: Vec<Found> = self.with_copy(source, |copy| {
            let mut found = Vec::new();
            for record in copy.rows(key.as_deref()) {
                if running.take(0, record)?.iter().any(|row| row.value.is_some()) {
                    found.push((record.key.clone(), record.window));
                }
            }
            Ok(found)
        })?;
        for (key, window) in &found {
            self.write_row(&NewRow { sink: source, key, value: None, window: *window, timestamp: None })?;
        }
        Ok(found.len())
    }
}
