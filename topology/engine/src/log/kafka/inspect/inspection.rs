//! What to look at, and what was seen: plain data.

use crate::error::LogError;
use std::collections::BTreeMap;

/// Kafka's own topics, on which transactions and committed offsets rest.
pub const INTERNAL_TOPICS: [&str; 2] = ["__consumer_offsets", "__transaction_state"];

/// What to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Topics that a run reads or writes.
    pub topics: Vec<String>,
    /// Groups of the jobs.
    pub groups: Vec<String>,
    /// Transactional ids to open, one for each beginning that a run uses, and nobody else's: opening one fences it.
    pub transactional_ids: Vec<String>,
    /// A topic that is not there; it is made, written to, read and removed.
    pub spare_topic: String,
    /// A group that nobody is in, for offsets of that topic.
    pub spare_group: String,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Brokers that are alive, by number.
    pub brokers: Vec<Broker>,
    /// Topics asked for and [`INTERNAL_TOPICS`], as far as they are there and may be seen.
    pub topics: Vec<Topic>,
    /// Groups asked for, as far as they are there and may be seen.
    pub groups: Vec<Group>,
    /// What was tried, in order. What is missing here was not tried, because something before it failed.
    pub trials: Vec<Trial>,
    /// Clocks of the brokers that took a record.
    pub clocks: Vec<BrokerClock>,
    /// What lanes ask of brokers.
    pub demands: Demands,
}

/// A broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Broker {
    /// Its number.
    pub id: i32,
    /// Where clients reach it.
    pub address: String,
    /// Its settings; none where they may not be seen.
    pub settings: Settings,
}

/// Settings by name, without those that have no value or are secret.
pub type Settings = BTreeMap<String, String>;

/// A topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its partitions, by number.
    pub partitions: Vec<Partition>,
    /// The settings in effect; none where they may not be seen.
    pub settings: Settings,
}

/// Who has a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub number: i32,
    /// The broker that leads it; without one it can be neither read nor written.
    pub leader: Option<i32>,
    /// Brokers that have a copy.
    pub replicas: Vec<i32>,
    /// Those whose copy is whole.
    pub insync: Vec<i32>,
}

/// A consumer group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Kafka's word for what it is doing. A group of the broker's protocol (KIP-848) always reads `Dead` here.
    pub state: String,
    /// Names that its members give themselves.
    pub members: Vec<String>,
}

/// A broker's clock against ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BrokerClock {
    /// The broker.
    pub broker: i32,
    /// By how much it is certainly ahead, milliseconds; negative where it is behind.
    pub ahead_ms: i64,
}

/// What lanes ask of brokers, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// Timeout of a transaction.
    pub transaction_ms: u64,
    /// Timeout of a member's session; none where the broker says.
    pub session_ms: Option<u64>,
}

/// One call and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What was to be done.
    pub operation: Operation,
    /// With what.
    pub resource: Resource,
    /// What came of it.
    pub outcome: Outcome,
}

/// Operations, in Kafka's words for permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "Kafka's own words")]
pub enum Operation {
    Describe,
    DescribeConfigs,
    Read,
    Write,
    Create,
    AlterConfigs,
    Delete,
}

/// What permissions are given for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// The cluster as a whole.
    Cluster,
    /// A topic.
    Topic(String),
    /// A consumer group.
    Group(String),
    /// A transactional id.
    TransactionalId(String),
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It worked.
    Worked,
    /// It is not allowed; what the cluster said.
    Denied(String),
    /// It is allowed, or that is not known, and did not work.
    Failed(String),
}

impl Outcome {
    /// What an error says. The library has one code for each kind of resource, and the same words in all.
    pub(super) fn of(error: &LogError) -> Self {
        match error {
            LogError::Refused { message, .. } if message.to_lowercase().contains("authorization failed") => {
                Outcome::Denied(message.clone())
            }
            error => Outcome::Failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::kafka::answers;
    use rdkafka::error::RDKafkaErrorCode as Code;

    #[test]
    fn missing_permission_is_told_from_other_refusals() {
        let outcome = |code: Code| Outcome::of(&answers::by_code("x", code, &code.to_string()));
        let denied = |code| matches!(outcome(code), Outcome::Denied(_));
        for code in [
            Code::TopicAuthorizationFailed,
            Code::GroupAuthorizationFailed,
            Code::ClusterAuthorizationFailed,
            Code::TransactionalIdAuthorizationFailed,
        ] {
            assert!(denied(code), "{code}");
        }
        assert!(!denied(Code::PolicyViolation) && !denied(Code::OperationTimedOut));
    }
}
