//! What a cluster answers, in the words of the port: who must act.

use super::TopicPartition;
use crate::error::LogError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// An error of a call that concerns no transaction and no group.
pub(super) fn error(what: &str, error: &KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(code) => by_code(what, code, &error.to_string()),
        None => LogError::Unavailable { message: format!("{what}: {error}") },
    }
}

/// An error of a transactional call.
pub(super) fn transaction(transactional_id: &str, what: &str, error: &KafkaError) -> LogError {
    let (code, message) = match error {
        KafkaError::Transaction(error) => (error.code(), error.string()),
        other => (other.rdkafka_error_code().unwrap_or(Code::Fail), other.to_string()),
    };
    match code {
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch | Code::TransactionCoordinatorFenced => {
            LogError::Fenced { transactional_id: transactional_id.to_owned() }
        }
        code if is_stale(code) => LogError::StaleMembership { member: transactional_id.to_owned(), message },
        code => by_code(&format!("{what} of {transactional_id}"), code, &message),
    }
}

/// True when a member shows what the group has moved on from.
pub(super) fn is_stale(code: Code) -> bool {
    matches!(
        code,
        Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::FencedInstanceId
            | Code::RebalanceInProgress
            | Code::StaleMemberEpoch
            | Code::FencedMemberEpoch
            | Code::PollExceeded
            | Code::MemberIdRequired
    )
}

/// By what the cluster said: refused for good, or to be tried again.
pub(super) fn by_code(what: &str, code: Code, message: &str) -> LogError {
    match code {
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::DelegationTokenAuthorizationFailed
        | Code::SecurityDisabled
        | Code::InvalidRecord
        | Code::InvalidTimestamp
        | Code::InvalidRequiredAcks
        | Code::InvalidTopic
        | Code::InvalidConfig
        | Code::InvalidPartitions
        | Code::InvalidReplicationFactor
        | Code::PolicyViolation
        | Code::UnsupportedVersion
        | Code::UnsupportedFeature
        | Code::UnsupportedForMessageFormat
        | Code::UnsupportedCompressionType
        | Code::InvalidTransactionTimeout
        | Code::MessageSizeTooLarge
        | Code::GroupSubscribedToTopic => LogError::Refused { what: what.to_owned(), message: message.to_owned() },
        _ => LogError::Unavailable { message: format!("{what}: {message}") },
    }
}

/// An offset that is not, or no longer, in the log.
pub(super) fn out_of_range(partition: &TopicPartition, offset: i64, start: i64) -> LogError {
    LogError::OutOfRange { topic: partition.topic.to_string(), partition: partition.partition, offset, start }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{EngineError, Remedy};

    #[test]
    fn what_would_be_refused_again_stops_and_what_may_pass_is_tried_again() {
        let remedy = |code| EngineError::from(by_code("x", code, "y")).remedy();
        assert_eq!(remedy(Code::TopicAuthorizationFailed), Remedy::Stop);
        assert_eq!(remedy(Code::InvalidTimestamp), Remedy::Stop);
        assert_eq!(remedy(Code::OperationTimedOut), Remedy::Retry);
        assert_eq!(remedy(Code::AllBrokersDown), Remedy::Retry);
        assert_eq!(remedy(Code::NotEnoughReplicas), Remedy::Retry);
    }
}
