/// How a figure behaves.
#[derive(Clone, Debug, PartialEq)]
pub enum SampleKind {
    /// It only rises, from 0 at the start of the process.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It is the sum of many, which are counted by how large they were.
    Histogram(Buckets),
}

/// How many of a histogram's values were how large.
///
/// **Invariant:** the ends rise, and so do the counts, up to `count`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    /// Upper ends, each with how many values were no larger.
    pub ends: Vec<(f64, u64)>,
    /// How many values there were.
    pub count: u64,
}

/// One figure at one moment.
///
/// **Invariant:** `name` is `<system>_<noun>_<unit>[_total]`, and the label names of one name are always the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The figure's name.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub help: &'static str,
    /// How it behaves.
    pub kind: SampleKind,
    /// What it is about, from bounded sets.
    pub labels: Vec<(&'static str, String)>,
    /// Its value; a histogram's sum.
    pub value: f64,
}

/// Something that has figures to tell.
pub trait Meter: Send + Sync {
    /// Appends all figures as of now.
    fn samples(&self, out: &mut Vec<Sample>);
}
