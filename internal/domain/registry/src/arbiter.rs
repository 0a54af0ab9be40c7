/// Goes with each record: whose it is, and by which token it was written.
///
/// That is how registries share a log without a leader. To write, a registry takes a token: it appends a
/// [`crate::Record::Noop`] with a token greater than all before, and reads up to it. From there on its records count until
/// the log has another's token. Since all readers see one order, they judge alike: of two registries that decide on the
/// same state only one's records count, and the other, reading its own back, finds them void and decides anew.
///
/// **Invariant:** a record counts only where its writer had read all that counts before it, so no id is given twice.
/// The writer has its part in that: it reads its own records back before it decides again, and where it can't say whether
/// they arrived, it takes a new token first.
///
/// Compaction takes nothing from that. What counts once counts in any shorter log, for tokens only grow. What is void may
/// count there, where the token that made it void is gone; [`crate::State::repairs`] says anew what it would hide, in
/// records that come later and count.
///
/// What it does not do: records without a stamp, such as those of Confluent's registry, always count. A registry of another
/// make must not write to the same log at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The writer's own number, which differs from all others' and is less than [`u64::MAX`].
    pub writer: u64,
    /// The token.
    pub token: u64,
}

/// Whether a record counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Counts,
    /// Another has taken a token since its writer did: it is as if it were not there.
    Void,
}

/// Judges records in the log's order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Arbiter {
    /// The greatest token, and who has it; of one number that two have taken, the greater writer's is the greater token.
    held: (u64, u64),
}

impl Arbiter {
    pub(crate) fn holds(self, stamp: Stamp) -> bool {
        self.held == (stamp.token, stamp.writer)
    }

    /// One that nobody had yet. `position` is where the reader is in the log; it keeps one who reads a compacted log, and
    /// so may not see the greatest token, from offering less than that: in one log no token is beyond its own place.
    pub(crate) fn next_token(self, position: u64) -> u64 {
        self.held.0.saturating_add(1).max(position)
    }

    pub(crate) fn judge(&mut self, stamp: Option<Stamp>) -> Verdict {
        // Nobody holds a token after a record without a stamp: everyone has to read it first.
        let Some(stamp) = stamp else {
            self.held.1 = u64::MAX;
            return Verdict::Counts;
        };
        // A greater one is taken by this very record, or was by one that is compacted away.
        let offered = (stamp.token, stamp.writer);
        if offered < self.held {
            return Verdict::Void;
        }
        self.held = offered;
        Verdict::Counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_counts_until_another_takes_a_token() {
        let mut arbiter = Arbiter::default();
        let (one, two) = (Stamp { writer: 1, token: 1 }, Stamp { writer: 2, token: 2 });
        let tied = Stamp { writer: 0, token: 1 };
        for (stamp, verdict) in [
            (Some(one), Verdict::Counts),
            (Some(one), Verdict::Counts),
            (Some(tied), Verdict::Void),
            (Some(two), Verdict::Counts),
            (Some(one), Verdict::Void),
            (None, Verdict::Counts),
            (Some(two), Verdict::Void),
            (Some(Stamp { writer: 2, token: 9 }), Verdict::Counts),
        ] {
            assert_eq!(arbiter.judge(stamp), verdict, "{stamp:?}");
        }
        assert_eq!((arbiter.next_token(4), arbiter.next_token(40)), (10, 40));
    }
}
