//! What a cluster's incidents are and which commands were ordered: the memory behind every guard.
//!
//! Invariant: a command is in here once, whatever incidents it came to belong to by merging and splitting, and as long
//! as one of them is open or any guard looks back as far.

use schemas::codec::Record as _;
use schemas::{Cause, Incident, IncidentBody, IncidentRecord, IncidentState, Member, TimelineKind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long a command is remembered, milliseconds: longer than any guard looks back and any incident is reopened.
const KEEP: i64 = 3 * 86_400_000;

/// An open incident that nothing was heard of for so long is given up, milliseconds.
const STALE: i64 = 14 * 86_400_000;

/// The memory of one cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Open incidents by id.
    pub open: BTreeMap<String, Open>,
    /// Commands in the order they were issued.
    pub issued: Vec<Issued>,
    /// Since when there is a storm, milliseconds.
    pub storm: Option<i64>,
}

/// An open incident.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// The incident as it stands, without what no remedy looks at, as a record.
    #[serde(with = "base64_text")]
    record: Vec<u8>,
    /// When that was heard, milliseconds.
    heard: i64,
    /// When to look at it again, milliseconds.
    pub due: i64,
    /// What was counted under mode observe, by remedy and target.
    pub observed: BTreeSet<String>,
}

/// A command that was issued.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Issued {
    /// When, milliseconds.
    pub at: i64,
    /// Its attempt.
    pub attempt: i32,
    /// Name of the remedy.
    pub remedy: String,
    /// Key of the target.
    pub target: String,
    /// The target's namespace; empty where it has none.
    pub namespace: String,
    /// Its lock domain.
    pub lock_domain: String,
    /// Whether it only said that the remedy did not help.
    pub escalated: bool,
    /// The incident that called for it, and those that have taken that one in or come out of it.
    pub incidents: BTreeSet<String>,
}

impl Ledger {
    /// Takes in a change of an incident.
    pub fn take(&mut self, incident: &Incident<'_>, now: i64) {
        for earlier in &incident.supersedes {
            self.pass_on(earlier, &incident.id);
        }
        if !incident.superseded_by.is_empty() {
            self.pass_on(&incident.id, &incident.superseded_by);
        }
        match incident.state {
            IncidentState::Open | IncidentState::Update | IncidentState::Reopen | IncidentState::Split => {
                let open = self.open.entry(incident.id.as_str().to_owned()).or_default();
                open.record = stored(incident);
                (open.heard, open.due) = (now, now);
            }
            IncidentState::Close | IncidentState::Merge => {
                self.open.remove(incident.id.as_str());
            }
            // A later version knows what it means; the incident stays as it was.
            IncidentState::Other => {}
        }
    }

    /// Forgets what no guard needs any more.
    pub fn prune(&mut self, now: i64) {
        self.open.retain(|_, open| open.heard + STALE > now);
        let open = &self.open;
        self.issued.retain(|issued| issued.at + KEEP > now || issued.incidents.iter().any(|id| open.contains_key(id)));
    }

    /// Commands issued after a time that fit a condition, in their order.
    pub fn since(&self, from: i64, fits: impl Fn(&Issued) -> bool) -> impl Iterator<Item = &Issued> {
        self.issued.iter().filter(move |issued| issued.at > from && fits(issued))
    }

    /// The commands of a remedy on a target that an incident called for.
    pub fn of<'a>(&'a self, incident: &'a str, remedy: &'a str, target: &'a str) -> impl Iterator<Item = &'a Issued> {
        let fits = move |issued: &&Issued| {
            issued.remedy == remedy && issued.target == target && issued.incidents.contains(incident)
        };
        self.issued.iter().filter(fits)
    }

    /// Bytes on the heap, roughly.
    pub fn heap_bytes(&self) -> usize {
        self.open.values().map(|open| open.record.len() + 256).sum::<usize>() + self.issued.len() * 512
    }

    /// What was ordered for one incident counts for another as well.
    fn pass_on(&mut self, from: &str, to: &str) {
        for issued in self.issued.iter_mut().filter(|issued| issued.incidents.contains(from)) {
            issued.incidents.insert(to.to_owned());
        }
    }
}

