use std::fmt;

/// The header that a trace's place goes by from record to record.
pub const TRACE_HEADER: &str = "traceparent";

/// A place in a trace, as the header `traceparent` writes it (W3C Trace Context, version 00).
///
/// Neither identifier is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace: u128,
    /// The span.
    pub span: u64,
    /// Whether the trace is told.
    pub is_sampled: bool,
}

impl TraceParent {
    /// Reads the header. `None` is one that does not fit its specification, which begins a trace of its own as if there were
    /// none. Later versions may say more behind what is read here.
    pub fn read(header: &[u8]) -> Option<Self> {
        let (head, rest) = std::str::from_utf8(header).ok()?.split_at_checked(55)?;
        let mut parts = head.split('-');
        let mut next = |length: usize| {
            let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            parts.next().filter(|part| part.len() == length && part.bytes().all(is_hex))
        };
        let (version, trace, span, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        let fits = if version == "00" { rest.is_empty() } else { rest.is_empty() || rest.starts_with('-') };
        let trace = u128::from_str_radix(trace, 16).ok()?;
        let span = u64::from_str_radix(span, 16).ok()?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        let is_valid = fits && version != "ff" && trace != 0 && span != 0;
        is_valid.then_some(Self { trace, span, is_sampled: flags & 1 == 1 })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.is_sampled))
    }
}

/// A span that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// What its records carry on.
    pub place: TraceParent,
    /// The span it is part of; `None` begins the trace.
    pub parent: Option<u64>,
    /// When it began, in nanoseconds since 1970.
    pub began_ns: u64,
}

/// What a span was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanWork<'a> {
    /// The topic that was written, or read.
    pub topic: &'a str,
    /// The partition, where it is known.
    pub partition: Option<u32>,
    /// The record's offset, where it is known.
    pub offset: Option<i64>,
    /// The group that processed it; `None` is a record that was written from outside any.
    pub group: Option<&'a str>,
    /// What was wrong, if something was.
    pub failure: Option<&'a str>,
}

/// Takes the spans of traces. It MUST never hold up its caller: what it has no room for is dropped.
pub trait Tracer: Send + Sync {
    /// Begins a span of `parent`'s trace, or of a new one, of which an adapter may tell only some.
    fn begin(&self, parent: Option<TraceParent>) -> Span;

    /// Ends it, and tells it where its place is sampled.
    fn end(&self, span: &Span, work: &SpanWork<'_>);
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let place = TraceParent::read(GOOD.as_bytes()).unwrap();
        assert_eq!((place.to_string().as_str(), place.is_sampled), (GOOD, true));
        let quiet = TraceParent { is_sampled: false, trace: 1, span: 2 };
        assert_eq!(TraceParent::read(quiet.to_string().as_bytes()), Some(quiet));
    }

    #[test]
    fn what_does_not_fit_is_none() {
        for (header, fits) in [
            (GOOD.to_owned(), true),
            (GOOD.replacen("00-", "cc-", 1), true),
            (GOOD.replacen("00-", "cc-", 1) + "-more", true),
            (GOOD.replacen("00-", "cc-", 1) + "more", false),
            (GOOD.replacen("00-", "ff-", 1), false),
            (GOOD.to_owned() + "-more", false),
            (GOOD.to_uppercase(), false),
            (GOOD.replace("b7ad6b7169203331", "0000000000000000"), false),
            (GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)), false),
            (GOOD.replace("-01", "-0"), false),
            (GOOD.replace("0af7", "+af7"), false),
            ("é".repeat(40), false),
            (String::new(), false),
        ] {
            assert_eq!(TraceParent::read(header.as_bytes()).is_some(), fits, "{header}");
        }
    }
}
