//! Everything that determines what is found, besides the log.
//!
//! Invariant: two configurations with the same [`Config::logic_hash`] give the same output for the same log.

use schemas::Band;
use serde::{Deserialize, Serialize};

/// Version of what the same log and configuration lead to; raised with every change of output.
pub const SEMANTICS: i32 = 2;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// Configuration of the detectors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How much one entity may hold.
    pub limits: Limits,
    /// How the scrapes of several instances become one row.
    pub rows: Rows,
    /// One series against its own past.
    pub univariate: Univariate,
    /// All series of a scope together.
    pub entity: EntityScore,
    /// First-seen calls and peers.
    pub novelty: Novelty,
    /// Workloads changed by somebody.
    pub change: Change,
    /// Cluster-admin given away.
    pub cluster_admin_bound: Rule,
    /// All secrets listed.
    pub secrets_listed: Rule,
}

/// Bounds of one entity's state; what is beyond is counted as overflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Series of one panel (series reported together for one scope), 1–65535.
    pub series: usize,
    /// Instances (pods) of one panel, 1–65535.
    pub instances: usize,
    /// Panels of one entity, 1–65535; most scopes have one or two.
    pub panels: usize,
    /// Audit fingerprints remembered of one principal to recognise duplicates, 1–65535.
    pub fingerprints: usize,
}

/// How scrapes become rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rows {
    /// Milliseconds for which a new instance of a known panel is not judged, 0–3600000.
    pub warm_up: i64,
    /// Rows after which an absent instance is forgotten, 1–1000.
    pub forget_after: u32,
    /// Usual intervals above which no rate is taken across a gap, 2–1000.
    pub longest_gap: i64,
    /// Judge the number of instances as a series of its own.
    pub count_instances: bool,
    /// Milliseconds for which an instance is young, 0–86400000: caches fill, files come. While a third of the judged are
    /// young, a level that falls is nothing to tell, and one that rises is told if it stays up afterwards. For as long
    /// after the number of instances changed by a quarter, their shares differ: local noise and levels tell nothing.
    pub settle: i64,
}

/// One series against its own past.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Univariate {
    /// Run it.
    pub enabled: bool,
    /// Lowest band that is told.
    pub tell_from: Band,
    /// Relative change, 0–1, below which a departure is unusual at most, however rare: a tenth of a percent more memory
    /// than ever before is worth nobody's time. Scores do not depend on it.
    pub least_change: f64,
    /// Absolute change below which a departure is unusual at most, by unit.
    pub least: Least,
    /// Rows a departure must be seen in, of one more, before it is more than unusual, 1–100: a single row is noise.
    pub persist: u32,
    /// Milliseconds of a series' own history before a departure is more than unusual.
    pub mature_age: i64,
    /// The same where only the hour of day speaks: each hour must have been seen on two days.
    pub season_age: i64,
    /// Rows of history that it takes as well, 0–1000000.
    pub mature_rows: u32,
}

/// Least absolute changes worth telling, by unit. They leave rates of rare events to a detector that counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Least {
    /// Cores.
    pub cores: f64,
    /// Bytes, of a level.
    pub bytes: f64,
    /// Bytes a second.
    pub bytes_per_second: f64,
    /// Anything else counted, a second.
    pub events_per_second: f64,
}

/// All series of a scope together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EntityScore {
    /// Run it.
    pub enabled: bool,
    /// Score from which it is sharp, 1–100.
    pub sharp: f32,
    /// Score from which it is novel, 1–100.
    pub novel: f32,
    /// Series a scope needs at least, 1–100.
    pub least_channels: usize,
    /// Rows in a row that the score must be sharp, 1–100.
    pub persist: u32,
    /// Milliseconds of history before it is told.
    pub mature_age: i64,
}

/// First-seen calls and peers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Novelty {
    /// Run it.
    pub enabled: bool,
    /// Observations from which a subject is judged, 1–1000000.
    pub mature_count: u64,
    /// Milliseconds of history that this takes at least: what comes once a day must have had its chance.
    pub least_age: i64,
    /// Milliseconds of history from which a subject is judged however few its observations.
    pub mature_age: i64,
    /// Chance of a new key above which a subject is always new and not judged, 0–1.
    pub always_new: f64,
    /// Half-life of what was seen, milliseconds.
    pub half_life: i64,
    /// Chance below which a first-seen key is told as unusual, 0–1.
    pub unusual: f64,
    /// Chance below which it is sharp, 0–1.
    pub sharp: f64,
    /// Chance below which it is novel, 0–1.
    pub novel: f64,
    /// Keys remembered of one peer group, 1–1000000.
    pub group_keys: usize,
    /// Members counted of one peer group, 1–1000000.
    pub group_members: usize,
}

