use thiserror::Error;

/// Why something is refused. Each is one of the protocol's own errors.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// The member is not in the group: it must join anew.
    #[error("the group does not know this member")]
    UnknownMember,
    /// The member speaks of a generation that is not the present one.
    #[error("the generation is not the group's")]
    IllegalGeneration,
    /// The group is dividing its partitions: the member must join again.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// The member and the group share no protocol.
    #[error("no protocol is shared with the group")]
    InconsistentProtocol,
    /// The member must join again with the id it was given.
    #[error("a member id is required")]
    MemberIdRequired,
    /// Another member has taken the static member's place.
    #[error("another member has this instance id")]
    FencedInstance,
    /// The group has members, and can't be removed or changed.
    #[error("the group is not empty")]
    NonEmptyGroup,
    /// There is no such group.
    #[error("there is no such group")]
    GroupNotFound,
    /// The group has as many members as it may.
    #[error("the group is full")]
    GroupFull,
    /// A batch is missing between this and the last.
    #[error("the sequence has a gap")]
    OutOfOrderSequence,
    /// The producer's epoch is over.
    #[error("the producer's epoch is over")]
    InvalidEpoch,
    /// The producer has been replaced by a newer one of the same transactional id.
    #[error("a newer producer has fenced this one")]
    ProducerFenced,
    /// The transaction is not in a state that allows it.
    #[error("the transaction's state does not allow it")]
    InvalidTxnState,
    /// The producer id is not that of the transactional id.
    #[error("the producer id is not that of the transactional id")]
    InvalidMapping,
    /// The transaction's end is being written: try again.
    #[error("the transaction is just being ended")]
    ConcurrentTransactions,
    /// The transaction's timeout is not in the allowed range.
    #[error("the transaction timeout is out of range")]
    InvalidTimeout,
    /// There is no such transactional id.
    #[error("there is no such transactional id")]
    TransactionNotFound,
}
