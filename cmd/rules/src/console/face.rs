use std::fs::{File, OpenOptions};
use std::io::{Write, stdout};

use anyhow::Context as _;
use comfy_table::Table;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::table::{Columns, text};
use super::told;

/// How wide the page is where there is no terminal.
const PAGE_WIDTH: usize = 120;

/// Where answers are shown: on the screen, and in a file where that was asked for.
pub(super) struct Face {
    is_json: bool,
    spool: Option<File>,
}

impl Face {
    pub(super) fn new(is_json: bool) -> Self {
        Self { is_json, spool: None }
    }

    pub(super) fn raw(&mut self, said: &str) -> anyhow::Result<()> {
        let mut out = stdout().lock();
        out.write_all(said.as_bytes())?;
        out.flush()?;
        if let Some(file) = &mut self.spool {
            file.write_all(said.as_bytes()).context("can't write the spool file")?;
        }
        Ok(())
    }

    pub(super) fn line(&mut self, said: &str) -> anyhow::Result<()> {
        self.raw(&format!("{said}\n"))
    }

    pub(super) fn output(&mut self, how: Option<&str>) -> anyhow::Result<()> {
        match how.map(str::to_ascii_lowercase).as_deref() {
            Some("json") => self.is_json = true,
            Some("tabular" | "table") => self.is_json = false,
            Some(other) => anyhow::bail!("there is no output '{other}'; there are json and tabular"),
            None => {}
        }
        self.line(if self.is_json { "output is json" } else { "output is tabular" })
    }

    pub(super) fn spool(&mut self, file: Option<&str>) -> anyhow::Result<()> {
        self.spool = match file {
            None => None,
            Some(path) => {
                let open = OpenOptions::new().create(true).append(true).open(path);
                Some(open.with_context(|| format!("can't write {path}"))?)
            }
        };
        Ok(())
    }

    pub(super) fn entity(&mut self, entity: &Value) -> anyhow::Result<()> {
        let told = if self.is_json { entity.to_string() } else { told::entity(entity, width()) };
        self.line(&told)
    }

    pub(super) fn rows(&self) -> Rows {
        Rows { columns: None, names: Vec::new(), is_json: self.is_json, count: 0 }
    }
}

fn width() -> usize {
    Table::new().width().map_or(PAGE_WIDTH, usize::from)
}

/// A query's rows on their way to the screen.
pub(super) struct Rows {
    columns: Option<Columns>,
    names: Vec<String>,
    is_json: bool,
    count: u64,
}

impl Rows {
    pub(super) fn has_head(&self) -> bool {
        self.columns.is_some()
    }

    pub(super) fn head(&mut self, face: &mut Face, head: &Value) -> anyhow::Result<()> {
        let list = |name: &str| {
            let all = head.get(name).and_then(Value::as_array);
            all.map_or_else(Vec::new, |all| all.iter().map(text).collect::<Vec<_>>())
        };
        self.names = list("columnNames");
        let columns = Columns::new(self.names.clone(), &list("columnTypes"), width());
        if !self.is_json {
            face.raw(&columns.head())?;
        }
        self.columns = Some(columns);
        Ok(())
    }

    pub(super) fn row(&mut self, face: &mut Face, values: &[&RawValue]) -> anyhow::Result<()> {
        self.count += 1;
        let Some(columns) = self.columns.as_ref().filter(|_| !self.is_json) else {
            let pair = |(name, value): (&String, &&RawValue)| format!("{}:{value}", json!(name));
            let pairs: Vec<_> = self.names.iter().zip(values).map(pair).collect();
            return face.line(&format!("{{{}}}", pairs.join(",")));
        };
        face.raw(&columns.row(values))
    }

    pub(super) fn end(&self, face: &mut Face) -> anyhow::Result<()> {
        match &self.columns {
            Some(columns) if !self.is_json => {
                let rows = if self.count == 1 { "row" } else { "rows" };
                face.raw(&format!("{}{} {rows}\n", columns.foot(), self.count))
            }
            _ => Ok(()),
        }
    }
}
