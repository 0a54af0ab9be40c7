/// A part of a table: keys that begin with a prefix, between two ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// What keys begin with; all do with nothing.
    pub prefix: Vec<u8>,
    /// The first key, itself included.
    pub from: Option<Vec<u8>>,
    /// Where it ends: the first key that is no more part of it.
    pub to: Option<Vec<u8>>,
    /// The last key of the page before: the next one begins behind it.
    pub after: Option<Vec<u8>>,
}

impl Span {
    /// Whether `key` is part of it.
    pub fn contains(&self, key: &[u8]) -> bool {
        key.starts_with(&self.prefix)
            && self.from.as_deref().is_none_or(|from| key >= from)
            && self.after.as_deref().is_none_or(|after| key > after)
            && self.to.as_deref().is_none_or(|to| key < to)
    }

    /// A key at or before the first one of it.
    pub(crate) fn start(&self) -> &[u8] {
        let from = self.from.as_deref().unwrap_or_default();
        from.max(self.after.as_deref().unwrap_or_default())
    }

    /// Whether a key of it may come behind `key`.
    pub(crate) fn may_follow(&self, key: &[u8]) -> bool {
        self.to.as_deref().is_none_or(|to| key < to)
    }
}

/// Some entries of a span, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys and values.
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether the span has more behind them.
    pub has_more: bool,
}
