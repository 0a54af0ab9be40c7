//! Refusals as the protocol's numbers.

use std::io;

use kafka_protocol::ResponseError;
use millstream_cluster::Fault;
use tracing::error;

/// The number of a refusal; 0 where there is none.
pub(crate) fn code<T>(result: &Result<T, ResponseError>) -> i16 {
    result.as_ref().err().map_or(0, ResponseError::code)
}

/// The protocol's name for a fault.
pub(crate) fn of_fault(fault: Fault) -> ResponseError {
    match fault {
        Fault::UnknownMember => ResponseError::UnknownMemberId,
        Fault::IllegalGeneration => ResponseError::IllegalGeneration,
        Fault::RebalanceInProgress => ResponseError::RebalanceInProgress,
        Fault::InconsistentProtocol => ResponseError::InconsistentGroupProtocol,
        Fault::MemberIdRequired => ResponseError::MemberIdRequired,
        Fault::FencedInstance => ResponseError::FencedInstanceId,
        Fault::NonEmptyGroup => ResponseError::NonEmptyGroup,
        Fault::GroupNotFound => ResponseError::GroupIdNotFound,
        Fault::GroupFull => ResponseError::GroupMaxSizeReached,
        Fault::OutOfOrderSequence => ResponseError::OutOfOrderSequenceNumber,
        Fault::InvalidEpoch => ResponseError::InvalidProducerEpoch,
        Fault::ProducerFenced => ResponseError::ProducerFenced,
        Fault::InvalidTxnState => ResponseError::InvalidTxnState,
        Fault::InvalidMapping => ResponseError::InvalidProducerIdMapping,
        Fault::ConcurrentTransactions => ResponseError::ConcurrentTransactions,
        Fault::InvalidTimeout => ResponseError::InvalidTransactionTimeout,
        Fault::TransactionNotFound => ResponseError::TransactionalIdNotFound,
    }
}

/// What a client is told when the disk fails; the log says more.
pub(crate) fn of_storage(failure: &io::Error) -> ResponseError {
    error!(%failure, "the storage failed");
    ResponseError::KafkaStorageError
}
