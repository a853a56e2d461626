//! What happens in the estate and when: the ground truth.
//!
//! Everything before the last half day is normal. In the last half day, counted from its start:
//!
//! | from | until | what |
//! |---|---|---|
//! | 1 h | 1 h 10 min | harmless deploy of `shop/catalog` by the CI principal |
//! | 3 h | 6 h | takeover of `shop/cart`: secrets refused (403) at once, cluster-admin bound after 10 min, secrets listed (200) after 12 min, miner (CPU, egress, new peer) from 15 min on |
//! | 7 h | 9 h 30 min | `payments/ledger` leaks memory; from half-way on it saturates its CPU; ends with an out-of-memory restart |
//!
//! Invariant: every event lies within the last half day, and no two overlap.

use crate::calendar::{DAY, HOUR, MINUTE};
use crate::roster::{DEPLOYED, LEAKING, TAKEN_OVER, Workload};
use schemas::{Entity, EntityKind};

/// One chapter of the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it begins, milliseconds since the Unix epoch.
    pub at: i64,
    /// When it is over, milliseconds since the Unix epoch.
    pub until: i64,
    /// What a detector should make of it.
    pub kind: EventKind,
    /// The entities it shows on.
    pub entities: Vec<Entity<'static>>,
    /// One sentence for people.
    pub description: String,
}

/// The kinds of chapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// An intruder: several families of evidence at once, to be found.
    Takeover,
    /// A fault without any security evidence, to be found as such.
    PerformanceFault,
    /// A change that is none of anyone's business: nothing to be found.
    HarmlessDeploy,
}

/// Who binds cluster-admin, and deploys nothing.
pub(crate) const OPERATOR: &str = "alice@corp.example";
/// Who deploys.
pub(crate) const DEPLOYER: &str = "system:serviceaccount:ci:deployer";
/// The miner's peer: name, address, port.
pub(crate) const POOL: (&str, &str, u16) = ("xmr.deep-pool.example", "192.0.2.177", 14444);

/// When each chapter happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timetable {
    pub(crate) learning_ends: i64,
    pub(crate) deploy: (i64, i64),
    pub(crate) takeover: (i64, i64),
    pub(crate) fault: (i64, i64),
}

impl Timetable {
    /// The timetable of an estate that ends at `end`.
    pub(crate) fn new(end: i64) -> Self {
        let half = end - DAY / 2;
        Timetable {
            learning_ends: half,
            deploy: (half + HOUR, half + HOUR + 10 * MINUTE),
            takeover: (half + 3 * HOUR, half + 6 * HOUR),
            fault: (half + 7 * HOUR, half + 9 * HOUR + 30 * MINUTE),
        }
    }

    /// When cluster-admin is bound.
    pub(crate) fn bound(&self) -> i64 {
        self.takeover.0 + 10 * MINUTE
    }

    /// When the intruder lists the secrets with success.
    pub(crate) fn listed(&self) -> i64 {
        self.takeover.0 + 12 * MINUTE
    }

    /// True while the miner runs.
    pub(crate) fn mines(&self, now: i64) -> bool {
        (self.takeover.0 + 15 * MINUTE..self.takeover.1).contains(&now)
    }

    /// How far the fault has come, 0 to 1; `None` outside of it.
    pub(crate) fn leak(&self, now: i64) -> Option<f64> {
        let (from, until) = self.fault;
        (from..until).contains(&now).then(|| (now - from) as f64 / (until - from) as f64)
    }

    /// The ground truth.
    pub(crate) fn events(&self, roster: &[Workload]) -> Vec<Event> {
        let cart = &roster[TAKEN_OVER];
        let service_account = format!("system:serviceaccount:{}:{}", cart.namespace, cart.name);
        vec![
            Event {
                at: self.deploy.0,
                until: self.deploy.1,
                kind: EventKind::HarmlessDeploy,
                entities: vec![workload(&roster[DEPLOYED]), principal(DEPLOYER)],
                description: format!("{DEPLOYER} rolls out a new version of shop/catalog, pod by pod"),
            },
            Event {
                at: self.takeover.0,
                until: self.takeover.1,
                kind: EventKind::Takeover,
                entities: vec![workload(cart), principal(&service_account), principal(OPERATOR)],
                description: format!(
                    "an intruder in shop/cart lists all secrets (refused), is bound to cluster-admin by {OPERATOR}, \
                     lists all secrets, and mines against {}",
                    POOL.0
                ),
            },
            Event {
                at: self.fault.0,
                until: self.fault.1,
                kind: EventKind::PerformanceFault,
                entities: vec![workload(&roster[LEAKING])],
                description: "payments/ledger leaks memory, then saturates its CPU, until it is killed and restarted"
                    .to_owned(),
            },
        ]
    }
}

fn workload(workload: &Workload) -> Entity<'static> {
    Entity {
        kind: EntityKind::Workload,
        namespace: workload.namespace.into(),
        workload_kind: workload.kind.as_str().into(),
        name: workload.name.clone().into(),
    }
}

fn principal(name: &str) -> Entity<'static> {
    Entity { kind: EntityKind::Principal, name: name.to_owned().into(), ..Entity::default() }
}
