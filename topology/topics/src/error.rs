//! What may be wrong with a wish for topics.

/// Why topics cannot be as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// A topic of this name is not declared.
    #[error("topic {name}: not declared; declared are {}", declared())]
    Undeclared {
        /// The name asked for.
        name: String,
    },
    /// A topic cannot have no partitions.
    #[error("topic {name}: 0 partitions; at least 1 is needed")]
    NoPartitions {
        /// The topic.
        name: &'static str,
    },
    /// Two topics that are partitioned together differ.
    #[error(
        "topics {name} and {other}: {partitions} and {other_partitions} partitions; they must have the same number"
    )]
    Uneven {
        /// One topic.
        name: &'static str,
        /// Its partitions.
        partitions: u32,
        /// The other topic.
        other: &'static str,
        /// Its partitions.
        other_partitions: u32,
    },
}

fn declared() -> String {
    crate::ALL.iter().map(|topic| topic.name).collect::<Vec<_>>().join(", ")
}
