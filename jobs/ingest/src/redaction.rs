//! What is never let through: bodies, command lines, names of secrets and tokens.
//!
//! Invariant: request and response bodies are never built in memory beyond the few fields the features read, and no
//! field of a signal, dead letter, counter or message is copied from them, except those features. What was left out
//! is listed by path in `Signal.redacted`.

use crate::fingerprint::Fingerprint;
use serde::{Deserialize, Serialize};

/// Selectors that let something through that is redacted by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redaction {
    /// Where object names of secrets and tokens are kept as they are.
    pub allow_secret_names: Vec<Selector>,
    /// Where exec command lines may be kept. No signal has a field for them yet; the place is reserved.
    pub allow_commands: Vec<Selector>,
}

/// Which objects; an empty field matches any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selector {
    /// Namespace of the object.
    pub namespace: String,
    /// Resource of the object (`secrets`, `pods`).
    pub resource: String,
}

impl Selector {
    fn matches(&self, namespace: &str, resource: &str) -> bool {
        (self.namespace.is_empty() || self.namespace == namespace)
            && (self.resource.is_empty() || self.resource == resource)
    }
}

impl Redaction {
    /// The object name to show instead of a secret's or a token's; `None` where the name may stay.
    pub fn object_name(&self, namespace: &str, resource: &str, subresource: &str, name: &str) -> Option<String> {
        if name.is_empty() || !names_a_secret(resource, subresource) {
            return None;
        }
        if self.allow_secret_names.iter().any(|selector| selector.matches(namespace, resource)) {
            return None;
        }
        // Stable, so that "another secret than usual" can still be seen.
        let hash = Fingerprint::new().field(namespace.as_bytes()).field(resource.as_bytes()).field(name.as_bytes());
        Some(format!("redacted:{:08x}", hash.value() >> 32))
    }

    /// Whether an exec command line may be kept.
    pub fn allows_command(&self, namespace: &str, resource: &str) -> bool {
        self.allow_commands.iter().any(|selector| selector.matches(namespace, resource))
    }
}

fn names_a_secret(resource: &str, subresource: &str) -> bool {
    resource == "secrets" || subresource == "token" || resource.ends_with("tokens")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_and_tokens_become_stable_hashes() {
        let redaction = Redaction::default();
        let one = redaction.object_name("shop", "secrets", "", "card-key").expect("a secret's name is redacted");
        assert!(one.starts_with("redacted:") && one.len() == "redacted:".len() + 8, "{one}");
        assert_eq!(redaction.object_name("shop", "secrets", "", "card-key"), Some(one.clone()));
        assert_ne!(redaction.object_name("shop", "secrets", "", "other"), Some(one));
        assert!(redaction.object_name("shop", "serviceaccounts", "token", "ledger").is_some());
        assert!(redaction.object_name("", "oauthaccesstokens", "", "sha256~x").is_some());
        assert_eq!(redaction.object_name("shop", "configmaps", "", "settings"), None);
        assert_eq!(redaction.object_name("shop", "secrets", "", ""), None);
    }

    #[test]
    fn a_selector_lets_names_through() {
        let selector = Selector { namespace: "shop".to_owned(), resource: "secrets".to_owned() };
        let redaction = Redaction { allow_secret_names: vec![selector], ..Redaction::default() };
        assert_eq!(redaction.object_name("shop", "secrets", "", "card-key"), None);
        assert!(redaction.object_name("payments", "secrets", "", "card-key").is_some());
        assert!(!redaction.allows_command("shop", "pods"));
    }
}
