//! The difference between the topics a log has and those that are declared.
//!
//! Invariant: nothing here changes a number of partitions. That would send a key to another partition than its history
//! and its state, so it is told and left to a person.

use crate::declared::{ALL, find};
use crate::{Topic, TopicError};
use std::fmt;

/// What a declared topic is to look like here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The declaration.
    pub topic: &'static Topic,
    /// How many partitions.
    pub partitions: u32,
    /// The settings, sorted by name.
    pub settings: Vec<(&'static str, String)>,
}

/// What a log says about one of its topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Existing {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// The settings it was given, or those in force; others than the wanted ones are left alone.
    pub settings: Vec<(String, String)>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The topic is missing and would be created.
    Create(Wanted),
    /// A setting would be altered.
    Alter {
        /// The topic.
        topic: &'static str,
        /// The setting.
        setting: &'static str,
        /// What it is now; `None` where not set.
        from: Option<String>,
        /// What it would be.
        to: String,
    },
    /// The number of partitions differs, and stays as it is until a person decides.
    PartitionsDiffer {
        /// The topic.
        topic: &'static str,
        /// How many it has.
        existing: u32,
        /// How many it should have.
        wanted: u32,
    },
    /// The topic bears our prefix and is not declared; it is left alone.
    Undeclared {
        /// The topic.
        topic: String,
    },
}

impl Change {
    /// Whether applying does anything about it.
    pub fn is_applicable(&self) -> bool {
        matches!(self, Change::Create(_) | Change::Alter { .. })
    }

    /// Whether applying it may remove records that are there now.
    pub fn removes_records(&self) -> bool {
        match self {
            Change::Alter { setting: "retention.ms", from, to, .. } => {
                let milliseconds = |text: &str| text.parse::<i64>().ok().filter(|&ms| ms >= 0).unwrap_or(i64::MAX);
                milliseconds(to) < from.as_deref().map_or(i64::MAX, milliseconds)
            }
            Change::Alter { setting: "cleanup.policy", .. } => true,
            _ => false,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Create(wanted) => {
                write!(f, "create {} with {} partitions", wanted.topic.name, wanted.partitions)?;
                wanted.settings.iter().try_for_each(|(name, value)| write!(f, ", {name}={value}"))
            }
            Change::Alter { topic, setting, from, to } => {
                write!(f, "alter {topic}: {setting} from {} to {to}", from.as_deref().unwrap_or("unset"))?;
                if self.removes_records() { f.write_str(" (may remove records)") } else { Ok(()) }
            }
            Change::PartitionsDiffer { topic, existing, wanted } => write!(
                f,
                "keep {topic}: it has {existing} partitions, {wanted} are declared; another number would part keys from their history"
            ),
            Change::Undeclared { topic } => write!(f, "keep {topic}: it is not declared"),
        }
    }
}

/// Every declared topic, with the partitions that the configuration gives some of them.
pub fn wanted(partitions: &[(&str, u32)]) -> Result<Vec<Wanted>, TopicError> {
    if let Some((name, _)) = partitions.iter().find(|(name, _)| find(name).is_none()) {
        return Err(TopicError::Undeclared { name: (*name).to_owned() });
    }
    let count = |topic: &Topic| {
        // The last word counts, as everywhere in a configuration.
        partitions.iter().rev().find(|(name, _)| *name == topic.name).map_or(topic.partitions, |&(_, count)| count)
    };
    for topic in ALL {
        if count(topic) == 0 {
            return Err(TopicError::NoPartitions { name: topic.name });
        }
        for other in
            ALL.iter().filter(|o| topic.partition_group.is_some() && o.partition_group == topic.partition_group)
        {
            let (name, partitions, other_partitions) = (topic.name, count(topic), count(other));
            if partitions != other_partitions {
                return Err(TopicError::Uneven { name, partitions, other: other.name, other_partitions });
            }
        }
    }
    Ok(ALL.iter().map(|topic| Wanted { topic, partitions: count(topic), settings: topic.settings() }).collect())
}

