use millstream_model::Type;

use super::Typed;
use crate::ast::{At, Expr};
use crate::catalog::{BOUNDS, PSEUDO, Source};
use crate::diagnostic::Diagnostic;
use crate::eval::Bound;
use crate::functions::Functions;

/// The columns a query can name, in the order of the row.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    columns: Vec<ScopeColumn>,
    /// The columns that `*` stands for.
    shown: Vec<usize>,
    functions: Functions,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct ScopeColumn {
    /// What the query calls the source it is of; nothing, where it is of none.
    pub(crate) source: String,
    pub(crate) name: String,
    pub(crate) ty: Type,
}

impl Scope {
    /// A scope of plain columns.
    pub fn of(columns: &[(&str, Type)]) -> Self {
        let mut scope = Self::default();
        for (name, ty) in columns {
            let place = scope.push("", name, ty.clone());
            scope.shown.push(place);
        }
        scope
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
        let first = self.columns.len();
        for column in source.key.iter().chain(&source.value) {
            self.push(alias, &column.name, column.ty.clone());
        }
        for header in &source.headers {
            self.push(alias, &header.column.name, header.column.ty.clone());
        }
        let bounds = if source.window.is_some() { &BOUNDS[..] } else { &[] };
        for (name, ty) in PSEUDO.iter().chain(bounds) {
            self.push(alias, name, ty.clone());
        }
        self.shown.extend(source.declared().into_iter().map(|place| first + place));
    }

    /// Adds a column that `*` does not stand for, and gives its place.
    pub(crate) fn push(&mut self, source: &str, name: &str, ty: Type) -> usize {
        let (source, name) = (source.to_owned(), name.to_owned());
        self.columns.push(ScopeColumn { source, name, ty });
        self.columns.len() - 1
    }

    /// Adds a column that `*` stands for, behind the others, and gives its place.
    pub(crate) fn push_shown(&mut self, source: &str, name: &str, ty: Type) -> usize {
        let place = self.push(source, name, ty);
        self.shown.push(place);
        place
    }

    /// Adds a column that `*` stands for behind as many others.
    pub(crate) fn push_shown_at(&mut self, behind: usize, name: &str, ty: Type) -> usize {
        let place = self.push("", name, ty);
        self.shown.insert(behind.min(self.shown.len()), place);
        place
    }

    /// Adds a column that `*` stands for before all others.
    pub(crate) fn push_first(&mut self, name: &str, ty: Type) -> usize {
        self.push_shown_at(0, name, ty)
    }

    /// Has `*` stand for the bounds of windows too, behind as many columns of the key.
    pub(crate) fn show_bounds(&mut self, behind: usize) {
        let is_bound = |name: &str| BOUNDS.iter().any(|(bound, _)| *bound == name);
        let places = self.columns.iter().enumerate().filter(|(_, column)| is_bound(&column.name));
        let places: Vec<_> = places.map(|(place, _)| place).collect();
        let behind = behind.min(self.shown.len());
        self.shown.splice(behind..behind, places);
    }

    /// Hides what joins before have made.
    pub(crate) fn forget_made(&mut self) {
        let columns = &mut self.columns;
        self.shown.retain(|place| columns.get(*place).is_none_or(|column| !column.source.is_empty()));
        columns.iter_mut().filter(|column| column.source.is_empty()).for_each(|column| column.name.clear());
    }

    /// Adds another scope's columns behind its own.
    pub(crate) fn extend(&mut self, other: Self) {
        let first = self.columns.len();
        self.columns.extend(other.columns);
        self.shown.extend(other.shown.into_iter().map(|place| first + place));
    }

    /// How many values a row has.
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The column at a place.
    pub(crate) fn at(&self, place: usize) -> Option<&ScopeColumn> {
        self.columns.get(place)
    }

    /// Every column that `*` stands for, or `source.*`.
    pub(crate) fn all(&self, source: Option<&str>) -> Vec<usize> {
        let is_of = |place: &usize| {
            source.is_none_or(|source| self.at(*place).is_some_and(|column| column.source == source))
        };
        self.shown.iter().copied().filter(is_of).collect()
    }

    /// Whether a source is called so.
    pub(crate) fn has(&self, source: &str) -> bool {
        self.columns.iter().any(|column| column.source == source)
    }

    /// The names of all columns.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Has `*` stand for these columns behind all others, save those that are `kept`.
    pub(crate) fn show_last(&mut self, last: &[usize], kept: &[usize]) {
        let moves = |place: &usize| last.contains(place) && !kept.contains(place);
        let (behind, mut shown): (Vec<usize>, Vec<usize>) = self.shown.iter().partition(|place| moves(place));
        shown.extend(behind);
        self.shown = shown;
        let missing: Vec<_> = kept.iter().copied().filter(|place| !self.shown.contains(place)).collect();
        self.shown.splice(0..0, missing);
    }

    /// Whether a column has this name.
    pub(crate) fn is_known(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    /// Whether columns of several sources have this name.
    pub(crate) fn is_ambiguous(&self, name: &str) -> bool {
        self.columns.iter().filter(|column| column.name == name).count() > 1
    }

    fn find(&self, source: Option<&str>, name: &str) -> Vec<(usize, &ScopeColumn)> {
        let fits = |column: &&ScopeColumn| {
            column.name == name && source.is_none_or(|source| column.source == source)
        };
        self.columns.iter().enumerate().filter(|(_, column)| fits(column)).collect()
    }

    pub(crate) fn column(&self, source: Option<&str>, name: &str, at: &At<Expr>) -> Typed {
        match self.find(source, name).as_slice() {
            [(index, column)] => Ok((Bound::Column(*index), column.ty.clone())),
            [] => Err(self.unknown(source, name, at)),
            _ => Err(Diagnostic::new(at.span, format!("column {name} is in both sources"))
                .help("write which one it is of, as in 'source.column'")),
        }
    }

    fn unknown(&self, source: Option<&str>, name: &str, at: &At<Expr>) -> Diagnostic {
        if let Some(source) = source.filter(|source| !self.has(source)) {
            let mut sources: Vec<_> = self.columns.iter().map(|c| c.source.as_str()).collect();
            sources.retain(|source| !source.is_empty());
            sources.dedup();
            let said = Diagnostic::new(at.span, format!("the query reads no {source}"));
            if self.columns.iter().any(|c| c.name == source) {
                return said.help(format!("take a struct's field with '->', as in {source}->{name}"));
            }
            return said.help(format!("it reads {}", sources.join(", ")));
        }
        let shown = self.shown.iter().filter_map(|place| self.at(*place));
        let mut names: Vec<_> = shown.map(|column| column.name.as_str()).collect();
        names.dedup();
        let place = source.map_or_else(String::new, |source| format!(" in {source}"));
        Diagnostic::new(at.span, format!("there is no column {name}{place}"))
            .help(format!("the columns are {}", names.join(", ")))
    }
}
