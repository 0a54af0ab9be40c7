/// Keys from one, up to but without another, in the order of their bytes.
///
/// ```
/// use millstream_ports::KeyRange;
/// assert!(KeyRange::prefix(b"ab").contains(b"abc"));
/// assert!(!KeyRange::prefix(b"ab").contains(b"b"));
/// assert!(KeyRange::all().after(b"k").contains(b"k\0"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
}

impl KeyRange {
    /// The keys from `from`, up to but without `to`; `None` has no end.
    pub fn new(from: impl Into<Vec<u8>>, to: Option<Vec<u8>>) -> Self {
        Self { from: from.into(), to }
    }

    /// Every key.
    pub fn all() -> Self {
        Self::default()
    }

    /// The keys that begin with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        // What begins with bytes 255 alone has no end.
        let end = prefix.iter().rposition(|byte| *byte < u8::MAX).map(|last| {
            let mut end = prefix.get(..=last).unwrap_or_default().to_vec();
            if let Some(byte) = end.last_mut() {
                *byte = byte.saturating_add(1);
            }
            end
        });
        Self { from: prefix.to_vec(), to: end }
    }

    /// The keys of the range after `key`.
    #[must_use]
    pub fn after(mut self, key: &[u8]) -> Self {
        if key >= self.from.as_slice() {
            self.from = [key, &[0]].concat();
        }
        self
    }

    /// The first key that it may hold.
    pub fn from(&self) -> &[u8] {
        &self.from
    }

    /// The first key after it.
    pub fn to(&self) -> Option<&[u8]> {
        self.to.as_deref()
    }

    /// Whether no key can be in it.
    pub fn is_empty(&self) -> bool {
        self.to().is_some_and(|to| to <= self.from())
    }

    /// Whether `key` is in it.
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.from() && self.is_before_end(key)
    }

    /// Whether `key` is in it, or before it.
    pub fn is_before_end(&self, key: &[u8]) -> bool {
        self.to().is_none_or(|to| key < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_all_keys_that_begin_with_it_and_no_other() {
        let keys: &[&[u8]] =
            &[b"", b"a", b"a\xfe", b"a\xff", b"a\xff\xff", b"a\xffz", b"b", b"\xff", b"\xff\xff"];
        for prefix in keys {
            let range = KeyRange::prefix(prefix);
            for key in keys {
                assert_eq!(range.contains(key), key.starts_with(prefix), "{key:?} in {prefix:?}");
            }
        }
    }

    #[test]
    fn the_rest_of_a_range_is_what_comes_after_a_key() {
        let range = KeyRange::new(*b"c", Some(b"f".to_vec()));
        assert_eq!(range.clone().after(b"a"), range);
        let rest = range.after(b"d");
        assert_eq!((rest.contains(b"d"), rest.contains(b"d\0"), rest.contains(b"f")), (false, true, false));
        assert!(rest.after(b"f").is_empty());
    }
}
