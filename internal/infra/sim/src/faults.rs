/// What goes wrong, by chance: each figure says how often in a thousand, unless it says otherwise. The default is that nothing does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// What decides when.
    pub seed: u64,
    /// The process that performs the effect of this number, counted from the moment the faults are set, crashes in its
    /// midst. Effects are what others can see: a record written, a commit, a batch in a store.
    pub crash_at_effect: Option<u64>,
    /// A record that is sent waits in the sender's queue.
    pub slow_sends: u32,
    /// The records in a sender's queue are given up, but for some of the first.
    pub failing_sends: u32,
    /// What a commit needs is not there yet, for whoever asks and does not wait for it: acknowledgements, or the answer.
    pub slow_commits: u32,
    /// A commit is refused.
    pub refused_commits: u32,
    /// The end of a transaction reaches the partitions it wrote to, and its group, one by one and later.
    pub late_markers: u32,
    /// A poll hands over records that it has handed over before.
    pub repeated_polls: u32,
    /// A poll hands over fewer records than there are.
    pub short_polls: u32,
    /// A store can't write a batch.
    pub failing_stores: u32,
    /// A store finds that it is damaged, and is new when it is opened again.
    pub damaged_stores: u32,
    /// A store can't be opened yet.
    pub busy_stores: u32,
    /// Records with more bytes in key and value are refused, as by a producer that is told their limit.
    pub record_bytes_max: Option<usize>,
    /// Records with more bytes in key and value are refused as by the brokers of a topic that takes smaller ones than the
    /// producer: only once they are delivered, and with them all that waits for their partition.
    pub accepted_bytes_max: Option<usize>,
}
