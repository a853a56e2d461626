//! All state of one task, and what a record of the incidents topic leads to.
//!
//! Invariant: decisions are a function of the records in the order of the log and of the configuration; storing and
//! restoring the state at any place changes none.

use crate::case::Case;
use crate::command;
use crate::config::{Config, PolicyRule};
use crate::guards::{self, Order, Question, Verdict};
use crate::ledger::{Issued, Ledger, Open};
use crate::refusal::Refusal;
use crate::remedies::{self, Kind, Proposal};
use crate::target;
use schemas::{Command, Control, Incident, IncidentBody};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use topics::Switches;

/// State of one task: the ledgers of its clusters, and the kill switches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    switches: Switches,
    clusters: BTreeMap<String, Ledger>,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// A command, complete but for what its task stamps on it.
    Ordered {
        /// The command.
        command: Box<Command<'static>>,
        /// Why its mode is below what policy says.
        lowered: Vec<Refusal>,
    },
    /// Something that was only counted.
    Observed(Proposed),
    /// Something that was refused.
    Refused(Proposed, Refusal),
    /// A storm began in a cluster.
    StormBegan {
        /// Tenant and cluster.
        cluster: String,
        /// The numbers.
        refusal: Refusal,
    },
    /// The storm in a cluster is over.
    StormOver {
        /// Tenant and cluster.
        cluster: String,
    },
}

/// What policy proposed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proposed {
    /// Name of the remedy.
    pub remedy: &'static str,
    /// Key of the target, or of the entity where no target could be named.
    pub target: String,
    /// Id of the rule of policy.
    pub policy: String,
    /// The incident.
    pub incident: String,
}

/// A suspect for which policy names a remedy.
struct Candidate<'a> {
    rule: &'a PolicyRule,
    kind: &'static Kind,
    suspect: usize,
}

impl State {
    /// Takes in what the incidents topic carries, at a time of the task's clock.
    pub fn observe(&mut self, body: &IncidentBody<'_>, now: i64, config: &Config) -> Vec<Decision> {
        match body {
            IncidentBody::Incident(incident) => self.take(incident, now),
            IncidentBody::Control(control) => self.control(control, now),
            IncidentBody::Resync(resync) => {
                let stays: BTreeSet<&str> = resync.open.iter().map(|id| id.as_str()).collect();
                self.clusters.values_mut().for_each(|ledger| ledger.open.retain(|id, _| stays.contains(id.as_str())));
            }
            // What another logic holds open it says anew; what it does not mention is not to be acted on.
            IncidentBody::Handover(_) => self.clusters.values_mut().for_each(|ledger| ledger.open.clear()),
            IncidentBody::TaskTick(_) => {}
        }
        self.decide(now, config)
    }

    /// Checks state that was restored: what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        self.clusters.values().flat_map(|ledger| ledger.open.values()).try_for_each(Open::check)
    }

    /// Bytes on the heap, roughly.
    pub fn heap_bytes(&self) -> usize {
        self.clusters.values().map(Ledger::heap_bytes).sum()
    }

    fn take(&mut self, incident: &Incident<'_>, now: i64) {
        let key = topics::cluster_key(&incident.tenant, &incident.cluster);
        self.clusters.entry(key).or_default().take(incident, now);
    }

    fn control(&mut self, control: &Control<'_>, now: i64) {
        if self.switches.observe(control) {
            let open = self.clusters.values_mut().flat_map(|ledger| ledger.open.values_mut());
            open.for_each(|open| open.due = now);
        }
    }

    /// Looks at everything that is due, cluster by cluster and incident by incident in the order of their names.
    fn decide(&mut self, now: i64, config: &Config) -> Vec<Decision> {
        let mut decisions = Vec::new();
        let switches = &mut self.switches;
        self.clusters.retain(|cluster, ledger| {
            storm(cluster, ledger, config, now, &mut decisions);
            let due: Vec<String> =
                ledger.open.iter().filter(|(_, open)| open.due <= now).map(|(id, _)| id.clone()).collect();
            for id in due {
                look(&id, ledger, switches, config, now, &mut decisions);
                // The commands just ordered may have made it one.
                storm(cluster, ledger, config, now, &mut decisions);
            }
            ledger.prune(now);
            *ledger != Ledger::default()
        });
        switches.prune(now);
        decisions
    }
}

