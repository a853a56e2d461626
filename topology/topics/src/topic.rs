//! What there is to say about one topic.

use std::time::Duration;

/// One declared topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name, the major version of its contents at the end.
    pub name: &'static str,
    /// What it carries, one clause.
    pub carries: &'static str,
    /// What its key is made of; see the functions of this crate that make keys.
    pub key: &'static str,
    /// How many partitions, unless the configuration says otherwise.
    pub partitions: u32,
    /// Topics of one group must have the same number of partitions; `None` where it stands alone.
    pub partition_group: Option<&'static str>,
    /// What is removed from it.
    pub cleanup: Cleanup,
    /// Name of its schema; `None` where the value is the original bytes of another topic's record.
    pub schema: Option<&'static str>,
    /// The one job that writes it, or `people`.
    pub producer: &'static str,
    /// The jobs that read it; anyone else may.
    pub consumers: &'static [&'static str],
}

/// What is removed from a topic, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// Records older than this.
    Delete {
        /// How long a record stays at least.
        retention: Duration,
    },
    /// All but the last record of each key.
    Compact,
}

/// Whose clock stamps records: the log's, on every topic of ours. Event time stays in the payload, because a broker
/// refuses a timestamp far ahead of its clock and lets an old one fall to retention before it is read.
pub(crate) const TIMESTAMP_TYPE: &str = "LogAppendTime";

impl Cleanup {
    /// The settings a Kafka topic needs for this.
    pub fn settings(self) -> Vec<(&'static str, String)> {
        match self {
            Cleanup::Delete { retention } => {
                vec![("cleanup.policy", "delete".to_owned()), ("retention.ms", retention.as_millis().to_string())]
            }
            // Kept for ever: what has not been replaced still counts.
            Cleanup::Compact => vec![("cleanup.policy", "compact".to_owned()), ("retention.ms", "-1".to_owned())],
        }
    }
}

impl Topic {
    /// The settings this topic needs, sorted by name.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = self.cleanup.settings();
        settings.push(("message.timestamp.type", TIMESTAMP_TYPE.to_owned()));
        settings.sort();
        settings
    }
}
