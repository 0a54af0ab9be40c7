use std::sync::Arc;

use millstream_model::{Column, Type, Value};
use millstream_ports::{CodecError, WholeRow};

use crate::text::Texts;

/// PostgreSQL cuts longer names off without a word.
const NAME_BYTES_MAX: usize = 63;

/// How a schema's columns lie in a table.
///
/// **Invariant:** no two of its columns have the same name.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) columns: Vec<Cell>,
}

/// A table's column, and the way to what it holds through the records around it.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) name: String,
    pub(crate) ty: Type,
    way: Vec<usize>,
}

impl Layout {
    /// The layout of a schema's columns. `bare` names the column of what is no record.
    ///
    /// # Errors
    /// When two fields would have columns of the same name.
    pub(crate) fn of(columns: &[Column], bare: &str) -> Result<Self, CodecError> {
        let mut layout = Self { columns: Vec::new() };
        layout.gather(columns, "", &[], bare)?;
        Ok(layout)
    }

    fn gather(
        &mut self,
        columns: &[Column],
        before: &str,
        way: &[usize],
        bare: &str,
    ) -> Result<(), CodecError> {
        for (place, column) in columns.iter().enumerate() {
            let own = if column.name.is_empty() { bare.to_owned() } else { column.name.to_lowercase() };
            let name = format!("{before}{own}");
            let way: Vec<_> = way.iter().copied().chain([place]).collect();
            match &column.ty {
                Type::Struct(fields) => self.gather(fields, &format!("{name}_"), &way, bare)?,
                ty => self.add(Cell { name, ty: ty.clone(), way })?,
            }
        }
        Ok(())
    }

    fn add(&mut self, cell: Cell) -> Result<(), CodecError> {
        if cell.name.len() > NAME_BYTES_MAX {
            let name = &cell.name;
            return Err(CodecError::new(format!(
                "column {name} has more than the {NAME_BYTES_MAX} bytes of a name"
            )));
        }
        if self.columns.iter().any(|other| other.name == cell.name) {
            return Err(CodecError::new(format!(
                "two fields would be column {}; rename one of them",
                cell.name
            )));
        }
        self.columns.push(cell);
        Ok(())
    }

    /// A row's values as texts, in the order of the columns.
    pub(crate) fn texts(&self, row: &WholeRow) -> Result<Texts, CodecError> {
        let mut texts = Texts::with_capacity(self.columns.len());
        for cell in &self.columns {
            let value = follow(&row.values, &cell.way);
            texts.push(&cell.ty, value).map_err(|error| error.at(&format!("column {}", cell.name)))?;
        }
        Ok(texts)
    }
}

fn follow<'v>(values: &'v [Value], way: &[usize]) -> &'v Value {
    let Some((first, rest)) = way.split_first() else { return &Value::Null };
    match (values.get(*first), rest) {
        (Some(value), []) => value,
        (Some(Value::Struct(fields)), rest) => follow(fields, rest),
        _ => &Value::Null,
    }
}

/// The layouts of the schemas met so far; a topic's are few.
pub(crate) struct Layouts {
    bare: String,
    met: Vec<(Arc<[Column]>, Arc<Layout>)>,
}

impl Layouts {
    pub(crate) fn new(bare: &str) -> Self {
        Self { bare: bare.to_owned(), met: Vec::new() }
    }

    pub(crate) fn of(&mut self, columns: &Arc<[Column]>) -> Result<Arc<Layout>, CodecError> {
        if let Some((_, layout)) = self.met.iter().find(|(met, _)| Arc::ptr_eq(met, columns)) {
            return Ok(layout.clone());
        }
        let equal = self.met.iter().find(|(met, _)| met == columns).map(|(_, layout)| layout.clone());
        let layout = equal.map_or_else(|| Layout::of(columns, &self.bare).map(Arc::new), Ok)?;
        self.met.push((columns.clone(), layout.clone()));
        Ok(layout)
    }
}
