//! Policy as data: which remedy, for whom, how far it may go, and what holds it back.
//!
//! Invariant: two configurations with the same [`Config::logic_hash`] lead to the same commands for the same log, but
//! for their signatures. The commented `default.yaml` says exactly what [`Config::default`] is.

use crate::error::RemediateError;
use crate::remedies::{self, Reversible};
use crate::selector::Selector;
use engine::span::Span;
use schemas::signing::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Version of what the same log and configuration lead to; raised with every change of output.
pub const SEMANTICS: i32 = 3;

/// The commented file with every default.
pub const DEFAULT_FILE: &str = include_str!("default.yaml");

/// Longest time between decision and execution.
pub const LONGEST_EXPIRY: Span = Span::minutes(15);

/// What is counted is kept this long, so no guard may look back further.
const LONGEST_LOOK: Span = Span::hours(24);

/// Everything that decides about commands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rules. Of the rules for one remedy the first that matches a suspect counts.
    #[serde(default = "default_policies")]
    pub policies: Vec<PolicyRule>,
    /// Namespaces that are never touched; a `*` stands for any text.
    #[serde(default = "default_protected")]
    pub protected: Vec<String>,
    /// Time for which a command may be started.
    #[serde(default = "default_expiry")]
    pub expiry: Span,
    /// What holds remedies back, unless a rule says otherwise.
    #[serde(default)]
    pub guards: Guards,
    /// When too much is going on to act.
    #[serde(default)]
    pub storm: Storm,
    /// How commands are signed.
    #[serde(default)]
    pub signing: Signing,
}

/// One rule: a remedy for what the selector matches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyRule {
    /// Its name, which commands carry.
    pub id: String,
    /// Its version, as its owner numbers it.
    pub version: String,
    /// Which incidents and suspects it is for.
    #[serde(rename = "match")]
    pub selector: Selector,
    /// Name of the remedy.
    pub remedy: String,
    /// Parameters of the remedy that are not to have their defaults.
    pub parameters: BTreeMap<String, String>,
    /// How far the actuator may go.
    pub mode: PolicyMode,
    /// Rules of higher priority come first; what they use up of a budget is gone.
    pub priority: i32,
    /// Time after which the actuator undoes it; null for the remedy's own, `0s` for never.
    pub undo_after: Option<Span>,
    /// People who must consent in mode approve; null for the remedy's own number.
    pub approvals: Option<i32>,
    /// Guards that differ from the general ones.
    pub guards: Overrides,
}

/// How far a rule goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyMode {
    /// Counts only.
    Observe,
    /// Tells people what one would do.
    #[default]
    Recommend,
    /// Acts once people have consented.
    Approve,
    /// Acts.
    Enforce,
}

impl PolicyMode {
    /// The word used in policies and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            PolicyMode::Observe => "observe",
            PolicyMode::Recommend => "recommend",
            PolicyMode::Approve => "approve",
            PolicyMode::Enforce => "enforce",
        }
    }
}

/// What holds a remedy back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guards {
    /// Time between two commands on one target; doubles with each within a day.
    pub cooldown: Span,
    /// What the doubling ends at.
    pub longest_cooldown: Span,
    /// Commands of one remedy on one target in 24 hours; the next one only tells people that it did not help.
    pub attempts_per_day: u32,
    /// Commands for one workload, node or binding within `window`.
    pub per_workload: u32,
    /// Commands for one namespace within `window`.
    pub per_namespace: u32,
    /// Commands for one cluster within `window`.
    pub per_cluster: u32,
    /// The window of the three budgets.
    pub window: Span,
    /// How long the incident must have been open.
    pub persist: Span,
    /// Kinds of evidence that must speak against the suspect.
    pub least_families: usize,
    /// Anomalies the incident must have.
    pub least_members: i64,
}

/// Guards of one rule; null for the general ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Overrides {
    /// See [`Guards::cooldown`].
    pub cooldown: Option<Span>,
    /// See [`Guards::longest_cooldown`].
    pub longest_cooldown: Option<Span>,
    /// See [`Guards::attempts_per_day`].
    pub attempts_per_day: Option<u32>,
    /// See [`Guards::per_workload`].
    pub per_workload: Option<u32>,
    /// See [`Guards::per_namespace`].
    pub per_namespace: Option<u32>,
    /// See [`Guards::per_cluster`].
    pub per_cluster: Option<u32>,
    /// See [`Guards::window`].
    pub window: Option<Span>,
    /// See [`Guards::persist`].
    pub persist: Option<Span>,
    /// See [`Guards::least_families`].
    pub least_families: Option<usize>,
    /// See [`Guards::least_members`].
    pub least_members: Option<i64>,
}

