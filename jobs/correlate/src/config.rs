//! Everything that determines incidents, besides the log.
//!
//! Invariant: two configurations with the same [`Config::logic_hash`] give the same output for the same log.

use schemas::Family;
use schemas::Selector;
use serde::{Deserialize, Serialize};

/// Version of what the same log and configuration lead to; raised with every change of output.
pub const SEMANTICS: i32 = 1;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Configuration of correlation. Times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What evidence counts, and for how long.
    pub evidence: EvidenceConfig,
    /// How far apart two entities may depart and still belong together, by relation.
    pub lags: Lags,
    /// When anomalies become an incident, and when it is over.
    pub lifecycle: Lifecycle,
    /// How much an entity matters; the first line that matches counts, 1 otherwise.
    pub criticality: Vec<Criticality>,
    /// Which incidents a person hears of.
    pub alerts: Alerts,
    /// Times in which nobody wants to hear of what matches.
    pub maintenance: Vec<Maintenance>,
}

/// What evidence counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvidenceConfig {
    /// Weight of a family: evidence beyond the discount counts this much.
    pub weights: Weights,
    /// What is subtracted from the strongest evidence of each family (−log10 p): as much as chance often gives.
    pub discount: f64,
    /// How long evidence of a family stays after it was last seen.
    pub hold: i64,
    /// The same for first-seen behaviour and security findings, which are points in time.
    pub hold_novelty: i64,
    /// The same for changes made on purpose.
    pub hold_change: i64,
    /// Relations remembered of one entity.
    pub related: usize,
}

/// Weight of each family. A change is no evidence by itself: it is weighed where causes are ranked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    /// Time taken.
    pub latency: f64,
    /// Failures.
    pub errors: f64,
    /// Resources and load.
    pub saturation: f64,
    /// First-seen behaviour and security findings.
    pub novelty: f64,
    /// Network volume and drops.
    pub network: f64,
    /// Log lines.
    pub logs: f64,
    /// Departure from siblings.
    pub peers: f64,
    /// A limit that will be hit.
    pub forecast: f64,
}

/// Longest time between the departures of two related entities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lags {
    /// A caller and what it calls.
    pub calls: i64,
    /// Entities on one node, and the node.
    pub same_node: i64,
    /// A container or pod and its workload.
    pub same_owner: i64,
    /// A principal and the workload it acts from.
    pub acts_from: i64,
    /// A principal and one it gave rights to.
    pub grants: i64,
    /// A change and what departs after it.
    pub change: i64,
}

/// When anomalies become an incident, and when it is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lifecycle {
    /// Evidence of one entity at which an incident may begin.
    pub seed: f64,
    /// Evidence at which another entity joins one.
    pub join: f64,
    /// Entities with more links than this are hubs (resolvers, API servers), …
    pub hub_degree: usize,
    /// … which link others only with so much evidence of their own.
    pub hub_evidence: f64,
    /// How long evidence for a new incident must last before it is opened.
    pub minimum_duration: i64,
    /// An incident is closed so long after its last evidence has gone.
    pub quiet: i64,
    /// A closed one is opened again when the same comes back within this time.
    pub reopen: i64,
    /// Shortest time between two updates, unless the severity rises by ten or a family is new.
    pub update_every: i64,
    /// Members named in a record.
    pub members: usize,
}

/// How much an entity matters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Criticality {
    /// Which entities: `namespace=payments,kind=workload`.
    #[serde(rename = "match")]
    pub selector: Selector,
    /// 0.125 to 8; twice as critical adds one to the score.
    pub value: f64,
}

/// Which incidents a person hears of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// Least severity worth telling, 0–100.
    pub least_severity: f64,
    /// Alerts a day, per tenant and cluster, that may be told; 0 for no bound.
    pub budget: f64,
    /// How many of them may come at once.
    pub burst: f64,
    /// Incidents of at least this severity are always told.
    pub always_from: f64,
    /// Incidents with a rule that was broken or something never seen (the band Novel in the family Novelty) are always
    /// told.
    pub always_security: Always,
    /// Share of false alerts among those told that is aimed at (LOND); null for no such bound.
    pub false_discovery_rate: Option<f64>,
}

/// Whether a class of incidents is exempt from the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Always {
    /// Told whatever the budget says.
    Tell,
    /// Like any other.
    Budget,
}

/// A time in which nobody wants to hear of what matches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Maintenance {
    /// Why, for people.
    pub reason: String,
    /// Which entities; empty for all.
    #[serde(rename = "match")]
    pub selector: Selector,
    /// Days of the week, 0 for Monday to 6 for Sunday, in UTC; empty for every day.
    pub days: Vec<u8>,
    /// First minute of the day, in UTC.
    pub from_minute: u16,
    /// Length; a window may reach into the next day.
    pub minutes: u16,
    /// What about incidents is silenced.
    pub transitions: Transitions,
}

/// What about an incident is silenced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transitions {
    /// Incidents that begin within the window stay silent to their end.
    #[default]
    Opened,
    /// Whatever happens within the window is silent; what is still open at its end is told then.
    Within,
}

impl Weights {
    /// The weight of a family.
    pub fn of(&self, family: Family) -> f64 {
        match family {
            Family::Latency => self.latency,
            Family::Errors => self.errors,
            Family::Saturation => self.saturation,
            Family::Novelty => self.novelty,
            Family::Network => self.network,
            Family::Logs => self.logs,
            Family::Peers => self.peers,
            Family::Forecast => self.forecast,
            Family::Change | Family::DataQuality => 0.0,
        }
    }
}