impl Open {
    /// The incident.
    pub fn incident(&self) -> Incident<'_> {
        self.decode().expect("the record was encoded by this program, or checked when it was restored")
    }

    /// Checks what was restored.
    pub fn check(&self) -> Result<(), String> {
        self.decode().map(|_| ())
    }

    fn decode(&self) -> Result<Incident<'_>, String> {
        match IncidentRecord::decode(&self.record).map_err(|error| error.to_string())?.body {
            IncidentBody::Incident(incident) => Ok(*incident),
            _ => Err("the record of an open incident is none".to_owned()),
        }
    }
}

/// The part of an incident that remedies look at, as a record.
fn stored(incident: &Incident<'_>) -> Vec<u8> {
    let kept = Incident {
        tenant: incident.tenant.clone(),
        cluster: incident.cluster.clone(),
        id: incident.id.clone(),
        state: incident.state,
        revision: incident.revision,
        severity: incident.severity,
        band: incident.band,
        sentence: incident.sentence.clone(),
        onset: incident.onset,
        opened_at: incident.opened_at,
        members: incident
            .members
            .iter()
            .map(|member| Member { sentence: "".into(), evidence: Vec::new(), ..member.clone() })
            .collect(),
        members_total: incident.members_total,
        links: incident.links.clone(),
        causes: incident
            .causes
            .iter()
            .map(|cause| Cause {
                rank: cause.rank,
                entity: cause.entity.clone(),
                onset: cause.onset,
                ..Cause::default()
            })
            .collect(),
        timeline: incident.timeline.iter().filter(|entry| entry.kind == TimelineKind::Change).cloned().collect(),
        notice: incident.notice,
        notice_reason: incident.notice_reason.clone(),
        unheard: incident.unheard,
        label: incident.label.clone(),
        ..Incident::default()
    };
    let record = IncidentRecord { body: IncidentBody::Incident(Box::new(kept)), ..IncidentRecord::default() };
    record.encode().expect("what was decoded from this schema can be encoded in it")
}

/// Bytes as text within JSON.
mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use schemas::Family;

    fn issued(at: i64, incident: &str) -> Issued {
        Issued {
            at,
            attempt: 1,
            remedy: "restart_workload".into(),
            target: "Deployment/shop/cart".into(),
            namespace: "shop".into(),
            lock_domain: "prod/shop/cart".into(),
            escalated: false,
            incidents: BTreeSet::from([incident.to_owned()]),
        }
    }

    fn incident(id: &'static str, state: IncidentState) -> Incident<'static> {
        let member = example::member(&example::workload("Deployment", "cart"), Family::Errors, &["cart-1"]);
        Incident { id: id.into(), state, ..example::incident(vec![member]) }
    }

    #[test]
    fn a_survivor_inherits_what_was_ordered_and_counts_it_once() {
        let mut ledger = Ledger { issued: vec![issued(10, "a")], ..Ledger::default() };
        ledger.take(&incident("a", IncidentState::Open), 1);
        ledger.take(&Incident { superseded_by: "b".into(), ..incident("a", IncidentState::Merge) }, 20);
        ledger.take(&Incident { supersedes: vec!["a".into()], ..incident("b", IncidentState::Update) }, 20);
        assert_eq!(ledger.open.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(ledger.of("b", "restart_workload", "Deployment/shop/cart").count(), 1);
        assert_eq!(ledger.since(0, |_| true).count(), 1);
    }

    #[test]
    fn what_remedies_look_at_is_stored_and_nothing_else() {
        let mut whole = incident("a", IncidentState::Open);
        whole.explanation = vec!["a long story".into()];
        whole.members[0].sentence = "a sentence".into();
        let mut ledger = Ledger::default();
        ledger.take(&whole, 5);
        let kept = ledger.open["a"].incident();
        assert!(kept.explanation.is_empty() && kept.members[0].sentence.is_empty());
        assert_eq!(
            (kept.members[0].instances.len(), kept.severity, kept.opened_at),
            (1, whole.severity, whole.opened_at)
        );
    }

    #[test]
    fn commands_are_forgotten_after_days_but_not_while_their_incident_is_open() {
        let mut ledger = Ledger { issued: vec![issued(10, "a"), issued(10, "b")], ..Ledger::default() };
        ledger.take(&incident("a", IncidentState::Open), 10);
        ledger.prune(10 + KEEP);
        assert_eq!(ledger.issued, [issued(10, "a")]);
        ledger.prune(10 + STALE);
        assert_eq!(ledger, Ledger::default());
    }
}
