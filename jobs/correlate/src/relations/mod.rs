//! Ways for two departed entities to belong together, one file each. A new one is a file here and a line in [`ALL`].
//!
//! A relation is a query over what signals stated and over the evidence: pairs of entities, `from` being the one that
//! depends or came later. Whether a pair becomes a link is decided by its time lag and by the evidence of both.

mod acts_from;
mod calls;
mod change;
mod grants;
pub mod same_entity;
mod same_node;
mod same_owner;
mod same_rollout;

use crate::config::Lags;
use crate::entity::EntityId;
use crate::graph::{Milli, Rows, Stated, Weighed};
use schemas::EntityKind;

/// Every relation there is, in alphabetical order.
pub const ALL: &[Kind] =
    &[acts_from::KIND, calls::KIND, change::KIND, grants::KIND, same_node::KIND, same_owner::KIND, same_rollout::KIND];

/// Name of the relation between a change and its effect.
pub const CHANGE: &str = change::KIND.name;

/// What a relation is.
pub struct Kind {
    /// Its name in incidents.
    pub name: &'static str,
    /// What it says of two entities, in one sentence.
    pub doc: &'static str,
    /// The clause between the names of `from` and `to`, by what `to` is.
    pub clause: fn(EntityKind) -> &'static str,
    /// Whether `from` depends on `to`, so that a fault of `to` explains one of `from`.
    pub depends: Depends,
    /// Longest time between the two departures.
    pub lag: fn(&Lags) -> i64,
    /// Pairs that may be linked.
    pub pairs: for<'scope> fn(&View<'scope>) -> Rows<'scope, (EntityId, EntityId)>,
    /// Whether two entities of a pair are near enough in time and strong enough: from, to, lag, least evidence.
    pub fits: fn(&Weighed, &Weighed, i64, Milli) -> bool,
}

/// Whether a fault passes along a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depends {
    /// From `to` to `from`.
    OnTo,
    /// It says nothing about direction.
    Neither,
}

/// What a relation sees.
pub struct View<'scope> {
    /// Every entity with evidence.
    pub weighed: Rows<'scope, (EntityId, Weighed)>,
    /// What signals stated, once each.
    pub stated: Rows<'scope, (EntityId, Stated)>,
}

impl<'scope> View<'scope> {
    /// The pairs of a stated relation.
    pub fn stated(&self, relation: schemas::Relation) -> Rows<'scope, (EntityId, EntityId)> {
        let wanted = relation as u8;
        self.stated.clone().flat_map(move |(from, stated)| (stated.relation == wanted).then_some((from, stated.to)))
    }
}

/// Both have evidence of their own, and the departures of one come within the lag of the other's.
pub fn near(from: &Weighed, to: &Weighed, lag: i64, join: Milli) -> bool {
    let gap = (from.first.max(to.first) - from.last.min(to.last)).max(0);
    from.weight >= join && to.weight >= join && gap <= lag
}

/// Links each of a crowd to the one before it in time, so that a crowd of n costs n links.
pub fn chain(crowd: &[(i64, EntityId)]) -> impl Iterator<Item = (EntityId, EntityId)> {
    crowd.windows(2).map(|pair| (pair[1].1, pair[0].1))
}

/// Fewest entities that make a crowd: two may be chance.
pub const CROWD: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_listed_alphabetically_and_say_what_they_are() {
        assert!(ALL.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(ALL.iter().all(|kind| kind.doc.ends_with('.') && !(kind.clause)(EntityKind::Workload).is_empty()));
    }

    #[test]
    fn two_departures_are_near_when_one_begins_within_the_lag_of_the_other() {
        let at = |first, last| Weighed { weight: 2000, first, last, changed: 0 };
        assert!(near(&at(100, 900), &at(950, 990), 50, 1000));
        assert!(!near(&at(100, 900), &at(951, 990), 50, 1000));
        assert!(near(&at(100, 900), &at(500, 600), 0, 1000));
        assert!(!near(&at(100, 900), &at(500, 600), 0, 2001));
    }
}
