//! A generated estate: a Kubernetes cluster that never was, written to Kafka topics as real sources write.
//!
//! It has an ordinary life (days, deploys, evictions, people who look around) and, in its last half day, a story
//! with known truth: see [`Event`]. The `demo` shows it; `loadtest` measures with it and with [`Fleet`].
//!
//! Invariant: the records are a function of the [`Plan`] alone, byte for byte, on every machine, and come in the
//! order of their timestamps.
//!
//! ```
//! use estate::{Estate, Plan};
//! let estate = Estate::new(Plan { days: 1, ..Plan::default() })?;
//! let first = estate.records().next().expect("an estate is never silent");
//! assert!(first.timestamp_ms >= estate.start());
//! assert_eq!(estate.story().len(), 3);
//! # Ok::<(), estate::PlanError>(())
//! ```

mod api;
mod audit;
mod calendar;
mod cluster;
mod fleet;
mod flows;
mod habits;
mod kubelet;
mod load;
mod naming;
mod otlp;
mod plan;
mod pods;
mod random;
mod records;
mod roster;
mod story;

pub use fleet::{Fleet, FleetPlan};
pub use plan::{Plan, PlanError};
pub use records::{RawRecord, Records};
pub use story::{Event, EventKind};

use roster::Workload;
use story::Timetable;

/// Topic of OTLP metrics, protobuf.
pub const METRICS_TOPIC: &str = "otlp_metrics";
/// Topic of Kubernetes audit events, JSON.
pub const AUDIT_TOPIC: &str = "k8s-audit";
/// Topic of Hubble flow lines, JSON.
pub const FLOWS_TOPIC: &str = "hubble-flows";

/// A cluster with its story.
#[derive(Clone, Debug)]
pub struct Estate {
    plan: Plan,
    roster: Vec<Workload>,
    timetable: Timetable,
}

impl Estate {
    /// The estate of a plan.
    pub fn new(plan: Plan) -> Result<Self, PlanError> {
        plan.check()?;
        let roster = roster::roster(plan.workloads);
        let timetable = Timetable::new(plan.start_time + i64::from(plan.days) * calendar::DAY);
        Ok(Estate { plan, roster, timetable })
    }

    /// All raw records in the order of their timestamps, made as they are asked for.
    pub fn records(&self) -> Records<'_> {
        Records::new(self)
    }

    /// The ground truth, in the order of time.
    pub fn story(&self) -> Vec<Event> {
        self.timetable.events(&self.roster)
    }

    /// When the estate begins, milliseconds since the Unix epoch.
    pub fn start(&self) -> i64 {
        self.plan.start_time
    }

    /// When the learning period ends and the story may begin.
    pub fn learning_ends(&self) -> i64 {
        self.timetable.learning_ends
    }

    /// When the estate ends; no event is later, a record is by a few seconds at most.
    pub fn end(&self) -> i64 {
        self.plan.start_time + i64::from(self.plan.days) * calendar::DAY
    }

    /// The raw topics, each with its number of partitions.
    pub fn topics(&self) -> [(&'static str, u32); 3] {
        [METRICS_TOPIC, AUDIT_TOPIC, FLOWS_TOPIC].map(|topic| (topic, self.plan.partitions))
    }

    /// Kubernetes nodes: one for each dozen of workloads, three at least.
    pub(crate) fn nodes(&self) -> usize {
        (self.plan.workloads / 12).max(3)
    }
}

/// Name of a node.
pub(crate) fn node_name(node: usize) -> String {
    format!("node-{}", node + 1)
}