/// When a cluster is in a storm: modes approve and enforce then only recommend.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storm {
    /// Open incidents above which it is one.
    pub open_incidents: u32,
    /// Commands within `window` from which it is one.
    pub commands: u32,
    /// The window of the commands.
    pub window: Span,
}

/// How commands are signed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Signing {
    /// File with an Ed25519 private key (PKCS#8 PEM); null for unsigned commands, which nobody carries out.
    pub key_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        // The file names every field, so reading it asks for none of the defaults below.
        serde_saphyr::from_str(DEFAULT_FILE).expect("a test reads the file that is compiled in")
    }
}

fn default_policies() -> Vec<PolicyRule> {
    Config::default().policies
}

fn default_protected() -> Vec<String> {
    Config::default().protected
}

fn default_expiry() -> Span {
    Config::default().expiry
}

impl Default for Guards {
    fn default() -> Self {
        Guards {
            cooldown: Span::minutes(30),
            longest_cooldown: Span::hours(6),
            attempts_per_day: 3,
            per_workload: 2,
            per_namespace: 4,
            per_cluster: 10,
            window: Span::hours(1),
            persist: Span::seconds(0),
            least_families: 1,
            least_members: 1,
        }
    }
}

impl Default for Storm {
    fn default() -> Self {
        Storm { open_incidents: 30, commands: 6, window: Span::minutes(10) }
    }
}

impl Guards {
    /// These guards with what a rule says otherwise.
    pub fn overridden(&self, by: &Overrides) -> Guards {
        Guards {
            cooldown: by.cooldown.unwrap_or(self.cooldown),
            longest_cooldown: by.longest_cooldown.unwrap_or(self.longest_cooldown),
            attempts_per_day: by.attempts_per_day.unwrap_or(self.attempts_per_day),
            per_workload: by.per_workload.unwrap_or(self.per_workload),
            per_namespace: by.per_namespace.unwrap_or(self.per_namespace),
            per_cluster: by.per_cluster.unwrap_or(self.per_cluster),
            window: by.window.unwrap_or(self.window),
            persist: by.persist.unwrap_or(self.persist),
            least_families: by.least_families.unwrap_or(self.least_families),
            least_members: by.least_members.unwrap_or(self.least_members),
        }
    }

    fn check(&self, at: &str, expiry: Span) -> Result<(), RemediateError> {
        let wrong = |field: &str, message: String| Err(RemediateError::field(format!("{at}.{field}"), message));
        if self.cooldown < expiry {
            return wrong(
                "cooldown",
                format!("{} is shorter than the expiry, {expiry}: two commands could be under way", self.cooldown),
            );
        }
        if !(self.cooldown..=LONGEST_LOOK).contains(&self.longest_cooldown) {
            return wrong("longest_cooldown", format!("allowed is {} (the cooldown) to {LONGEST_LOOK}", self.cooldown));
        }
        if !(Span::seconds(1)..=LONGEST_LOOK).contains(&self.window) {
            return wrong("window", format!("allowed is 1s to {LONGEST_LOOK}"));
        }
        Ok(())
    }
}

impl PolicyRule {
    /// `sha256:` and hex of what the rule says.
    pub fn hash(&self) -> String {
        let text = serde_json::to_vec(self).expect("a struct of numbers and texts always serializes");
        format!("sha256:{}", hex(&Sha256::digest(&text)))
    }
}

impl Config {
    /// A number that changes with anything here that decides about commands: the first bytes of a SHA-256. Keys are
    /// not part of it, so they can be changed under a running job.
    pub fn logic_hash(&self) -> i64 {
        let deciding = Config { signing: Signing::default(), ..self.clone() };
        let text = serde_json::to_vec(&deciding).expect("a struct of numbers and texts always serializes");
        Sha256::digest(&text).iter().take(8).fold(0, |hash, byte| hash << 8 | i64::from(*byte))
    }

