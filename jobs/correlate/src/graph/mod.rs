//! What belongs together, as a differential dataflow: evidence and relations in, groups of entities out.
//!
//! ```text
//! evidence ─ same entity: Σ over families of (strongest − discount) ─▶ weighed ─┐
//! stated relations ─▶ one query a relation: pairs ─────────────────────────────▶ links (lag, weight, hubs)
//!                                                        seeds, three hops ─▶ connected components
//! ```
//!
//! The timestamp is the round. The dataflow runs on a worker of its own, stepped until a round is complete, so that a
//! caller sees a plain function: changes in, consolidated changes out. Nothing of it is stored: live evidence is, and is
//! inserted again after a restart.
//!
//! Invariant: what is held is a function of the live rows only, whatever came and went before.
//!
//! Source of the algebra: `detectors.md` §6.2 of the design; what it stands on is listed there.

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use crate::config::{Config, Lags};
use crate::entity::EntityId;
use crate::relations::{self, View};
use differential_dataflow::VecCollection;
use differential_dataflow::algorithms::graphs::propagate::propagate;
use differential_dataflow::input::InputSession;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::dataflow::ProbeHandle;
use timely::worker::{Config as WorkerConfig, Worker};

/// The timestamp of everything here: a round, milliseconds.
pub type Round = u64;
/// A collection of the dataflow.
pub type Rows<'scope, D> = VecCollection<'scope, Round, D, isize>;

/// Strength of evidence in thousandths, so that sums are exact.
pub type Milli = i64;

/// One live piece of evidence about an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Evidence {
    /// Position of the family in `schemas::Family`.
    pub family: u8,
    /// −log10 p in thousandths, confidence included.
    pub strength: Milli,
    /// When the departure began, milliseconds.
    pub onset: i64,
}

/// What a signal said of two entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stated {
    /// Position of the relation in `schemas::Relation`.
    pub relation: u8,
    /// The other entity.
    pub to: EntityId,
}

/// All evidence of one entity, added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Weighed {
    /// Evidence, in thousandths; changes do not count.
    pub weight: Milli,
    /// Earliest departure, milliseconds; of a mere change, its time.
    pub first: i64,
    /// Latest departure.
    pub last: i64,
    /// Latest change made on purpose; 0 for none.
    pub changed: i64,
}

/// Two entities that belong together: from, to, position of the relation in [`relations::ALL`].
pub type Link = (EntityId, EntityId, u8);
/// A group's name within the graph: the earliest departure and its entity.
pub type Label = (i64, EntityId);

/// A row that comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// Evidence about an entity.
    Evidence(EntityId, Evidence),
    /// A relation of an entity.
    Stated(EntityId, Stated),
}

/// What has changed with a round, each with how many came (positive) or went; sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Which group an entity is in.
    pub groups: Vec<((EntityId, Label), isize)>,
    /// Which links there are.
    pub links: Vec<(Link, isize)>,
}

/// The numbers the dataflow works with.
#[derive(Clone, Debug)]
pub struct Rules {
    discount: Milli,
    weights: [Milli; schemas_families::COUNT],
    seed: Milli,
    join: Milli,
    hub_degree: isize,
    hub_evidence: Milli,
    lags: Lags,
}

/// The dataflow and what it holds.
pub struct Graph {
    worker: Worker,
    evidence: InputSession<Round, (EntityId, Evidence), isize>,
    stated: InputSession<Round, (EntityId, Stated), isize>,
    probe: ProbeHandle<Round>,
    changes: Rc<RefCell<Changes>>,
    /// The next round that may still change.
    round: Round,
}

impl Graph {
    /// A dataflow without rows.
    pub fn new(config: &Config) -> Self {
        let rules = Rules::new(config);
        // No timer: the worker is stepped by its owner and must not ask the machine's clock.
        let mut worker = Worker::new(WorkerConfig::default(), Allocator::Thread(Thread::default()), None);
        let (mut evidence, mut stated) = (InputSession::new(), InputSession::new());
        let probe = ProbeHandle::new();
        let changes = Rc::new(RefCell::new(Changes::default()));
        worker.dataflow::<Round, _, _>(|scope| {
            let (links, groups) = build(evidence.to_collection(scope), stated.to_collection(scope), &rules);
            let found = changes.clone();
            links
                .consolidate()
                .inspect(move |(link, _, diff)| found.borrow_mut().links.push((*link, *diff)))
                .probe_with(&probe);
            let found = changes.clone();
            groups
                .consolidate()
                .inspect(move |(group, _, diff)| found.borrow_mut().groups.push((*group, *diff)))
                .probe_with(&probe);
        });
        Graph { worker, evidence, stated, probe, changes, round: 0 }
    }

    /// Takes rows in at a round and completes it; rounds must not go back.
    pub fn advance(&mut self, round: i64, rows: impl IntoIterator<Item = (Row, isize)>) -> Changes {
        let round = Round::try_from(round).unwrap_or(0).max(self.round);
        self.evidence.advance_to(round);
        self.stated.advance_to(round);
        for (row, diff) in rows {
            match row {
                Row::Evidence(entity, evidence) => self.evidence.update((entity, evidence), diff),
                Row::Stated(entity, stated) => self.stated.update((entity, stated), diff),
            }
        }
        self.round = round + 1;
        self.evidence.advance_to(self.round);
        self.stated.advance_to(self.round);
        self.evidence.flush();
        self.stated.flush();
        while self.probe.less_than(&self.round) {
            self.worker.step();
        }
        let mut changes = std::mem::take(&mut *self.changes.borrow_mut());
        changes.groups.sort_unstable();
        changes.links.sort_unstable();
        debug_assert!(
            changes.links.windows(2).all(|pair| pair[0].0 != pair[1].0),
            "a published change is consolidated"
        );
        changes
    }
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph").field("round", &self.round).finish_non_exhaustive()
    }
}

