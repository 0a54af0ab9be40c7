use millstream_ports::{Action, PortError};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// A client's error as a port's: what was attempted, what librdkafka says, and the remedy where one is known. No
/// property's value is told, since it may be a secret.
pub(crate) fn port_error(attempt: impl Into<String>, error: &KafkaError) -> PortError {
    if let KafkaError::ClientConfig(_, reason, name, value) = error {
        let reason = reason.replace(&format!("\"{value}\""), "as it is set");
        return PortError::stop(format!("kafka property '{name}' is not accepted: {reason}"));
    }
    let Some(code) = code(error) else { return PortError::stop(attempt).because(said(error)) };
    refusal(attempt, code)
}

/// An answer of the brokers as a port's error.
pub(crate) fn refusal(attempt: impl Into<String>, code: Code) -> PortError {
    let said = remedy(code).map_or_else(|| code.to_string(), |remedy| format!("{code}; {remedy}"));
    PortError::new(action(code), attempt).because(said)
}

pub(crate) fn code(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}

/// librdkafka's own words, without the name of the enum they are wrapped in.
fn said(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientCreation(said)
        | KafkaError::AdminOpCreation(said)
        | KafkaError::Subscription(said)
        | KafkaError::PauseResume(said)
        | KafkaError::Seek(said) => said.clone(),
        other => other.to_string(),
    }
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
        | Code::Resolve
        | Code::CoordinatorLoadInProgress
        | Code::CoordinatorNotAvailable
        | Code::NotCoordinator
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::NetworkException
        | Code::NotController
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::WaitingForCoordinator => Action::Retry,
        // Another record would have been taken.
        Code::MessageSizeTooLarge => Action::DeadLetter,
        _ => Action::Stop,
    }
}

/// Whether brokers refused a record, or one that came with it, for what it is: another one would have been taken.
pub(crate) fn is_rejection(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::MessageSizeTooLarge
                | Code::MessageBatchTooLarge
                | Code::InvalidMessageSize
                | Code::InvalidTimestamp
                | Code::InvalidRecord
                | Code::InvalidDifferentRecord
        )
    )
}

/// Whether a topic or a partition is not there, as far as the client knows.
pub(crate) fn is_absence(error: &KafkaError) -> bool {
    let absences = [Code::UnknownTopicOrPartition, Code::UnknownTopic, Code::UnknownPartition];
    error.rdkafka_error_code().is_some_and(|code| absences.contains(&code))
}

fn remedy(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::TopicAuthorizationFailed => "allow it by an ACL on the topic",
        Code::GroupAuthorizationFailed => "allow READ by an ACL on the group",
        Code::ClusterAuthorizationFailed => "allow it by an ACL on the cluster",
        Code::Authentication | Code::SaslAuthenticationFailed => {
            "check the kafka properties sasl.mechanism, sasl.username and sasl.password"
        }
        Code::SSL => "check the kafka properties security.protocol and ssl.ca.location",
        Code::MessageSizeTooLarge => {
            "raise message.max.bytes among the kafka properties and max.message.bytes of the topic"
        }
        Code::MessageBatchTooLarge => {
            "raise segment.bytes of the topic, or lower batch.size among the kafka properties"
        }
        Code::InvalidTimestamp => {
            "see message.timestamp.before.max.ms and message.timestamp.after.max.ms of the topic"
        }
        Code::InvalidRecord => "a compacted topic wants a key",
        Code::UnknownTopic | Code::UnknownTopicOrPartition => "create the topic",
        Code::UnknownPartition => "give the topic more partitions",
        Code::InvalidReplicationFactor => "ask for fewer copies, or add brokers",
        Code::MessageTimedOut => {
            "see that the brokers are up, the topic is there and enough replicas are in sync"
        }
        Code::AutoOffsetReset => "set auto.offset.reset to earliest to read from the oldest record kept",
        _ => return None,
    })
}

/// Whether a consumer that reports this goes on by itself.
pub(crate) fn passes(error: &KafkaError) -> bool {
    match error {
        KafkaError::MessageConsumptionFatal(_) => false,
        other => !matches!(
            other.rdkafka_error_code(),
            None | Some(
                Code::TopicAuthorizationFailed
                    | Code::GroupAuthorizationFailed
                    | Code::ClusterAuthorizationFailed
                    | Code::Authentication
                    | Code::SaslAuthenticationFailed
                    | Code::UnsupportedSASLMechanism
                    | Code::AutoOffsetReset
                    | Code::InvalidGroupId
                    | Code::InconsistentGroupProtocol
                    | Code::FencedInstanceId
            )
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_follows_from_the_code() {
        for (error, expected) in [
            (KafkaError::ConsumerCommit(Code::IllegalGeneration), Action::Retry),
            (KafkaError::ConsumerCommit(Code::UnknownMemberId), Action::Retry),
            (KafkaError::AdminOp(Code::OperationTimedOut), Action::Retry),
            (KafkaError::ConsumerCommit(Code::FencedInstanceId), Action::Stop),
            (KafkaError::MessageProduction(Code::MessageSizeTooLarge), Action::DeadLetter),
            (KafkaError::ClientCreation("no such mechanism".to_owned()), Action::Stop),
        ] {
            assert_eq!(port_error("x", &error).action(), expected, "{error}");
        }
    }

    #[test]
    fn a_property_that_is_not_accepted_is_named_without_its_value() {
        let said = |reason: &str| {
            let (name, value) = ("sasl.mechanism".to_owned(), "hunter2".to_owned());
            let refused = rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_INVALID;
            port_error("no client", &KafkaError::ClientConfig(refused, reason.to_owned(), name, value))
                .to_string()
        };
        assert_eq!(
            said("Invalid value \"hunter2\" for configuration property \"sasl.mechanism\""),
            "kafka property 'sasl.mechanism' is not accepted: Invalid value as it is set for configuration property \"sasl.mechanism\""
        );
    }

    #[test]
    fn a_consumer_waits_out_the_network_but_not_a_refusal() {
        assert!(passes(&KafkaError::MessageConsumption(Code::AllBrokersDown)));
        assert!(!passes(&KafkaError::MessageConsumption(Code::TopicAuthorizationFailed)));
        assert!(!passes(&KafkaError::MessageConsumptionFatal(Code::AllBrokersDown)));
    }

    #[test]
    fn a_message_names_cause_and_remedy_in_plain_words() {
        let error = KafkaError::MessageProduction(Code::MessageSizeTooLarge);
        let said = port_error("could not send to topic 't'", &error).to_string();
        assert!(said.starts_with("could not send to topic 't': "), "{said}");
        assert!(said.ends_with("max.message.bytes of the topic"), "{said}");
        let error = KafkaError::ClientCreation("no such mechanism".to_owned());
        assert_eq!(port_error("no client", &error).to_string(), "no client: no such mechanism");
    }
}