    /// Checks what the types cannot; the first fault with its field and what is allowed.
    pub fn check(&self) -> Result<(), RemediateError> {
        if !(Span::seconds(1)..=LONGEST_EXPIRY).contains(&self.expiry) {
            return Err(RemediateError::field(
                "expiry",
                format!("{} is not allowed; allowed is 1s to {LONGEST_EXPIRY}", self.expiry),
            ));
        }
        if !(Span::seconds(1)..=LONGEST_LOOK).contains(&self.storm.window) {
            return Err(RemediateError::field("storm.window", format!("allowed is 1s to {LONGEST_LOOK}")));
        }
        self.guards.check("guards", self.expiry)?;
        let mut ids = BTreeSet::new();
        for (number, rule) in self.policies.iter().enumerate() {
            let at = format!("policies[{number}]");
            if rule.id.is_empty() || !ids.insert(&rule.id) {
                return Err(RemediateError::field(format!("{at}.id"), "each rule needs an id of its own"));
            }
            let Some(kind) = remedies::by_name(&rule.remedy) else {
                let allowed: Vec<_> = remedies::ALL.iter().map(|kind| kind.name).collect();
                let message = format!("no remedy is called `{}`; allowed are {}", rule.remedy, allowed.join(", "));
                return Err(RemediateError::field(format!("{at}.remedy"), message));
            };
            kind.check(&rule.parameters)
                .map_err(|(name, message)| RemediateError::field(format!("{at}.parameters.{name}"), message))?;
            if rule.mode > PolicyMode::Recommend && self.signing.key_file.is_none() {
                let message = "approve and enforce need signed commands; name a key in signing.key_file";
                return Err(RemediateError::field(format!("{at}.mode"), message));
            }
            if rule.undo_after.is_some() && kind.reversible != Reversible::Automatically {
                let message = format!("the actuator cannot undo {} by itself; allowed is null", kind.name);
                return Err(RemediateError::field(format!("{at}.undo_after"), message));
            }
            if rule.approvals.is_some_and(|people| people < 1) {
                return Err(RemediateError::field(format!("{at}.approvals"), "at least 1 person must consent"));
            }
            self.guards.overridden(&rule.guards).check(&format!("{at}.guards"), self.expiry)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(change: impl FnOnce(&mut Config)) -> String {
        let mut config = Config::default();
        change(&mut config);
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn the_commented_file_is_sound_complete_and_only_recommends() {
        let config: Config = serde_saphyr::from_str(DEFAULT_FILE).unwrap();
        assert_eq!(config.check(), Ok(()));
        assert!(config.policies.iter().all(|rule| rule.mode == PolicyMode::Recommend));
        assert_eq!(
            (config.guards, config.storm),
            (Guards::default(), Storm::default()),
            "the file says other numbers than the code"
        );
        assert_eq!(config, Config::default());
        let text = serde_saphyr::to_string(&config).unwrap();
        assert_eq!(serde_saphyr::from_str::<Config>(&text).unwrap(), config);
        assert_eq!(serde_saphyr::from_str::<Config>("expiry: 5m\n").unwrap().policies, config.policies);
        let written: serde_json::Value = serde_saphyr::from_str(DEFAULT_FILE).unwrap();
        let all = serde_json::to_value(&config).unwrap();
        let names: BTreeSet<_> = written.as_object().unwrap().keys().collect();
        assert_eq!(names, all.as_object().unwrap().keys().collect(), "the file must name every field");
        for section in ["guards", "storm", "signing"] {
            let names = |value: &serde_json::Value| {
                value[section].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>()
            };
            assert_eq!(names(&written), names(&all), "{section}");
        }
    }

    #[test]
    fn every_change_but_of_the_key_changes_the_hash() {
        let config = Config::default();
        let mut other = config.clone();
        other.policies[0].guards.persist = Some(Span::seconds(1));
        assert_ne!(config.logic_hash(), other.logic_hash());
        let mut signed = config.clone();
        signed.signing.key_file = Some("key.pem".into());
        assert_eq!(config.logic_hash(), signed.logic_hash());
    }

    #[test]
    fn what_cannot_work_is_told_with_its_field() {
        assert!(
            fault(|c| c.expiry = Span::minutes(16)).starts_with("expiry: 16m is not allowed; allowed is 1s to 15m")
        );
        assert!(fault(|c| c.guards.cooldown = Span::minutes(1)).starts_with("guards.cooldown: 1m is shorter"));
        assert!(
            fault(|c| c.policies[0].mode = PolicyMode::Enforce)
                .starts_with("policies[0].mode: approve and enforce need")
        );
        assert!(
            fault(|c| c.policies[1].remedy = "reboot".into())
                .starts_with("policies[1].remedy: no remedy is called `reboot`")
        );
        assert!(fault(|c| c.policies[1].id = c.policies[0].id.clone()).starts_with("policies[1].id"));
        let parameters = |c: &mut Config| {
            c.policies[0].parameters.insert("speed".into(), "fast".into());
        };
        assert!(fault(parameters).starts_with("policies[0].parameters.speed: "));
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert!(serde_saphyr::from_str::<Config>("policies: [{id: a, remedi: x}]\n").is_err());
    }
}
