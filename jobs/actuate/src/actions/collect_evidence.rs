//! Collect evidence: what a pod is, whose it is, what was said of it and what it said itself, kept in the ledger before
//! anything is done to it.

use super::{Kind, Need, Order, Plan, Refusal, Rule};
use crate::view::View;
use schemas::RiskClass;

/// The line of this action in the list of all. It changes nothing, so it has no inverse.
pub const KIND: Kind = Kind {
    name: "collect_evidence",
    doc: "Keeps what a pod is, whose it is, its Events and the ends of its logs in the ledger; changes nothing.",
    risk: RiskClass::R0,
    targets: &["Pod"],
    needs: &[Need::Workload, Need::Evidence],
    rules: &[
        Rule { group: "", resources: &["pods"], verbs: &["get", "list"] },
        Rule { group: "", resources: &["pods/log"], verbs: &["get"] },
        Rule { group: "", resources: &["events"], verbs: &["list"] },
        super::WORKLOADS,
    ],
    plan,
};

fn plan(_: &Order<'_>, view: &View) -> Result<Plan, Refusal> {
    Ok(Plan { recorded: view.evidence.clone(), ..Plan::default() })
}
