//! Block egress: a workload may no longer reach a network outside that it had never talked to.
//!
//! Ordinary network policies only allow; a deny needs a CNI that knows one, which the actuator checks.

use super::{Kind, MINUTE, Parameters, Proposal, Reversible, action, must};
use crate::case::{Case, Suspect};
use crate::refusal::{Refusal, Rule};
use crate::target;
use schemas::{EntityKind, Family, RiskClass, VerifyPredicate};
use std::net::IpAddr;

/// The line of this remedy in the list of all.
pub const KIND: Kind = Kind {
    name: "block_egress",
    doc: "Denies a workload the way to networks outside that it had never talked to.",
    risk: RiskClass::R3,
    reversible: Reversible::Automatically,
    applies_to: &[EntityKind::Workload],
    needs: &[Family::Novelty, Family::Network],
    settings: &[],
    undo_after: 30 * MINUTE,
    propose: |case, suspect, parameters| vec![propose(case, suspect, parameters)],
};

/// How the detector of first-seen peers writes the measure of a peer.
const DETECTOR: &str = "novelty";
const EGRESS_TO: &str = "egress to ";
/// Networks wider than this would take more than the peer.
const WIDEST_V4: u8 = 16;
const WIDEST_V6: u8 = 32;
/// Networks of one command, those of the strongest evidence first.
const MOST_NETWORKS: usize = 16;

const KINDS: &[&str] = &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Rollout"];

fn propose(case: &Case<'_>, suspect: &Suspect<'_>, _: &Parameters) -> Result<Proposal, Refusal> {
    let entity = suspect.entity;
    let target = target::workload(entity, KINDS)?;
    let measures = suspect.evidence.iter().filter(|m| m.detector == DETECTOR && m.entity == *entity);
    let peers: Vec<&str> = measures.filter_map(|member| member.measure.strip_prefix(EGRESS_TO)).collect();
    let mut networks: Vec<String> = Vec::new();
    for network in peers.iter().filter_map(|peer| network(peer)) {
        if networks.len() < MOST_NETWORKS && !networks.contains(&network) {
            networks.push(network);
        }
    }
    networks.sort();
    if networks.is_empty() {
        let sentence = format!(
            "of the new peers of {} none is a network outside of at least /{WIDEST_V4} (/{WIDEST_V6} for IPv6); others cannot be denied by address",
            entity.name
        );
        return Err(Refusal::new(Rule::Unsupported, sentence).with("new peers", peers.len() as f64, ""));
    }
    let listed = networks.join(",");
    Ok(Proposal {
        action: action(KIND.name, &[("networks", &listed)]),
        target,
        lock_domain: target::workload_domain(&case.incident.cluster, entity),
        preconditions: vec![must("deny_policies", "supported")],
        verify: VerifyPredicate {
            name: "flows_to_networks".into(),
            comparison: "=".into(),
            value: 0.0,
            within: 5 * MINUTE,
        },
        inverse: Some(action("unblock_egress", &[("networks", &listed)])),
        what: format!("deny {} {}/{} the way to {listed}", entity.workload_kind, entity.namespace, entity.name),
    })
}

/// The network of a peer (`net:203.0.113.0/24 port 443`); none for names, the cluster's own, and what is too wide.
fn network(peer: &str) -> Option<String> {
    let (address, length) = peer.split(' ').next()?.strip_prefix("net:")?.split_once('/')?;
    let (address, length): (IpAddr, u8) = (address.parse().ok()?, length.parse().ok()?);
    let fits = match address {
        IpAddr::V4(v4) => {
            (WIDEST_V4..=32).contains(&length) && !v4.is_private() && !v4.is_loopback() && !v4.is_link_local()
        }
        IpAddr::V6(v6) => {
            (WIDEST_V6..=128).contains(&length)
                && !v6.is_loopback()
                && !v6.is_unique_local()
                && !v6.is_unicast_link_local()
        }
    };
    fits.then(|| format!("{address}/{length}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::remedies::tests::proposed;

    fn to(peers: &[&'static str]) -> Result<Vec<Proposal>, Refusal> {
        let cart = example::workload("Deployment", "cart");
        let mut members = Vec::new();
        for peer in peers {
            let mut member = example::member(&cart, Family::Novelty, &[]);
            (member.detector, member.measure) = ("novelty".into(), format!("egress to {peer}").into());
            members.push(member);
        }
        proposed(&KIND, &example::incident(members), &[])
    }

    #[test]
    fn new_networks_outside_are_denied_together_and_allowed_again() {
        let proposals =
            to(&["net:203.0.113.0/24 port 443", "net:198.51.100.0/24", "net:203.0.113.0/24 port 80"]).unwrap();
        let networks = [("networks", "198.51.100.0/24,203.0.113.0/24")];
        assert_eq!(proposals.len(), 1);
        assert_eq!(proposals[0].action, action("block_egress", &networks));
        assert_eq!(proposals[0].inverse, Some(action("unblock_egress", &networks)));
    }

    #[test]
    fn what_is_no_network_outside_or_too_wide_is_refused() {
        for peer in [
            "world",
            "fqdn:evil.example",
            "net:0.0.0.0/0",
            "net:10.0.0.0/24",
            "net:8.0.0.0/8",
            "net:fd00::/64",
            "workload/shop/Deployment/web",
            "net:x/24",
        ] {
            let refusal = to(&[peer]).unwrap_err();
            assert_eq!((refusal.rule, refusal.numbers[0].value), (Rule::Unsupported, 1.0), "{peer}");
        }
    }
}
