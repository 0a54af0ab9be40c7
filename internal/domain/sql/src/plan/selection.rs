use millstream_model::Column;

use super::{Body, Planned, QueryPlan};
use crate::bind::Typed;
use crate::diagnostic::{Diagnostic, Span};
use crate::eval::Bound;

/// What a query selects, parted into the sink's key and its value: an item that is exactly what the sink is keyed by is a
/// key column, the first time it comes.
pub(super) struct Selection {
    keyed_by: Vec<Bound>,
    key: Vec<Option<(Column, Span)>>,
    value: Vec<Bound>,
    columns: Vec<(Column, Span)>,
    pub(super) mistakes: Vec<Diagnostic>,
}

impl Selection {
    pub(super) fn new(keyed_by: Vec<Bound>, mistakes: Vec<Diagnostic>) -> Self {
        let key = vec![None; keyed_by.len()];
        Self { keyed_by, key, value: Vec::new(), columns: Vec::new(), mistakes }
    }

    pub(super) fn add(&mut self, item: Typed, name: String, span: Span) {
        let (bound, ty) = match item {
            Ok(item) => item,
            Err(mistake) => return self.mistakes.push(mistake),
        };
        let column = (Column::new(name, ty), span);
        let slots = self.keyed_by.iter().zip(&mut self.key);
        let mut free = slots.filter(|(by, slot)| **by == bound && slot.is_none());
        if let Some((_, slot)) = free.next() {
            *slot = Some(column);
        } else {
            self.value.push(bound);
            self.columns.push(column);
        }
    }

    /// Keeps what could be bound, and notes what could not.
    pub(super) fn take<T>(&mut self, bound: Result<T, Diagnostic>) -> Option<T> {
        bound.map_err(|mistake| self.mistakes.push(mistake)).ok()
    }

    /// The planned query, if all is well; `missing` says that what the sink is keyed by was not selected.
    pub(super) fn finish(
        mut self,
        format: &str,
        missing: impl FnOnce(usize) -> Diagnostic,
        plan: impl FnOnce(Vec<Bound>, Vec<Bound>) -> Option<QueryPlan>,
    ) -> Planned<Body> {
        if let (true, Some(place)) = (self.mistakes.is_empty(), self.key.iter().position(Option::is_none)) {
            self.mistakes.push(missing(place));
        }
        let keys: Vec<_> = self.key.into_iter().flatten().collect();
        self.mistakes.extend(twins(&keys, &self.columns));
        if self.mistakes.is_empty() && self.columns.is_empty() {
            let span = keys.first().map(|(_, span)| *span).unwrap_or_default();
            let said =
                Diagnostic::new(span, "nothing is left for the value: all that is selected is the key");
            self.mistakes.push(said.help("select another column, or the key once more as AS_VALUE(column)"));
        }
        let unplaced = |columns: Vec<(Column, Span)>| columns.into_iter().map(|(column, _)| column).collect();
        match plan(self.keyed_by, self.value) {
            Some(plan) if self.mistakes.is_empty() => Ok(Body {
                plan,
                key: unplaced(keys),
                value: unplaced(self.columns),
                format: format.to_owned(),
            }),
            _ => Err(self.mistakes),
        }
    }
}

/// A second column of one name could not be told from the first.
fn twins(key: &[(Column, Span)], value: &[(Column, Span)]) -> Vec<Diagnostic> {
    let all: Vec<_> = key.iter().chain(value).collect();
    let is_twin = |(index, (column, _)): &(usize, &&(Column, Span))| {
        all.iter().take(*index).any(|(before, _)| before.name == column.name)
    };
    let found = all.iter().enumerate().filter(is_twin);
    found
        .map(|(_, (column, span))| {
            Diagnostic::new(*span, format!("a second column is called {}", column.name))
                .help("name it with AS")
        })
        .collect()
}
