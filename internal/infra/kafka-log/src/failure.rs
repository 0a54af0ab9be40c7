use millstream_ports::{Action, PortError};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// A client's error as a port's: what was attempted, what to do, and what librdkafka says. No property's value is told,
/// since it may be a secret.
pub(crate) fn port_error(attempt: impl Into<String>, error: &KafkaError) -> PortError {
    if let KafkaError::ClientConfig(_, reason, name, _) = error {
        return PortError::stop(format!("kafka property '{name}' is not accepted: {reason}"));
    }
    let action = error.rdkafka_error_code().map_or(Action::Stop, action);
    PortError::new(action, attempt).because(said(error))
}

/// The words of librdkafka's code, which say more than the name of the enum it is wrapped in.
fn said(error: &KafkaError) -> String {
    error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string())
}

fn action(code: Code) -> Action {
    match code {
        Code::IllegalGeneration
        | Code::RebalanceInProgress
        | Code::UnknownMemberId
        | Code::AssignmentLost
        | Code::StaleMemberEpoch
        | Code::OperationTimedOut
        | Code::RequestTimedOut
        | Code::BrokerTransportFailure
        | Code::AllBrokersDown
        | Code::CoordinatorLoadInProgress
        | Code::CoordinatorNotAvailable
        | Code::NotCoordinator
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::NetworkException
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::WaitingForCoordinator => Action::Retry,
        _ => Action::Stop,
    }
}

/// Whether a consumer that reports this goes on by itself.
pub(crate) fn passes(error: &KafkaError) -> bool {
    match error {
        KafkaError::MessageConsumptionFatal(_) => false,
        other => match other.rdkafka_error_code() {
            Some(
                Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::InvalidGroupId
                | Code::UnsupportedSASLMechanism,
            )
            | None => false,
            Some(_) => true,
        },
    }
}
