//! From a decision to a command: its identity, its times, its reasons.
//!
//! Invariant: the identifier is a function of cluster, incident, action, target, parameters and attempt alone, so a
//! command that is decided again is recognised, and a new attempt is not mistaken for it.

use crate::config::{Config, PolicyMode};
use crate::guards::{Order, Question};
use crate::remedies::{Reversible, must};
use crate::target;
use schemas::{
    Action, AnomalyId, Command, Intent, Mode, Policy, Precondition, RiskClass, Rollback, Signature, TaskName,
};
use uuid::Uuid;

/// Name space of the identifiers; never changed.
const NAMESPACE: Uuid = Uuid::from_u128(0x7f3c_52d8_1e64_4b0a_9c27_d5a1_80b6_43ef);

/// Anomalies that a command names.
const ANOMALIES: usize = 16;

/// The command of a decision, complete but for what its task stamps on it, its digest and its signature.
pub fn command(question: &Question<'_>, order: &Order, config: &Config) -> Command<'static> {
    let (incident, rule, kind, proposal, now) =
        (question.case.incident, question.rule, question.kind, question.proposal, question.now);
    let undo_after = rule.undo_after.map_or(kind.undo_after, |span| span.millis());
    Command {
        tenant: incident.tenant.clone().into_owned(),
        cluster: incident.cluster.clone().into_owned(),
        id: id(&incident.cluster, &incident.id, &proposal.action, &target::key(&proposal.target), order.attempt).into(),
        attempt: order.attempt,
        intent: Intent::Execute,
        mode: mode(order.mode),
        risk: kind.risk,
        action: proposal.action.clone(),
        target: proposal.target.clone(),
        lock_domain: proposal.lock_domain.clone().into(),
        reason: reason(question, order).into(),
        incident: incident.id.clone().into_owned(),
        incident_revision: incident.revision,
        anomalies: anomalies(question),
        terms: order.terms.clone(),
        issued_at: now,
        not_before: now,
        expires_at: now + config.expiry.millis(),
        preconditions: preconditions(question),
        verify: Some(proposal.verify.clone()),
        inverse: proposal.inverse.clone(),
        rollback: match kind.reversible {
            Reversible::Automatically => Rollback::Automatic,
            Reversible::ByHand => Rollback::Manual,
            Reversible::Never => Rollback::Never,
        },
        undo_after,
        approvals: match order.mode {
            PolicyMode::Approve => rule.approvals.unwrap_or(if kind.risk == RiskClass::R4 { 2 } else { 1 }),
            _ => 0,
        },
        policy: Policy { id: rule.id.clone().into(), version: rule.version.clone().into(), hash: rule.hash().into() },
        signature: Signature::default(),
        ..Command::default()
    }
}

/// What must hold at execution: what the remedy asks, and that an object whose uid nobody saw is the one that was seen.
fn preconditions(question: &Question<'_>) -> Vec<Precondition<'static>> {
    let mut all = question.proposal.preconditions.clone();
    let target = &question.proposal.target;
    if target.uid.is_empty() && target::is_lasting(&target.kind) {
        let seen = question.suspect.evidence.iter().map(|member| member.onset).min();
        all.push(must("created_before", &seen.unwrap_or(question.case.incident.onset).to_string()));
    }
    all
}

/// The identifier of a command.
fn id(cluster: &str, incident: &str, action: &Action<'_>, target: &str, attempt: i32) -> String {
    let mut bytes = Vec::new();
    // With their lengths, so that neighbours cannot run into each other.
    let mut part = |text: &str| {
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    };
    [cluster, incident, &action.name, target].into_iter().for_each(&mut part);
    debug_assert!(action.parameters.is_sorted(), "the identifier depends on the order of the parameters");
    for parameter in &action.parameters {
        part(&parameter.name);
        part(&parameter.value);
    }
    part(&attempt.to_string());
    Uuid::new_v5(&NAMESPACE, &bytes).to_string()
}

fn mode(mode: PolicyMode) -> Mode {
    match mode {
        PolicyMode::Observe => Mode::Observe,
        PolicyMode::Recommend => Mode::Recommend,
        PolicyMode::Approve => Mode::Approve,
        PolicyMode::Enforce => Mode::Enforce,
    }
}

fn reason(question: &Question<'_>, order: &Order) -> String {
    let (incident, rule) = (question.case.incident, question.rule);
    let what = incident.sentence.trim_end_matches('.');
    let mut text = format!(
        "{}: {what} (severity {:.0}; policy {} version {}, attempt {})",
        question.proposal.what, incident.severity, rule.id, rule.version, order.attempt
    );
    if order.escalated {
        text = format!("escalate to a person: {text}");
    }
    for refusal in &order.lowered {
        text.push_str(&format!(
            "; lowered to {} by rule {}: {}",
            order.mode.as_str(),
            refusal.rule.as_str(),
            refusal.sentence
        ));
    }
    text
}

fn anomalies(question: &Question<'_>) -> Vec<AnomalyId<'static>> {
    let of = if question.suspect.evidence.is_empty() {
        question.case.incident.members.iter().collect()
    } else {
        question.suspect.evidence.clone()
    };
    let owned = |id: &AnomalyId<'_>| AnomalyId {
        task: TaskName {
            job: id.task.job.clone().into_owned(),
            topic: id.task.topic.clone().into_owned(),
            partition: id.task.partition,
        },
        out_seq: id.out_seq,
    };
    of.into_iter().take(ANOMALIES).map(|member| owned(&member.anomaly)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remedies::action;

    #[test]
    fn the_identifier_never_changes_and_tells_every_part() {
        let quarantine = action("quarantine_pod", &[("allow_dns", "false")]);
        let one = id("prod", "i1", &quarantine, "Pod/shop/cart-1", 1);
        assert_eq!(one, "1abc00c3-3a54-582a-a4e8-4a2244d57922");
        let others = [
            id("prod2", "i1", &quarantine, "Pod/shop/cart-1", 1),
            id("prod", "i2", &quarantine, "Pod/shop/cart-1", 1),
            id("prod", "i1", &action("evict_pod", &[("allow_dns", "false")]), "Pod/shop/cart-1", 1),
            id("prod", "i1", &action("quarantine_pod", &[("allow_dns", "true")]), "Pod/shop/cart-1", 1),
            id("prod", "i1", &quarantine, "Pod/shop/cart-2", 1),
            id("prod", "i1", &quarantine, "Pod/shop/cart-1", 2),
            id("pro", "di1", &quarantine, "Pod/shop/cart-1", 1),
        ];
        assert!(others.iter().all(|other| *other != one));
    }
}
