use std::collections::HashMap;
use std::sync::Arc;

use millstream_ports::{CodecError, WholeRow};

use crate::layout::{Layout, Layouts};
use crate::text::Texts;

/// What is to be written next: the last word on each key.
pub(crate) struct Staging {
    keys: Layouts,
    values: Layouts,
    places: HashMap<Arc<Texts>, usize>,
    rows: Vec<Staged>,
}

/// What becomes of one key's row.
pub(crate) struct Staged {
    pub(crate) key_layout: Arc<Layout>,
    pub(crate) key: Arc<Texts>,
    /// `None` deletes it.
    pub(crate) value: Option<(Arc<Layout>, Texts)>,
}

impl Staging {
    pub(crate) fn new(key_column: &str) -> Self {
        Self {
            keys: Layouts::new(key_column),
            values: Layouts::new("value"),
            places: HashMap::new(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn take(&mut self, key: &WholeRow, value: Option<&WholeRow>) -> Result<(), CodecError> {
        let key_layout = self.keys.of(&key.columns)?;
        let key = Arc::new(key_layout.texts(key)?);
        if !key.are_all() {
            return Err(CodecError::new("a column of the key is null"));
        }
        let value = match value {
            None => None,
            Some(row) => {
                let layout = self.values.of(&row.columns)?;
                let texts = layout.texts(row)?;
                Some((layout, texts))
            }
        };
        let staged = Staged { key_layout, key: key.clone(), value };
        if let Some(before) = self.places.get(&key).and_then(|place| self.rows.get_mut(*place)) {
            *before = staged;
        } else {
            self.places.insert(key, self.rows.len());
            self.rows.push(staged);
        }
        Ok(())
    }

    /// What was staged, and is no more.
    pub(crate) fn drain(&mut self) -> Vec<Staged> {
        self.places.clear();
        std::mem::take(&mut self.rows)
    }
}

/// Rows in groups that one statement writes: of the same layouts, or deletions. In the order of their keys, so that two
/// writers never wait for each other.
pub(crate) fn groups(rows: &[Staged]) -> Vec<Vec<&Staged>> {
    let mut sorted: Vec<&Staged> = rows.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let mut groups: Vec<Vec<&Staged>> = Vec::new();
    for staged in sorted {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| is_alike(first, staged))) {
            Some(group) => group.push(staged),
            None => groups.push(vec![staged]),
        }
    }
    groups
}

fn is_alike(a: &Staged, b: &Staged) -> bool {
    let same_value = match (&a.value, &b.value) {
        (None, None) => true,
        (Some((a, _)), Some((b, _))) => Arc::ptr_eq(a, b),
        _ => false,
    };
    same_value && Arc::ptr_eq(&a.key_layout, &b.key_layout)
}
