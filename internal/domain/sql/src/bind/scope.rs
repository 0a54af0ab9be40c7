use millstream_model::Type;

use super::Typed;
use crate::ast::{At, Expr};
use crate::catalog::{PSEUDO, Source};
use crate::diagnostic::Diagnostic;
use crate::eval::Bound;
use crate::functions::Functions;

/// The columns a query can name, in the order of the row.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    columns: Vec<ScopeColumn>,
    functions: Functions,
}

#[derive(Clone, Debug)]
struct ScopeColumn {
    source: String,
    name: String,
    ty: Type,
    is_pseudo: bool,
}

impl Scope {
    /// A scope of plain columns.
    pub fn of(columns: &[(&str, Type)]) -> Self {
        let column = |(name, ty): &(&str, Type)| ScopeColumn {
            source: String::new(),
            name: (*name).to_owned(),
            ty: ty.clone(),
            is_pseudo: false,
        };
        Self { columns: columns.iter().map(column).collect(), functions: Functions::default() }
    }

    /// The same columns, with other functions than the standard ones.
    #[must_use]
    pub fn using(self, functions: &Functions) -> Self {
        Self { functions: functions.clone(), ..self }
    }

    pub(crate) fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Adds a source's columns, under the name that the query gives it.
    pub(crate) fn add(&mut self, source: &Source, alias: &str) {
        let mut add = |name: &str, ty: &Type, is_pseudo| {
            self.columns.push(ScopeColumn {
                source: alias.to_owned(),
                name: name.to_owned(),
                ty: ty.clone(),
                is_pseudo,
            });
        };
        for column in source.key.iter().chain(&source.value) {
            add(&column.name, &column.ty, false);
        }
        for (name, ty) in &PSEUDO {
            add(name, ty, true);
        }
    }

    /// Every column that `*` stands for, as `(source, name)`.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns
            .iter()
            .filter(|column| !column.is_pseudo)
            .map(|column| (column.source.as_str(), column.name.as_str()))
    }

    fn find(&self, source: Option<&str>, name: &str) -> Vec<(usize, &ScopeColumn)> {
        let fits = |column: &&ScopeColumn| {
            column.name == name && source.is_none_or(|source| column.source == source)
        };
        self.columns.iter().enumerate().filter(|(_, column)| fits(column)).collect()
    }

    pub(super) fn column(&self, source: Option<&str>, name: &str, at: &At<Expr>) -> Typed {
        match self.find(source, name).as_slice() {
            [(index, column)] => Ok((Bound::Column(*index), column.ty.clone())),
            [] => Err(self.unknown(source, name, at)),
            _ => Err(Diagnostic::new(at.span, format!("column {name} is in both sources"))
                .help("write which one it is of, as in 'source.column'")),
        }
    }

    fn unknown(&self, source: Option<&str>, name: &str, at: &At<Expr>) -> Diagnostic {
        if let Some(source) = source.filter(|source| self.columns.iter().all(|c| c.source != *source)) {
            let mut sources: Vec<_> = self.columns.iter().map(|c| c.source.as_str()).collect();
            sources.dedup();
            let said = Diagnostic::new(at.span, format!("the query reads no {source}"));
            if self.columns.iter().any(|c| c.name == source) {
                return said.help(format!("take a struct's field with '->', as in {source}->{name}"));
            }
            return said.help(format!("it reads {}", sources.join(", ")));
        }
        let mut names: Vec<_> =
            self.columns.iter().filter(|c| !c.is_pseudo).map(|c| c.name.as_str()).collect();
        names.dedup();
        let place = source.map_or_else(String::new, |source| format!(" in {source}"));
        Diagnostic::new(at.span, format!("there is no column {name}{place}"))
            .help(format!("the columns are {}", names.join(", ")))
    }
}
