//! Which entities something is about: `namespace=payments,kind=workload`, or empty for all.
//!
//! A value may end with `*`. Every key must match.

use crate::{Entity, EntityKind};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// The keys a selector may have.
const KEYS: [&str; 5] = ["cluster", "namespace", "workload", "kind", "name"];

/// A test of entities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<(String, String)>);

/// A text that is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part:?} is no condition; write key=value,… with the keys {}", KEYS.join(", "))]
pub struct SelectorError {
    part: String,
}

impl Selector {
    /// True for an entity of a cluster that it is about.
    pub fn matches(&self, cluster: &str, entity: &Entity<'_>) -> bool {
        self.0.iter().all(|(key, wanted)| {
            let is = match key.as_str() {
                "cluster" => cluster,
                "namespace" => &entity.namespace,
                "kind" => entity.kind.as_str(),
                "workload" if entity.kind != EntityKind::Workload => return false,
                _ => &entity.name,
            };
            match wanted.strip_suffix('*') {
                Some(start) => is.starts_with(start),
                None => is == wanted,
            }
        })
    }
}

impl Selector {
    /// Its conditions, key and wanted value.
    pub fn conditions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let read = |part: &str| {
            let (key, value) = part.split_once('=').ok_or_else(|| SelectorError { part: part.to_owned() })?;
            let known = KEYS.contains(&key.trim());
            if known {
                Ok((key.trim().to_owned(), value.trim().to_owned()))
            } else {
                Err(SelectorError { part: part.to_owned() })
            }
        };
        Ok(Selector(parts.map(read).collect::<Result<_, _>>()?))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        f.write_str(&parts.join(","))
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_must_hold_and_a_star_stands_for_any_ending() {
        let cart = Entity {
            kind: EntityKind::Workload,
            namespace: "shop".into(),
            workload_kind: "Deployment".into(),
            name: "cart".into(),
        };
        for (text, expected) in [
            ("", true),
            ("namespace=shop", true),
            ("namespace=sh*,workload=cart", true),
            ("namespace=shop, kind=node", false),
            ("cluster=prod", true),
            ("cluster=dev", false),
        ] {
            let selector: Selector = text.parse().unwrap();
            assert_eq!(selector.matches("prod", &cart), expected, "{text}");
        }
        let error = "pod=x".parse::<Selector>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"pod=x\" is no condition; write key=value,… with the keys cluster, namespace, workload, kind, name"
        );
    }
}