/// Workloads changed by somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// Run it.
    pub enabled: bool,
    /// Milliseconds for which a change of the same object by the same principal is not told again.
    pub quiet: i64,
}

/// An absolute rule on API requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Run it.
    pub enabled: bool,
    /// Principals whose routine this is; a `*` at the end stands for any ending.
    pub allowed: Vec<String>,
    /// Milliseconds for which the same principal is not told again at the same or a lower band.
    pub quiet: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { series: 512, instances: 512, panels: 64, fingerprints: 256 }
    }
}

impl Default for Rows {
    fn default() -> Self {
        Rows { warm_up: 180_000, forget_after: 10, longest_gap: 5, count_instances: true, settle: 1_800_000 }
    }
}

impl Default for Univariate {
    fn default() -> Self {
        Univariate {
            enabled: true,
            tell_from: Band::Sharp,
            least_change: 0.2,
            least: Least::default(),
            persist: 3,
            mature_age: DAY,
            season_age: 2 * DAY,
            mature_rows: 200,
        }
    }
}

impl Default for Least {
    fn default() -> Self {
        Least { cores: 0.05, bytes: 16.0 * 1_048_576.0, bytes_per_second: 16.0 * 1024.0, events_per_second: 0.1 }
    }
}

impl Least {
    /// Least change of a value in `unit`.
    pub fn of(&self, unit: &str) -> f64 {
        match unit {
            "{cpu}" => self.cores,
            "By" => self.bytes,
            "By/s" => self.bytes_per_second,
            "{instance}" => 1.0,
            // Of seconds a second nothing general is known.
            "s/s" => 0.0,
            rate if rate.ends_with("/s") => self.events_per_second,
            _ => 0.0,
        }
    }
}

impl Default for EntityScore {
    fn default() -> Self {
        EntityScore { enabled: true, sharp: 4.0, novel: 8.0, least_channels: 3, persist: 3, mature_age: DAY }
    }
}

impl Default for Novelty {
    fn default() -> Self {
        Novelty {
            enabled: true,
            mature_count: 200,
            least_age: DAY,
            mature_age: 3 * DAY,
            always_new: 0.05,
            half_life: 7 * DAY,
            unusual: 1e-3,
            sharp: 1e-4,
            novel: 1e-6,
            group_keys: 4096,
            group_members: 1024,
        }
    }
}

impl Default for Change {
    fn default() -> Self {
        Change { enabled: true, quiet: 600_000 }
    }
}

impl Default for Rule {
    fn default() -> Self {
        let allowed = [
            "system:apiserver",
            "system:kube-controller-manager",
            "system:kube-scheduler",
            "system:node:*",
            "system:serviceaccount:kube-system:generic-garbage-collector",
            "system:serviceaccount:kube-system:namespace-controller",
            "system:serviceaccount:kube-system:resourcequota-controller",
        ];
        Rule { enabled: true, allowed: allowed.map(String::from).to_vec(), quiet: 3_600_000 }
    }
}

impl Rule {
    /// True when `principal` does this as a routine.
    pub fn allows(&self, principal: &str) -> bool {
        self.allowed.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => principal.starts_with(beginning),
            None => principal == pattern,
        })
    }
}

impl Config {
    /// A number that changes with anything in here: FNV-1a over the fields in their order.
    pub fn logic_hash(&self) -> i64 {
        let text = serde_json::to_vec(self).expect("a struct of numbers and texts always serializes");
        crate::layout::fnv(&text) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_changes_the_hash_and_unknown_fields_are_refused() {
        let config = Config::default();
        let mut other = config.clone();
        other.rows.warm_up += 1;
        assert_ne!(config.logic_hash(), other.logic_hash());
        assert_eq!(config.logic_hash(), Config::default().logic_hash());
        assert!(serde_json::from_str::<Config>(r#"{"univariat":{}}"#).is_err());
        assert!(serde_json::from_str::<Config>(r#"{"univariate":{"tell_from":"Novel"}}"#).is_ok());
    }

    #[test]
    fn a_star_stands_for_any_ending() {
        let rule = Rule::default();
        assert!(rule.allows("system:node:worker-1") && rule.allows("system:apiserver"));
        assert!(!rule.allows("system:apiserver2") && !rule.allows("kubernetes-admin"));
    }
}