/// Says once that a storm began, and once that it is over.
fn storm(cluster: &str, ledger: &mut Ledger, config: &Config, now: i64, decisions: &mut Vec<Decision>) {
    match (guards::storm(ledger, config, now), ledger.storm) {
        (Some(refusal), None) => {
            ledger.storm = Some(now);
            decisions.push(Decision::StormBegan { cluster: cluster.to_owned(), refusal });
        }
        (None, Some(_)) => {
            ledger.storm = None;
            decisions.push(Decision::StormOver { cluster: cluster.to_owned() });
        }
        _ => {}
    }
}

/// Decides about one incident, and when to look at it again.
fn look(id: &str, ledger: &mut Ledger, switches: &Switches, config: &Config, now: i64, decisions: &mut Vec<Decision>) {
    let Some(open) = ledger.open.get(id).cloned() else { return };
    let incident = open.incident();
    let case = Case::new(&incident);
    let mut again = i64::MAX;
    let mut observed = open.observed.clone();
    for candidate in candidates(&case, config) {
        let Candidate { rule, kind, suspect } = candidate;
        let suspect = &case.suspects[suspect];
        let named = |target: String| Proposed {
            remedy: kind.name,
            target,
            policy: rule.id.clone(),
            incident: incident.id.as_str().to_owned(),
        };
        for proposal in kind.proposals(&case, suspect, &rule.parameters) {
            let proposal = match &proposal {
                Ok(proposal) => proposal,
                Err(refusal) => {
                    decisions.push(Decision::Refused(named(suspect.entity.key()), refusal.clone()));
                    continue;
                }
            };
            let question = Question { case: &case, suspect, rule, kind, proposal, now };
            let target = target::key(&proposal.target);
            match guards::judge(&question, ledger, switches, config) {
                Verdict::Order(order) => {
                    ledger.issued.push(issued(&incident.id, kind, proposal, &order, now));
                    again = again.min(now + config.expiry.millis());
                    let command = Box::new(command::command(&question, &order, config));
                    decisions.push(Decision::Ordered { command, lowered: order.lowered });
                }
                Verdict::Observe => {
                    if observed.insert(format!("{} {target}", kind.name)) {
                        decisions.push(Decision::Observed(named(target)));
                    }
                }
                Verdict::Wait(until) => again = again.min(until),
                Verdict::Refuse(refusal, until) => {
                    again = again.min(until.unwrap_or(i64::MAX));
                    decisions.push(Decision::Refused(named(target), refusal));
                }
            }
        }
    }
    if let Some(open) = ledger.open.get_mut(id) {
        debug_assert!(again > now, "an incident that is due at once would be looked at for ever");
        (open.due, open.observed) = (again, observed);
    }
}

/// Every suspect with its remedies: of the rules for one remedy the first that matches; by priority, then in the order
/// of the rules, then of the suspects.
fn candidates<'a>(case: &Case<'_>, config: &'a Config) -> Vec<Candidate<'a>> {
    let mut found: Vec<(i32, usize, Candidate<'a>)> = Vec::new();
    for (suspect, suspected) in case.suspects.iter().enumerate() {
        let mut settled: Vec<&str> = Vec::new();
        for (place, rule) in config.policies.iter().enumerate() {
            let Some(kind) = remedies::by_name(&rule.remedy) else { continue };
            let is_for = kind.applies_to.contains(&suspected.entity.kind) && !settled.contains(&kind.name);
            if is_for && rule.selector.matches(case, suspected) {
                settled.push(kind.name);
                found.push((rule.priority, place, Candidate { rule, kind, suspect }));
            }
        }
    }
    // A stable sort: suspects of one rule keep their order.
    found.sort_by_key(|(priority, place, _)| (std::cmp::Reverse(*priority), *place));
    found.into_iter().map(|(_, _, candidate)| candidate).collect()
}

fn issued(incident: &str, kind: &Kind, proposal: &Proposal, order: &Order, now: i64) -> Issued {
    Issued {
        at: now,
        attempt: order.attempt,
        remedy: kind.name.to_owned(),
        target: target::key(&proposal.target),
        namespace: proposal.target.namespace.as_str().to_owned(),
        lock_domain: proposal.lock_domain.clone(),
        escalated: order.escalated,
        incidents: BTreeSet::from([incident.to_owned()]),
    }
}