impl EvidenceConfig {
    /// How long evidence of a family stays after it was last seen.
    pub fn hold(&self, family: Family) -> i64 {
        match family {
            Family::Novelty => self.hold_novelty,
            Family::Change => self.hold_change,
            _ => self.hold,
        }
    }
}

impl Default for EvidenceConfig {
    fn default() -> Self {
        EvidenceConfig {
            weights: Weights::default(),
            discount: 2.0,
            // Detectors tell a departure once, and again only when it grows.
            hold: HOUR,
            hold_novelty: HOUR,
            hold_change: 30 * MINUTE,
            related: 64,
        }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Weights {
            latency: 1.0,
            errors: 1.0,
            saturation: 1.0,
            novelty: 1.0,
            network: 1.0,
            logs: 1.0,
            peers: 0.7,
            forecast: 0.5,
        }
    }
}

impl Default for Lags {
    fn default() -> Self {
        Lags {
            calls: 5 * MINUTE,
            same_node: 10 * MINUTE,
            same_owner: 5 * MINUTE,
            acts_from: HOUR,
            grants: HOUR,
            change: 15 * MINUTE,
        }
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Lifecycle {
            seed: 3.0,
            join: 1.0,
            hub_degree: 50,
            hub_evidence: 3.0,
            minimum_duration: 0,
            quiet: 10 * MINUTE,
            reopen: 30 * MINUTE,
            update_every: 30_000,
            members: 32,
        }
    }
}

impl Default for Alerts {
    fn default() -> Self {
        Alerts {
            least_severity: 15.0,
            budget: 20.0,
            burst: 5.0,
            always_from: 80.0,
            always_security: Always::Tell,
            false_discovery_rate: None,
        }
    }
}

impl Config {
    /// A number that changes with every field.
    pub fn logic_hash(&self) -> i64 {
        let text = serde_json::to_vec(self).expect("a struct of numbers and texts always serializes");
        crate::entity::hash64(&[&text]) as i64
    }

    /// Checks what the types cannot; the field, and what is allowed.
    pub fn check(&self) -> Result<(), (String, String)> {
        let within = |field: &str, value: f64, from: f64, to: f64| {
            let message = || format!("{value} is outside the allowed {from} to {to}");
            if (from..=to).contains(&value) { Ok(()) } else { Err((field.to_owned(), message())) }
        };
        let Weights { latency, errors, saturation, novelty, network, logs, peers, forecast } = self.evidence.weights;
        for weight in [latency, errors, saturation, novelty, network, logs, peers, forecast] {
            within("evidence.weights", weight, 0.0, 10.0)?;
        }
        within("evidence.discount", self.evidence.discount, 0.0, 8.0)?;
        within("lifecycle.join", self.lifecycle.join, 0.001, 100.0)?;
        within("lifecycle.seed", self.lifecycle.seed, self.lifecycle.join, 100.0)?;
        within("lifecycle.members", self.lifecycle.members as f64, 1.0, 1000.0)?;
        let day = 24 * HOUR;
        let Lags { calls, same_node, same_owner, acts_from, grants, change } = self.lags;
        let times = [
            ("lags.calls", calls),
            ("lags.same_node", same_node),
            ("lags.same_owner", same_owner),
            ("lags.acts_from", acts_from),
            ("lags.grants", grants),
            ("lags.change", change),
            ("evidence.hold", self.evidence.hold),
            ("evidence.hold_novelty", self.evidence.hold_novelty),
            ("evidence.hold_change", self.evidence.hold_change),
            ("lifecycle.minimum_duration", self.lifecycle.minimum_duration),
            ("lifecycle.quiet", self.lifecycle.quiet),
            ("lifecycle.reopen", self.lifecycle.reopen),
            ("lifecycle.update_every", self.lifecycle.update_every),
        ];
        for (field, time) in times {
            within(field, time as f64, 0.0, (7 * day) as f64)?;
        }
        for (index, line) in self.criticality.iter().enumerate() {
            within(&format!("criticality[{index}].value"), line.value, 0.125, 8.0)?;
        }
        within("alerts.least_severity", self.alerts.least_severity, 0.0, 100.0)?;
        within("alerts.budget", self.alerts.budget, 0.0, 1e6)?;
        within("alerts.burst", self.alerts.burst, 1.0, 1e6)?;
        within("alerts.false_discovery_rate", self.alerts.false_discovery_rate.unwrap_or(0.1), 1e-6, 0.5)?;
        for (index, window) in self.maintenance.iter().enumerate() {
            within(&format!("maintenance[{index}].minutes"), f64::from(window.minutes), 1.0, 1440.0)?;
            within(&format!("maintenance[{index}].from_minute"), f64::from(window.from_minute), 0.0, 1439.0)?;
            for day in &window.days {
                within(&format!("maintenance[{index}].days"), f64::from(*day), 0.0, 6.0)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_changes_the_hash_and_unknown_fields_are_refused() {
        let config = Config::default();
        let mut other = config.clone();
        other.lags.calls += 1;
        assert_ne!(config.logic_hash(), other.logic_hash());
        assert!(serde_json::from_str::<Config>(r#"{"lag":{}}"#).is_err());
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn what_cannot_work_is_told_with_its_field() {
        let fault = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().unwrap_err().0
        };
        assert_eq!(fault(|c| c.lifecycle.seed = 0.5), "lifecycle.seed");
        assert_eq!(fault(|c| c.evidence.weights.peers = -1.0), "evidence.weights");
        assert_eq!(fault(|c| c.lags.change = -1), "lags.change");
        let window = Maintenance { days: vec![7], minutes: 60, ..Maintenance::default() };
        let fault = Config { maintenance: vec![window], ..Config::default() }.check().unwrap_err();
        assert_eq!(fault.0, "maintenance[0].days");
    }
}