/// What differs, in the order of the declarations; applying it and asking again gives nothing applicable.
pub fn diff(existing: &[Existing], wanted: &[Wanted]) -> Vec<Change> {
    let mut changes = Vec::new();
    for wanted in wanted {
        let name = wanted.topic.name;
        let Some(there) = existing.iter().find(|there| there.name == name) else {
            changes.push(Change::Create(wanted.clone()));
            continue;
        };
        if there.partitions != wanted.partitions {
            let (existing, wanted) = (there.partitions, wanted.partitions);
            changes.push(Change::PartitionsDiffer { topic: name, existing, wanted });
        }
        for (setting, to) in &wanted.settings {
            let from = there.settings.iter().find(|(name, _)| name == setting).map(|(_, value)| value.clone());
            if from.as_ref() != Some(to) {
                changes.push(Change::Alter { topic: name, setting, from, to: to.clone() });
            }
        }
    }
    let mut undeclared: Vec<_> = existing
        .iter()
        .filter(|there| there.name.starts_with("bellbuoy.") && wanted.iter().all(|w| w.topic.name != there.name))
        .map(|there| there.name.clone())
        .collect();
    undeclared.sort();
    changes.extend(undeclared.into_iter().map(|topic| Change::Undeclared { topic }));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declared::{ANOMALIES, CONTROL, SIGNALS};

    /// The topics as they are after applying every applicable change.
    fn created() -> Vec<Existing> {
        let own = |settings: &[(&'static str, String)]| {
            settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let existing = |w: &Wanted| Existing {
            name: w.topic.name.to_owned(),
            partitions: w.partitions,
            settings: own(&w.settings),
        };
        wanted(&[]).unwrap().iter().map(existing).collect()
    }

    #[test]
    fn an_empty_log_gets_every_topic_and_then_nothing_differs() {
        let wanted = wanted(&[]).unwrap();
        let changes = diff(&[], &wanted);
        assert_eq!(changes.len(), ALL.len());
        assert!(changes.iter().all(|change| matches!(change, Change::Create(_))));
        assert_eq!(
            changes[0].to_string(),
            "create bellbuoy.signals.v1 with 12 partitions, cleanup.policy=delete, message.timestamp.type=LogAppendTime, retention.ms=259200000"
        );
        assert_eq!(diff(&created(), &wanted), []);
    }

    #[test]
    fn a_setting_that_differs_is_altered_and_a_shorter_retention_says_so() {
        let mut existing = created();
        existing[0].settings.retain(|(name, _)| name != "retention.ms");
        existing[0].settings.push(("retention.ms".to_owned(), "604800000".to_owned()));
        existing[0].settings.push(("compression.type".to_owned(), "zstd".to_owned()));
        let changes = diff(&existing, &wanted(&[]).unwrap());
        assert_eq!(
            changes.iter().map(Change::to_string).collect::<Vec<_>>(),
            ["alter bellbuoy.signals.v1: retention.ms from 604800000 to 259200000 (may remove records)"]
        );
        assert!(changes[0].is_applicable() && changes[0].removes_records());
    }

    #[test]
    fn retention_for_ever_is_longer_than_any_other() {
        let alter = |from: Option<&str>, to: &str| Change::Alter {
            topic: CONTROL.name,
            setting: "retention.ms",
            from: from.map(str::to_owned),
            to: to.to_owned(),
        };
        assert!(alter(Some("-1"), "1000").removes_records());
        assert!(!alter(Some("1000"), "-1").removes_records());
        assert!(!alter(Some("1000"), "1000000").removes_records());
        assert!(alter(None, "1000").removes_records());
    }

    #[test]
    fn partitions_are_never_changed_silently() {
        let changes = diff(&created(), &wanted(&[(SIGNALS.name, 24)]).unwrap());
        assert_eq!(changes, [Change::PartitionsDiffer { topic: SIGNALS.name, existing: 12, wanted: 24 }]);
        assert!(!changes[0].is_applicable());
    }

    #[test]
    fn a_topic_that_is_not_declared_is_told_and_left_alone_and_a_users_is_not_mentioned() {
        let mut existing = created();
        for name in ["bellbuoy.signals.v0", "otlp_metrics"] {
            existing.push(Existing { name: name.to_owned(), ..Existing::default() });
        }
        let changes = diff(&existing, &wanted(&[]).unwrap());
        assert_eq!(changes, [Change::Undeclared { topic: "bellbuoy.signals.v0".to_owned() }]);
        assert!(!changes[0].is_applicable());
    }

    #[test]
    fn impossible_wishes_are_refused_with_what_is_allowed() {
        assert!(matches!(wanted(&[(ANOMALIES.name, 3)]), Err(TopicError::Uneven { partitions: 3, .. })));
        assert_eq!(wanted(&[(SIGNALS.name, 0)]), Err(TopicError::NoPartitions { name: SIGNALS.name }));
        let error = wanted(&[("signals", 3)]).unwrap_err().to_string();
        assert!(error.starts_with("topic signals: not declared; declared are bellbuoy.signals.v1, "), "{error}");
    }
}