impl Rules {
    /// The numbers of a configuration, in thousandths.
    pub fn new(config: &Config) -> Self {
        let weights = crate::evidence::FAMILIES.map(|family| milli(config.evidence.weights.of(family)));
        Rules {
            discount: milli(config.evidence.discount),
            weights,
            seed: milli(config.lifecycle.seed),
            join: milli(config.lifecycle.join),
            hub_degree: isize::try_from(config.lifecycle.hub_degree).unwrap_or(isize::MAX),
            hub_evidence: milli(config.lifecycle.hub_evidence),
            lags: config.lags.clone(),
        }
    }

    /// What the strongest evidence of a family adds.
    pub fn contribution(&self, family: u8, strength: Milli) -> Milli {
        let weight = self.weights.get(usize::from(family)).copied().unwrap_or(0);
        (strength - self.discount).max(0) * weight / 1000
    }
}

mod schemas_families {
    pub(super) const COUNT: usize = crate::evidence::FAMILIES.len();
}

/// A number in thousandths, rounded to the nearest.
pub fn milli(value: f64) -> Milli {
    libm::round(value * 1000.0) as Milli
}

/// The queries, put together: links, and the group of each entity.
fn build<'scope>(
    evidence: Rows<'scope, (EntityId, Evidence)>,
    stated: Rows<'scope, (EntityId, Stated)>,
    rules: &Rules,
) -> (Rows<'scope, Link>, Rows<'scope, (EntityId, Label)>) {
    let weighed = relations::same_entity::weigh(evidence, rules);
    let view = View { weighed: weighed.clone(), stated: stated.distinct() };
    let links = without_hubs(links(&view, rules), &weighed, rules);
    let edges = links.clone().flat_map(|(from, to, _)| [(from, to), (to, from)]).distinct();
    let groups = groups(edges, weighed, rules);
    (links, groups)
}

/// The pairs of every relation that are near enough in time and strong enough.
fn links<'scope>(view: &View<'scope>, rules: &Rules) -> Rows<'scope, Link> {
    let weighed = view.weighed.clone().arrange_by_key();
    let of_relation = relations::ALL.iter().enumerate().map(|(index, kind)| {
        let (lag, fits, join) = ((kind.lag)(&rules.lags), kind.fits, rules.join);
        (kind.pairs)(view)
            .filter(|(from, to)| from != to)
            .distinct()
            .join_core(weighed.clone(), |from, to, weighed| Some((*to, (*from, *weighed))))
            .join_core(weighed.clone(), move |to, (from, of_from), of_to| {
                fits(of_from, of_to, lag, join).then_some((*from, *to, index as u8))
            })
    });
    let mut links: Vec<_> = of_relation.collect();
    let first = links.pop().expect("there is more than one relation");
    links.into_iter().fold(first, |all, next| all.concat(next))
}

/// What everything has to do with says nothing, unless something is wrong with it itself.
fn without_hubs<'scope>(
    links: Rows<'scope, Link>,
    weighed: &Rows<'scope, (EntityId, Weighed)>,
    rules: &Rules,
) -> Rows<'scope, Link> {
    let (degree, evidence) = (rules.hub_degree, rules.hub_evidence);
    let busy = links.clone().flat_map(|(from, to, _)| [(from, ()), (to, ())]).reduce(move |_, links, out| {
        let links: isize = links.iter().map(|(_, count)| *count).sum();
        if links > degree {
            out.push(((), 1));
        }
    });
    let hubs = busy
        .join_core(weighed.clone().arrange_by_key(), move |entity, (), weighed| {
            (weighed.weight < evidence).then_some(*entity)
        })
        .distinct();
    links
        .map(|(from, to, relation)| (from, (to, relation)))
        .antijoin(hubs.clone())
        .map(|(from, (to, relation))| (to, (from, relation)))
        .antijoin(hubs)
        .map(|(to, (from, relation))| (from, to, relation))
}

/// Connected components of what lies within three links of a seed.
fn groups<'scope>(
    edges: Rows<'scope, (EntityId, EntityId)>,
    weighed: Rows<'scope, (EntityId, Weighed)>,
    rules: &Rules,
) -> Rows<'scope, (EntityId, Label)> {
    let seed = rules.seed;
    let seeds = weighed.clone().filter(move |(_, weighed)| weighed.weight >= seed).map(|(entity, _)| entity);
    let edges = edges.arrange_by_key();
    let around = |near: Rows<'scope, EntityId>| {
        let next = near.clone().map(|entity| (entity, ())).join_core(edges.clone(), |_, (), other| Some(*other));
        next.concat(near).distinct()
    };
    let inner = around(around(seeds));
    let all = around(inner.clone());
    let outward = inner.map(|entity| (entity, ())).join_core(edges, |entity, (), other| Some((*entity, *other)));
    let kept = outward.flat_map(|(from, to)| [(from, to), (to, from)]).distinct();
    let labelled = weighed.semijoin(all).map(|(entity, weighed)| (entity, (weighed.first, entity)));
    propagate(kept, labelled)
}
