//! What network policies still allow a pod: they add up, and none can deny what another allows.

use serde_json::Value;
use std::collections::BTreeMap;

/// Names of the policies that select a pod with these labels and allow it some traffic.
pub fn allowing<'a>(policies: impl IntoIterator<Item = &'a Value>, labels: &BTreeMap<String, String>) -> Vec<String> {
    let allowing = policies.into_iter().filter(|policy| {
        let spec = &policy["spec"];
        selects(&spec["podSelector"], labels)
            && (allows(spec, "Ingress", "ingress") || allows(spec, "Egress", "egress"))
    });
    allowing.map(|policy| policy["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// True where a policy allows traffic in a direction. Of directions that it does not name it says nothing.
fn allows(spec: &Value, direction: &str, rules: &str) -> bool {
    let rules = spec[rules].as_array().is_some_and(|rules| !rules.is_empty());
    let named = match spec["policyTypes"].as_array() {
        Some(types) if !types.is_empty() => types.iter().any(|named| named == direction),
        // Where none is named, ingress is meant, and egress where there are rules for it.
        _ => true,
    };
    rules && named
}

/// True for labels that a label selector selects; an empty one selects all.
pub fn selects(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
    let exactly = selector["matchLabels"].as_object();
    let exactly = exactly
        .is_none_or(|wanted| wanted.iter().all(|(name, value)| labels.get(name).map(String::as_str) == value.as_str()));
    let expressions = selector["matchExpressions"].as_array();
    exactly && expressions.is_none_or(|all| all.iter().all(|one| holds(one, labels)))
}

fn holds(expression: &Value, labels: &BTreeMap<String, String>) -> bool {
    let value = expression["key"].as_str().and_then(|key| labels.get(key));
    let listed = |value: &String| expression["values"].as_array().is_some_and(|all| all.iter().any(|one| one == value));
    match expression["operator"].as_str() {
        Some("In") => value.is_some_and(listed),
        Some("NotIn") => !value.is_some_and(listed),
        Some("Exists") => value.is_some(),
        Some("DoesNotExist") => value.is_none(),
        // One we do not know may hold: a policy is rather counted as allowing.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn policy(name: &str, selector: Value, rest: Value) -> Value {
        let mut policy = json!({"metadata": {"name": name}, "spec": rest});
        policy["spec"]["podSelector"] = selector;
        policy
    }

    #[test]
    fn only_what_selects_the_pod_and_has_rules_allows() {
        let labels = BTreeMap::from([("bellbuoy.dev/quarantine".to_owned(), "1".to_owned())]);
        let policies = [
            policy("all pods, dns", json!({}), json!({"policyTypes": ["Egress"], "egress": [{"ports": []}]})),
            policy("all pods, nothing", json!({}), json!({"policyTypes": ["Ingress", "Egress"]})),
            policy("another app", json!({"matchLabels": {"app": "web"}}), json!({"ingress": [{}]})),
            policy(
                "whoever has no app",
                json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}),
                json!({"ingress": [{}]}),
            ),
            policy(
                "rules of a direction it does not name",
                json!({}),
                json!({"policyTypes": ["Ingress"], "egress": [{}]}),
            ),
            policy("everything in, types unsaid", json!({}), json!({"ingress": [{}]})),
        ];
        let allowing = allowing(&policies, &labels);
        assert_eq!(allowing, ["all pods, dns", "whoever has no app", "everything in, types unsaid"]);
    }

    /// One requirement of a selector, in both forms.
    fn requirement() -> impl Strategy<Value = (&'static str, &'static str, Vec<&'static str>)> {
        let key = prop::sample::select(vec!["a", "b"]);
        let operator = prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist"]);
        (key, operator, prop::collection::vec(prop::sample::select(vec!["x", "y"]), 0..3))
    }

    proptest! {
        /// Slow and obvious: a selector selects what is left when each requirement has removed what it forbids.
        #[test]
        fn selectors_agree_with_removing_what_is_forbidden(requirements in prop::collection::vec(requirement(), 0..4)) {
            let values = [None, Some("x"), Some("y"), Some("z")];
            let mut left: Vec<(Option<&str>, Option<&str>)> =
                values.iter().flat_map(|a| values.iter().map(move |b| (*a, *b))).collect();
            for (key, operator, listed) in &requirements {
                left.retain(|(a, b)| {
                    let value = if *key == "a" { a } else { b };
                    match *operator {
                        "In" => value.is_some_and(|value| listed.contains(&value)),
                        "NotIn" => value.is_none_or(|value| !listed.contains(&value)),
                        "Exists" => value.is_some(),
                        _ => value.is_none(),
                    }
                });
            }
            let expressions: Vec<Value> =
                requirements.iter().map(|(key, operator, values)| json!({"key": key, "operator": operator, "values": values})).collect();
            let selector = json!({"matchExpressions": expressions});
            for a in values {
                for b in values {
                    let named = [("a", a), ("b", b)];
                    let labels = named.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned()))).collect();
                    prop_assert_eq!(selects(&selector, &labels), left.contains(&(a, b)));
                }
            }
        }
    }
}
