use millstream_model::{Column, Value};

use super::Planned;
use crate::ast::{At, Expr};
use crate::bind::Typed;
use crate::diagnostic::{Diagnostic, Span};
use crate::eval::Bound;

/// An item of the select list, with the name it gets.
pub(super) struct Item {
    pub(super) expr: At<Expr>,
    pub(super) name: String,
}

/// What a query selects, parted into the sink's key and its value: an item that is what the sink is keyed by is a key column.
pub(super) struct Selection {
    /// For each key column, the expressions that are it, the preferred one first.
    keyed_by: Vec<Vec<Bound>>,
    items: Vec<(Bound, Column, Span)>,
    pub(super) mistakes: Vec<Diagnostic>,
}

/// The selection's columns, and what the value's are over the rows.
pub(super) struct Selected {
    pub(super) key: Vec<Column>,
    pub(super) value: Vec<Column>,
    pub(super) outputs: Vec<Bound>,
}

impl Selection {
    pub(super) fn new(keyed_by: Vec<Vec<Bound>>, mistakes: Vec<Diagnostic>) -> Self {
        Self { keyed_by, items: Vec::new(), mistakes }
    }

    pub(super) fn add(&mut self, bound: Typed, item: Item) {
        match bound {
            Ok((Bound::Literal(Value::Null), _)) => {
                let said = Diagnostic::new(item.expr.span, "a bare NULL is of no type");
                self.mistakes.push(said.help("write CAST(NULL AS …)"));
            }
            Ok((bound, ty)) => self.items.push((bound, Column::new(item.name, ty), item.expr.span)),
            Err(mistake) => self.mistakes.push(mistake),
        }
    }

    /// Keeps what could be bound, and notes what could not.
    pub(super) fn take<T>(&mut self, bound: Result<T, Diagnostic>) -> Option<T> {
        bound.map_err(|mistake| self.mistakes.push(mistake)).ok()
    }

    /// The columns, if all is well; `missing` says that what the sink is keyed by was not selected.
    pub(super) fn finish(mut self, missing: impl Fn(usize) -> Diagnostic) -> Planned<Selected> {
        let mut chosen = Vec::new();
        let mut taken = Vec::new();
        for (place, same) in self.keyed_by.iter().enumerate() {
            let is_free = |at: &usize| !taken.contains(at);
            let at = same
                .iter()
                .find_map(|by| self.items.iter().position(|(bound, ..)| bound == by).filter(is_free));
            match at {
                Some(at) => {
                    taken.push(at);
                    chosen.push((at, place));
                }
                None if self.mistakes.is_empty() => self.mistakes.push(missing(place)),
                None => {}
            }
        }
        self.twins(&taken);
        let mut selected = Selected { key: Vec::new(), value: Vec::new(), outputs: Vec::new() };
        for at in &taken {
            selected.key.extend(self.items.get(*at).map(|(_, column, _)| column.clone()));
        }
        for (at, (bound, column, _)) in self.items.iter().enumerate() {
            if !taken.contains(&at) {
                selected.value.push(column.clone());
                selected.outputs.push(bound.clone());
            }
        }
        if self.mistakes.is_empty() && selected.value.is_empty() {
            let span = self.items.first().map(|(.., span)| *span).unwrap_or_default();
            let said =
                Diagnostic::new(span, "nothing is left for the value: all that is selected is the key");
            self.mistakes.push(said.help("select another column, or the key once more as AS_VALUE(column)"));
        }
        if self.mistakes.is_empty() { Ok(selected) } else { Err(self.mistakes) }
    }

    /// A second column of one name could not be told from the first, and a key that comes twice is one time too many.
    fn twins(&mut self, taken: &[usize]) {
        let mut found = Vec::new();
        for (at, (bound, column, span)) in self.items.iter().enumerate() {
            if self.items.iter().take(at).any(|(_, before, _)| before.name == column.name) {
                let said = format!("a second column is called {}", column.name);
                found.push(Diagnostic::new(*span, said).help("name it with AS"));
            }
            let is_key = |key: &usize| self.items.get(*key).is_some_and(|(key, ..)| key == bound);
            if !taken.contains(&at) && taken.iter().any(is_key) {
                let said = Diagnostic::new(*span, "the key is selected twice");
                found.push(said.help("copy it into the value as AS_VALUE(column)"));
            }
        }
        self.mistakes.extend(found);
    }
}
