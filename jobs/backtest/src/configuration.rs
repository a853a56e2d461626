//! Which keys of two configurations differ, and which numbers of a finding lie between their values.

use crate::numbers::{Number, short};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// One key that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyDifference {
    /// `detect.entity.sharp`.
    pub key: String,
    /// Its value in the configuration compared with; null where it has none.
    pub before: Value,
    /// Its value in the configuration that is tried; null where it has none.
    pub after: Value,
}

/// The keys below some sections that differ, by name.
pub fn differences(before: &Value, after: &Value, sections: &[&str]) -> Vec<KeyDifference> {
    let keys = |configuration: &Value| {
        let mut found = BTreeMap::new();
        for section in sections {
            flatten((*section).to_owned(), configuration.get(section).unwrap_or(&Value::Null), &mut found);
        }
        found
    };
    let (before, mut after) = (keys(before), keys(after));
    let mut differences = Vec::new();
    for (key, old) in before {
        let new = after.remove(&key).unwrap_or(Value::Null);
        if old != new {
            differences.push(KeyDifference { key, before: old, after: new });
        }
    }
    let added = after.into_iter().filter(|(_, new)| !new.is_null());
    differences.extend(added.map(|(key, new)| KeyDifference { key, before: Value::Null, after: new }));
    differences.sort_by(|a, b| a.key.cmp(&b.key));
    differences
}

fn flatten(key: String, value: &Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(format!("{key}.{name}"), value, into);
            }
        }
        // A list is one value: its items have no names.
        leaf => {
            into.insert(key, leaf.clone());
        }
    }
}

impl KeyDifference {
    /// `detect.entity.sharp 4 → 6`.
    pub fn text(&self) -> String {
        format!("{} {} → {}", self.key, word(&self.before), word(&self.after))
    }

    /// The number that lies between the values of this key, so that one lets pass what the other does not.
    pub fn decided_by<'n>(&self, numbers: &'n [Number]) -> Option<&'n Number> {
        let (before, after) = (self.before.as_f64()?, self.after.as_f64()?);
        let (low, high) = (before.min(after), before.max(after));
        let own = |number: &&Number| number.keys.iter().any(|key| self.key.ends_with(key));
        numbers.iter().filter(own).find(|number| low <= number.value && number.value <= high)
    }

    /// True where it switches something on or off.
    pub fn is_switch(&self) -> bool {
        self.before.is_boolean() && self.after.is_boolean()
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), short),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_keys_of_the_sections_that_differ_are_told() {
        let before = json!({"detect": {"entity": {"sharp": 4.0, "novel": 8.0}, "list": [1]}, "memory": 1});
        let after =
            json!({"detect": {"entity": {"sharp": 6.0, "novel": 8.0}, "list": [1, 2], "more": true}, "memory": 2});
        let found = differences(&before, &after, &["detect"]);
        let texts: Vec<String> = found.iter().map(KeyDifference::text).collect();
        assert_eq!(texts, ["detect.entity.sharp 4 → 6", "detect.list [1] → [1,2]", "detect.more nothing → true"]);
        assert_eq!(differences(&after, &after, &["detect", "memory"]), []);
    }

    #[test]
    fn a_number_decides_where_it_lies_between_the_values_of_its_key() {
        let change = differences(&json!({"d": {"sharp": 4.0}}), &json!({"d": {"sharp": 6.0}}), &["d"]).remove(0);
        let number = |value| [Number { name: "raw".to_owned(), value, keys: &["sharp"] }];
        assert!(change.decided_by(&number(5.1)).is_some());
        assert!(change.decided_by(&number(6.1)).is_none() && change.decided_by(&number(3.9)).is_none());
        let other = [Number { name: "raw".to_owned(), value: 5.1, keys: &["novel"] }];
        assert!(change.decided_by(&other).is_none());
    }
}
