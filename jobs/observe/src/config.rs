//! Configuration of the observer: which cluster, and how much of its objects is told.

use crate::error::ObserveError;
use crate::kinds;
use engine::span::Span;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything that can be configured about the observer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Credentials file; null for the usual one, or the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// Whose estate it is.
    pub tenant: String,
    /// The cluster as signals call it; the observer does not run while it is empty.
    pub cluster: String,
    /// Kinds of objects that are read.
    pub kinds: Vec<String>,
    /// Labels that are told; what others hold stays in the cluster.
    pub labels: Vec<String>,
    /// How long it is remembered that something was there.
    pub remember: Span,
}

impl Default for Config {
    fn default() -> Self {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Config {
            kubeconfig: None,
            tenant: "default".to_owned(),
            cluster: String::new(),
            kinds: kinds::ALL.iter().map(|kind| kind.kind.to_owned()).collect(),
            labels: texts(&[
                "app",
                "app.kubernetes.io/component",
                "app.kubernetes.io/instance",
                "app.kubernetes.io/name",
                "app.kubernetes.io/part-of",
                "app.kubernetes.io/version",
                "pod-template-hash",
                "topology.kubernetes.io/zone",
            ]),
            remember: Span::hours(7 * 24),
        }
    }
}

impl Config {
    /// Checks what the types cannot.
    pub fn check(&self) -> Result<(), ObserveError> {
        if let Some(name) = self.kinds.iter().find(|name| kinds::by_name(name).is_none()) {
            let known: Vec<&str> = kinds::ALL.iter().map(|kind| kind.kind).collect();
            let message = format!("{name} is not known; allowed are {}", known.join(", "));
            return Err(ObserveError::field("kinds", message));
        }
        if self.remember < Span::hours(1) {
            let message = "must be at least 1h: telemetry of what is gone comes late";
            return Err(ObserveError::field("remember", message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_allowed_and_an_unknown_kind_is_not() {
        let mut config = Config::default();
        config.check().unwrap();
        config.kinds.push("Secret".to_owned());
        assert!(config.check().unwrap_err().to_string().starts_with("kinds: Secret is not known"));
    }
}
