//! The topics of Bellbuoy's own, in the order data meets them.
//!
//! Invariant: one job writes a topic. Anomalies, incidents and results have the same partitions and the same key, so
//! the task of partition p writes partition p only and no second fan-in is needed.

use crate::{Cleanup, Topic};
use std::time::Duration;

/// Partitions unless the configuration says otherwise: few, so that what a partition learns about its entities as a
/// class (priors, peers) stays rich, and enough for a dozen lanes.
const PARTITIONS: u32 = 12;

/// Topics that every reader reads whole: more partitions would not share the work, and would lose the one order in
/// which a kill switch precedes a later approval, and an owner what it owns.
const ONE_PARTITION: u32 = 1;

/// The group of topics partitioned by tenant and cluster.
const BY_CLUSTER: Option<&str> = Some("cluster");

/// Signals.
pub const SIGNALS: Topic = Topic {
    name: "bellbuoy.signals.v1",
    carries: "normalised observations and ticks",
    key: "tenant/cluster/entity",
    partitions: PARTITIONS,
    partition_group: None,
    cleanup: days(3),
    schema: Some("signal"),
    producer: "ingest",
    consumers: &["detect", "actuate"],
};

/// Anomalies.
pub const ANOMALIES: Topic = Topic {
    name: "bellbuoy.anomalies.v1",
    carries: "scored departures from baselines",
    key: "tenant/cluster",
    partitions: PARTITIONS,
    partition_group: BY_CLUSTER,
    cleanup: days(14),
    schema: Some("anomaly"),
    producer: "detect",
    consumers: &["correlate"],
};

/// Incidents.
pub const INCIDENTS: Topic = Topic {
    name: "bellbuoy.incidents.v1",
    carries: "anomalies that belong together, one record per change",
    key: "tenant/cluster",
    partitions: PARTITIONS,
    partition_group: BY_CLUSTER,
    cleanup: days(90),
    schema: Some("incident"),
    producer: "correlate",
    consumers: &["remediate", "actuate", "notify"],
};

/// Commands.
pub const COMMANDS: Topic = Topic {
    name: "bellbuoy.commands.v1",
    carries: "signed orders to the actuator",
    key: "lock domain (cluster/namespace/workload or cluster/node)",
    partitions: PARTITIONS,
    partition_group: None,
    cleanup: days(1),
    schema: Some("command"),
    producer: "remediate",
    consumers: &["actuate"],
};

/// Results.
pub const RESULTS: Topic = Topic {
    name: "bellbuoy.results.v1",
    carries: "what became of commands, a hash chain",
    key: "tenant/cluster",
    partitions: PARTITIONS,
    partition_group: BY_CLUSTER,
    cleanup: days(90),
    schema: Some("result"),
    producer: "actuate",
    consumers: &[],
};

/// Notifications.
pub const NOTIFICATIONS: Topic = Topic {
    name: "bellbuoy.notifications.v1",
    carries: "what people have been told, a notifier's memory",
    key: "notifier/what it is about",
    partitions: ONE_PARTITION,
    partition_group: None,
    cleanup: Cleanup::Compact,
    schema: Some("notification"),
    producer: "notify",
    consumers: &["notify"],
};

/// Control.
pub const CONTROL: Topic = Topic {
    name: "bellbuoy.control.v1",
    carries: "what people tell the running system",
    key: "kind/id",
    partitions: ONE_PARTITION,
    partition_group: None,
    cleanup: Cleanup::Compact,
    schema: Some("control"),
    producer: "people",
    consumers: &["ingest", "actuate", "notify"],
};

/// Objects.
pub const OBJECTS: Topic = Topic {
    name: "bellbuoy.objects.v1",
    carries: "what exists in a cluster and since when",
    key: "cluster/uid",
    partitions: ONE_PARTITION,
    partition_group: None,
    cleanup: Cleanup::Compact,
    schema: Some("object"),
    producer: "observe",
    consumers: &["ingest"],
};

/// Dead letters.
pub const DEAD_LETTERS: Topic = Topic {
    name: "bellbuoy.dead-letters.v1",
    carries: "raw records that could not be used, as they came, with the reason in headers",
    key: "none",
    partitions: PARTITIONS,
    partition_group: None,
    cleanup: days(7),
    schema: None,
    producer: "ingest",
    consumers: &["redrive"],
};

/// Every topic of ours.
pub const ALL: &[Topic] =
    &[SIGNALS, ANOMALIES, INCIDENTS, COMMANDS, RESULTS, NOTIFICATIONS, CONTROL, OBJECTS, DEAD_LETTERS];

/// The declared topic of this name.
pub fn find(name: &str) -> Option<&'static Topic> {
    ALL.iter().find(|topic| topic.name == name)
}

const fn days(days: u64) -> Cleanup {
    Cleanup::Delete { retention: Duration::from_secs(days * 24 * 60 * 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ours_versioned_and_unique() {
        for (index, topic) in ALL.iter().enumerate() {
            assert!(topic.name.starts_with("bellbuoy.") && topic.name.ends_with(".v1"), "{}", topic.name);
            assert!(ALL[..index].iter().all(|earlier| earlier.name != topic.name));
            assert_eq!(find(topic.name), Some(topic));
        }
        assert_eq!(find("otlp_metrics"), None);
    }

    #[test]
    fn topics_of_one_group_have_equal_partitions_and_keys() {
        let group: Vec<_> = ALL.iter().filter(|topic| topic.partition_group == BY_CLUSTER).collect();
        assert_eq!(group.iter().map(|t| t.name).collect::<Vec<_>>(), [ANOMALIES.name, INCIDENTS.name, RESULTS.name]);
        for topic in &group {
            assert_eq!((topic.partitions, topic.key), (group[0].partitions, group[0].key));
        }
    }

    #[test]
    fn every_topic_has_the_schema_it_names() {
        for topic in ALL {
            let known = |name| schemas::list().iter().any(|published| published.name.as_str() == name);
            assert!(topic.schema.is_none_or(known), "{}", topic.name);
        }
    }
}
