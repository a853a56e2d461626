//! Configuration of the actuator: whom it obeys, where, and how far it may go.
//!
//! Invariant: the default obeys nobody and does nothing.

use crate::actions::{self, attach_forensics};
use crate::error::ActuateError;
use engine::span::Span;
use schemas::signing;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Everything that can be configured about the actuator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Its name, which is also the name of its chain of results.
    pub name: String,
    /// Credentials file; null for the usual one, or the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// Whose estate it serves.
    pub tenant: String,
    /// The cluster as commands call it; empty while it is not told, and then every command is refused.
    pub cluster: String,
    /// The namespace with its ledger and its kill switch.
    pub namespace: String,
    /// Public keys that may sign commands, 64 hexadecimal digits each, as `bellbuoy keys show` prints them.
    pub keys: Vec<String>,
    /// Hashes of the policies it obeys; empty for any policy of a signed command.
    pub policies: Vec<String>,
    /// Who may consent, `*` for any text.
    pub approvers: Vec<String>,
    /// How far it may go in an action that `modes` does not name.
    pub mode: Level,
    /// How far it may go, by action.
    pub modes: BTreeMap<String, Level>,
    /// Namespaces it may touch, `*` for any text.
    pub namespaces: Vec<String>,
    /// Namespaces it never touches, `*` for any text.
    pub protected: Vec<String>,
    /// Images of containers that may be attached to pods, each pinned by its digest.
    pub images: Vec<String>,
    /// What may be done within a time.
    pub budgets: Budgets,
    /// Rest of one object between two actions on it.
    pub cooldown: Span,
    /// When it stops acting because acting does not help.
    pub breaker: Breaker,
}

/// How far the actuator may go by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Count only.
    Observe,
    /// Tell people.
    Recommend,
    /// Act when people consent.
    Approve,
    /// Act.
    Enforce,
}

/// What may be done within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budgets {
    /// The time that is looked back.
    pub window: Span,
    /// Actions in the cluster.
    pub per_cluster: u32,
    /// Actions in one namespace.
    pub per_namespace: u32,
    /// Actions in one lock domain: a workload, a node.
    pub per_workload: u32,
    /// Actions that are in force and not yet undone.
    pub in_force: u32,
}

/// When the actuator stops acting because acting does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// Of so many actions, the latest …
    pub of: u32,
    /// … this many that failed or did not help stop it.
    pub failed: u32,
}

impl Default for Config {
    fn default() -> Self {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Config {
            name: "actuator".to_owned(),
            kubeconfig: None,
            tenant: "default".to_owned(),
            cluster: String::new(),
            namespace: "bellbuoy".to_owned(),
            keys: Vec::new(),
            policies: Vec::new(),
            approvers: texts(&["*"]),
            mode: Level::Recommend,
            modes: BTreeMap::new(),
            namespaces: texts(&["*"]),
            protected: texts(&["kube-*", "bellbuoy*", "kafka*", "cilium*", "calico*", "ingress*", "istio*"]),
            images: Vec::new(),
            budgets: Budgets::default(),
            cooldown: Span::minutes(10),
            breaker: Breaker::default(),
        }
    }
}

impl Default for Budgets {
    fn default() -> Self {
        Budgets { window: Span::hours(1), per_cluster: 10, per_namespace: 5, per_workload: 3, in_force: 10 }
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker { of: 10, failed: 5 }
    }
}

impl Config {
    /// Checks what the types cannot.
    pub fn check(&self) -> Result<(), ActuateError> {
        for (field, text) in [("name", &self.name), ("namespace", &self.namespace)] {
            if text.is_empty() {
                return Err(ActuateError::field(field, "must not be empty"));
            }
        }
        for (at, key) in self.keys.iter().enumerate() {
            signing::public_key(key).map_err(|error| ActuateError::field(format!("keys[{at}]"), error.message))?;
        }
        if let Some(name) = self.modes.keys().find(|name| actions::by_name(name).is_none()) {
            let known: Vec<&str> = actions::ALL.iter().map(|kind| kind.name).collect();
            let message = format!("there is no such action; allowed are {}", known.join(", "));
            return Err(ActuateError::field(format!("modes.{name}"), message));
        }
        if let Some(at) = self.images.iter().position(|image| !attach_forensics::is_pinned(image)) {
            return Err(ActuateError::field(format!("images[{at}]"), "must be pinned by its digest: name@sha256:…"));
        }
        if self.budgets.window < Span::seconds(1) {
            return Err(ActuateError::field("budgets.window", "must be at least 1s"));
        }
        if self.breaker.of == 0 || self.breaker.failed == 0 || self.breaker.failed > self.breaker.of {
            return Err(ActuateError::field("breaker", "of and failed must be at least 1, failed at most of"));
        }
        Ok(())
    }

    /// How far it may go in an action.
    pub fn level(&self, action: &str) -> Level {
        self.modes.get(action).copied().unwrap_or(self.mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_allowed_and_does_nothing_by_itself() {
        let config = Config::default();
        config.check().unwrap();
        assert!(config.keys.is_empty() && actions::ALL.iter().all(|kind| config.level(kind.name) <= Level::Recommend));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_field() {
        let fault = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(fault(|c| c.keys = vec!["beef".to_owned()]).starts_with("keys[0]: "));
        assert!(fault(|c| c.modes = [("reboot".to_owned(), Level::Enforce)].into()).contains("evict_pod"));
        assert!(fault(|c| c.images = vec!["busybox:1".to_owned()]).starts_with("images[0]: "));
        assert!(fault(|c| c.breaker.failed = 20).starts_with("breaker: "));
    }
}
