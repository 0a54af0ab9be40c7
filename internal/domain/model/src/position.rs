use std::fmt;

/// The number of a topic's partition, from 0.
///
/// **Invariant:** never negative; Kafka's -1 ("any") is an absent `Partition`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(u32);

impl Partition {
    /// Partition number `index`.
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The number, as an index into a list of partitions.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The number as Kafka's clients write it.
    pub fn as_i32(self) -> i32 {
        i32::try_from(self.0).unwrap_or(i32::MAX)
    }
}

impl TryFrom<i32> for Partition {
    type Error = std::num::TryFromIntError;

    fn try_from(raw: i32) -> Result<Self, Self::Error> {
        u32::try_from(raw).map(Self)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A record's place in its partition. A committed or stored offset is that of the **next** record to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Offset(pub i64);

impl Offset {
    /// The first offset a partition can have.
    pub const ZERO: Self = Self(0);

    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many offsets lie from here to `end`; 0 when `end` is not ahead.
    pub fn until(self, end: Self) -> u64 {
        u64::try_from(end.0.saturating_sub(self.0)).unwrap_or(0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, as Kafka stamps records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
