//! Block egress: a workload may no longer reach some networks, whatever else allows it; and may again.

use super::quarantine_pod::mark;
use super::{Kind, Need, Order, Plan, Refusal, Rule};
use crate::cilium;
use crate::view::View;
use schemas::{RefusalRule, RiskClass};
use serde_json::{Value, json};
use std::net::IpAddr;

const TARGETS: &[&str] = &["DaemonSet", "Deployment", "Job", "ReplicaSet", "Rollout", "StatefulSet"];
const RULES: &[Rule] = &[
    Rule { group: "apps", resources: &["daemonsets", "deployments", "replicasets", "statefulsets"], verbs: &["get"] },
    Rule { group: "batch", resources: &["jobs"], verbs: &["get"] },
    Rule { group: "argoproj.io", resources: &["rollouts"], verbs: &["get"] },
    cilium::RULE,
];

/// The line of this action in the list of all.
pub const KIND: Kind = Kind {
    name: "block_egress",
    doc: "Denies a workload the way to networks, where the cluster's network plugin knows how to deny.",
    risk: RiskClass::R3,
    targets: TARGETS,
    needs: &[Need::DenyPolicies],
    rules: RULES,
    plan: block,
};

/// The line of its inverse.
pub const UNBLOCK: Kind = Kind {
    name: "unblock_egress",
    doc: "Takes the policy away that denies a workload the way to networks.",
    risk: RiskClass::R3,
    targets: TARGETS,
    needs: &[Need::DenyPolicies],
    rules: RULES,
    plan: unblock,
};

/// What the names of the policies begin with.
const POLICY: &str = "bellbuoy-q-egress-";

fn block(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let networks = networks(order.parameter("networks").unwrap_or_default())?;
    let selector = &view.target["spec"]["selector"];
    if !selector.is_object() || selector == &json!({}) {
        let sentence = "the object does not say which pods are its own, so nothing can be denied to them alone";
        return Err(Refusal::new(RefusalRule::Unsupported, sentence));
    }
    let rules = json!({"egressDeny": [{"toCIDR": networks}]});
    let request = cilium::deny(order, view, &policy(view), selector, rules)?;
    Ok(Plan { requests: request.into_iter().collect(), ..Plan::default() })
}

fn unblock(order: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    let request = cilium::allow(order, view, &policy(view))?;
    Ok(Plan { requests: request.into_iter().collect(), ..Plan::default() })
}

/// One policy a workload: a second order about it waits until the first is undone.
fn policy(view: &View) -> String {
    format!("{POLICY}{}", mark(view))
}

/// The networks of an order, address and length each; refused where one is none, or all addresses.
fn networks(text: &str) -> Result<Vec<Value>, Refusal> {
    let read = |network: &str| {
        let (address, length) = network.split_once('/')?;
        let (address, length) = (address.parse::<IpAddr>().ok()?, length.parse::<u8>().ok()?);
        let longest = if address.is_ipv4() { 32 } else { 128 };
        (1..=longest).contains(&length).then(|| Value::from(format!("{address}/{length}")))
    };
    let networks: Option<Vec<Value>> = text.split(',').map(read).collect();
    networks.ok_or_else(|| {
        let sentence = format!("networks must be addresses with their length, separated by commas; `{text}` is not");
        Refusal::new(RefusalRule::Unsupported, sentence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_networks_are_denied_and_never_all_addresses() {
        assert_eq!(networks("203.0.113.0/24,2001:db8::/32").unwrap(), ["203.0.113.0/24", "2001:db8::/32"]);
        for wrong in ["", "203.0.113.0", "0.0.0.0/0", "::/0", "203.0.113.0/33", "203.0.113.0/24,", "example.org/24"] {
            assert!(networks(wrong).is_err(), "{wrong}");
        }
    }
}
