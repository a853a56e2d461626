//! The remedies, one file each. A new one is a file here and a line in [`ALL`], in alphabetical order.
//!
//! Invariant: a remedy proposes only what it can name exactly: entities the incident resolved, pods they were seen on.
//! Whatever it cannot name it refuses, with the reason.

pub mod abort_rollout;
pub mod annotate_pod;
pub mod attach_forensics;
pub mod block_egress;
pub mod collect_evidence;
pub mod cordon_node;
pub mod delete_pod;
pub mod evict_pod;
mod parameters;
mod pods;
pub mod quarantine_pod;
pub mod raise_autoscaler;
pub mod resize_pod;
pub mod restart_workload;
pub mod revoke_binding;
pub mod roll_back_deployment;
pub mod scale_workload;
pub mod suspend_job;
pub mod taint_node;

pub use parameters::{Parameters, Setting};

use crate::case::{Case, Suspect};
use crate::refusal::{Refusal, Rule};
use schemas::{Action, EntityKind, Family, Parameter, Precondition, RiskClass, Target, VerifyPredicate};
use std::collections::BTreeMap;

/// Every remedy there is, in alphabetical order.
pub const ALL: &[Kind] = &[
    abort_rollout::KIND,
    annotate_pod::KIND,
    attach_forensics::KIND,
    block_egress::KIND,
    collect_evidence::KIND,
    cordon_node::KIND,
    delete_pod::KIND,
    evict_pod::KIND,
    quarantine_pod::KIND,
    raise_autoscaler::KIND,
    resize_pod::KIND,
    restart_workload::KIND,
    revoke_binding::KIND,
    roll_back_deployment::KIND,
    scale_workload::KIND,
    suspend_job::KIND,
    taint_node::KIND,
];

/// What a remedy is: for policy, help and documentation.
pub struct Kind {
    /// Its name in policies, commands and metrics.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// How much can go wrong.
    pub risk: RiskClass,
    /// Whether it can be undone.
    pub reversible: Reversible,
    /// The kinds of suspect it is for; others are passed over.
    pub applies_to: &'static [EntityKind],
    /// Kinds of evidence of which one must speak against the suspect.
    pub needs: &'static [Family],
    /// What a policy may set.
    pub settings: &'static [Setting],
    /// Time after which the actuator undoes it unless policy says otherwise, milliseconds; 0 for never.
    pub undo_after: i64,
    /// What is to be done about a suspect, object by object.
    pub propose: fn(&Case<'_>, &Suspect<'_>, &Parameters) -> Proposals,
}

/// Whether a remedy can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reversible {
    /// The actuator can undo it by itself.
    Automatically,
    /// A person can undo it.
    ByHand,
    /// It cannot be undone.
    Never,
}

/// What a remedy would have done: the part of a command that is its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// What to do.
    pub action: Action<'static>,
    /// What to do it to.
    pub target: Target<'static>,
    /// Commands of one domain run one after the other.
    pub lock_domain: String,
    /// What must hold at execution.
    pub preconditions: Vec<Precondition<'static>>,
    /// How to tell that it helped.
    pub verify: VerifyPredicate<'static>,
    /// How to undo it.
    pub inverse: Option<Action<'static>>,
    /// What it is, for a person: `quarantine pod cart-1 of shop/cart`.
    pub what: String,
}

/// What a remedy proposes, or refuses, for each object: one that cannot be named must not hide the others.
pub type Proposals = Vec<Result<Proposal, Refusal>>;

/// The remedy of a name.
pub fn by_name(name: &str) -> Option<&'static Kind> {
    ALL.iter().find(|kind| kind.name == name)
}

impl Kind {
    /// True for a remedy that changes nothing of what runs: it looks, or leaves a note.
    pub fn is_harmless(&self) -> bool {
        self.risk <= RiskClass::R1
    }

    /// Checks the parameters of a policy; the name of the first that is wrong, and what is allowed.
    pub fn check(&self, given: &BTreeMap<String, String>) -> Result<(), (String, String)> {
        parameters::check(self.settings, given)
    }

    /// What it proposes for a suspect of a kind it is for.
    pub fn proposals(&self, case: &Case<'_>, suspect: &Suspect<'_>, given: &BTreeMap<String, String>) -> Proposals {
        debug_assert!(self.applies_to.contains(&suspect.entity.kind));
        if !self.needs.iter().any(|family| suspect.families.contains(family)) {
            let needs: Vec<String> = self.needs.iter().map(|family| format!("{family:?}")).collect();
            let sentence = format!("{} needs evidence of one of {}; there is none", self.name, needs.join(", "));
            let refusal = Refusal::new(Rule::Quality, sentence).with("families", suspect.families.len() as f64, "");
            return vec![Err(refusal)];
        }
        (self.propose)(case, suspect, &Parameters::new(self.settings, given))
    }
}

/// An action with its parameters, sorted by name.
pub(crate) fn action(name: &'static str, parameters: &[(&'static str, &str)]) -> Action<'static> {
    let mut parameters: Vec<Parameter<'_>> = parameters
        .iter()
        .map(|(name, value)| Parameter { name: (*name).into(), value: (*value).to_owned().into() })
        .collect();
    parameters.sort();
    Action { name: name.into(), parameters }
}

/// Something that must hold at execution.
pub(crate) fn must(name: &'static str, value: &str) -> Precondition<'static> {
    Precondition { name: name.into(), value: value.to_owned().into() }
}

/// The object must be as ordered: all there is to see of an order that heals nothing.
pub(crate) fn as_ordered() -> VerifyPredicate<'static> {
    VerifyPredicate { name: "as_ordered".into(), comparison: "=".into(), value: 1.0, within: MINUTE }
}

/// The incident must be over within a time.
pub(crate) fn incident_over(within: i64) -> VerifyPredicate<'static> {
    VerifyPredicate { name: "incident_closed".into(), comparison: "=".into(), value: 1.0, within }
}

/// Every kind of evidence about what an entity does.
pub(crate) const ANY: &[Family] = &[
    Family::Latency,
    Family::Errors,
    Family::Saturation,
    Family::Novelty,
    Family::Network,
    Family::Logs,
    Family::Peers,
    Family::Forecast,
];

/// Milliseconds of a minute.
pub(crate) const MINUTE: i64 = 60_000;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use schemas::Incident;

    /// What a remedy proposes for the first suspect of an incident, or its first refusal.
    pub(crate) fn proposed(
        kind: &Kind,
        incident: &Incident<'static>,
        given: &[(&str, &str)],
    ) -> Result<Vec<Proposal>, Refusal> {
        let given: BTreeMap<String, String> =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        kind.check(&given).unwrap();
        let case = Case::new(incident);
        kind.proposals(&case, &case.suspects[0], &given).into_iter().collect()
    }

    #[test]
    fn remedies_are_listed_alphabetically_with_a_sentence_each() {
        assert!(ALL.windows(2).all(|pair| pair[0].name < pair[1].name));
        for kind in ALL {
            assert!(kind.doc.ends_with('.') && !kind.applies_to.is_empty() && !kind.needs.is_empty(), "{}", kind.name);
            assert_eq!(kind.check(&BTreeMap::new()), Ok(()), "{}: defaults are allowed", kind.name);
            for setting in kind.settings {
                assert!((setting.fits)(setting.default), "{}.{}", kind.name, setting.name);
            }
        }
    }

    #[test]
    fn only_what_the_actuator_can_undo_is_undone_after_a_time() {
        for kind in ALL {
            assert!(kind.undo_after == 0 || kind.reversible == Reversible::Automatically, "{}", kind.name);
        }
    }
}
