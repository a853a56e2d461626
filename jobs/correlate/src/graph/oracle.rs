//! The same queries, slow and obvious: what the dataflow must hold for a set of live rows.

use super::{Evidence, Label, Link, Rules, Stated, Weighed};
use crate::entity::EntityId;
use crate::evidence;
use crate::relations::{self, CROWD};
use schemas::Relation;
use std::collections::{BTreeMap, BTreeSet};

/// Links and the group of each entity.
pub fn expected(
    evidence: &[(EntityId, Evidence)],
    stated: &[(EntityId, Stated)],
    rules: &Rules,
) -> (BTreeSet<Link>, BTreeSet<(EntityId, Label)>) {
    let entities: BTreeSet<EntityId> = evidence.iter().map(|(entity, _)| *entity).collect();
    let weighed: BTreeMap<EntityId, Weighed> =
        entities.into_iter().map(|entity| (entity, weigh(entity, evidence, rules))).collect();
    let mut links = BTreeSet::new();
    for (index, kind) in relations::ALL.iter().enumerate() {
        for (from, to) in pairs(kind.name, stated, &weighed) {
            let (Some(of_from), Some(of_to)) = (weighed.get(&from), weighed.get(&to)) else { continue };
            if from != to && (kind.fits)(of_from, of_to, (kind.lag)(&rules.lags), rules.join) {
                links.insert((from, to, index as u8));
            }
        }
    }
    let degree = |entity: EntityId| links.iter().filter(|(from, to, _)| *from == entity || *to == entity).count();
    let is_hub =
        |entity: EntityId| degree(entity) as isize > rules.hub_degree && weighed[&entity].weight < rules.hub_evidence;
    let hubs: BTreeSet<EntityId> = weighed.keys().copied().filter(|entity| is_hub(*entity)).collect();
    let links: BTreeSet<Link> =
        links.into_iter().filter(|(from, to, _)| !hubs.contains(from) && !hubs.contains(to)).collect();
    let groups = groups(&links, &weighed, rules);
    (links, groups)
}

fn weigh(entity: EntityId, evidence: &[(EntityId, Evidence)], rules: &Rules) -> Weighed {
    let own: Vec<&Evidence> = evidence.iter().filter(|(of, _)| *of == entity).map(|(_, piece)| piece).collect();
    let changes = own.iter().filter(|piece| piece.family == evidence::CHANGE);
    let changed = changes.map(|piece| piece.onset).max().unwrap_or(0);
    let others: Vec<_> = own.iter().filter(|piece| piece.family != evidence::CHANGE).collect();
    let families: BTreeSet<u8> = others.iter().map(|piece| piece.family).collect();
    let strongest = |family| others.iter().filter(|p| p.family == family).map(|p| p.strength).max().unwrap_or(0);
    let onsets = |all: &mut dyn Iterator<Item = i64>| {
        let all: Vec<i64> = all.collect();
        (all.iter().copied().min().unwrap_or(0), all.iter().copied().max().unwrap_or(0))
    };
    let (first, last) = if others.is_empty() {
        onsets(&mut own.iter().map(|piece| piece.onset))
    } else {
        onsets(&mut others.iter().map(|piece| piece.onset))
    };
    let weight = families.into_iter().map(|family| rules.contribution(family, strongest(family))).sum();
    Weighed { weight, first, last, changed }
}

fn pairs(
    relation: &str,
    stated: &[(EntityId, Stated)],
    weighed: &BTreeMap<EntityId, Weighed>,
) -> BTreeSet<(EntityId, EntityId)> {
    let of = |wanted: Relation| -> BTreeSet<(EntityId, EntityId)> {
        stated.iter().filter(|(_, s)| s.relation == wanted as u8).map(|(from, s)| (*from, s.to)).collect()
    };
    let crowds = |members: BTreeSet<(EntityId, EntityId)>, at: fn(&Weighed) -> i64| {
        let centres: BTreeSet<EntityId> = members.iter().map(|(_, centre)| *centre).collect();
        let mut found = BTreeSet::new();
        for centre in centres {
            let around = members.iter().filter(|(_, other)| *other == centre).map(|(member, _)| *member);
            let mut crowd: Vec<_> = around.filter_map(|member| Some((at(weighed.get(&member)?), member))).collect();
            crowd.sort();
            if crowd.len() >= CROWD {
                found.extend(crowd.windows(2).map(|pair| (pair[1].1, pair[0].1)));
            }
        }
        found
    };
    match relation {
        "acts_from" => of(Relation::ActsFrom),
        "calls" | "change" => of(Relation::Calls),
        "grants" => of(Relation::Grants),
        "same_node" => &of(Relation::RunsOn) | &crowds(of(Relation::RunsOn), |weighed| weighed.first),
        "same_owner" => of(Relation::PartOf),
        "same_rollout" => crowds(of(Relation::ChangedBy), |weighed| weighed.changed),
        other => panic!("the relation {other} has no oracle"),
    }
}

fn groups(links: &BTreeSet<Link>, weighed: &BTreeMap<EntityId, Weighed>, rules: &Rules) -> BTreeSet<(EntityId, Label)> {
    let beside = |entity: EntityId| {
        links.iter().filter_map(move |(from, to, _)| match entity {
            e if e == *from => Some(*to),
            e if e == *to => Some(*from),
            _ => None,
        })
    };
    let around = |near: &BTreeSet<EntityId>| -> BTreeSet<EntityId> {
        near.iter().copied().chain(near.iter().flat_map(|entity| beside(*entity))).collect()
    };
    let seeds: BTreeSet<EntityId> =
        weighed.iter().filter(|(_, w)| w.weight >= rules.seed).map(|(entity, _)| *entity).collect();
    let inner = around(&around(&seeds));
    let all = around(&inner);
    let mut groups = BTreeSet::new();
    let mut left = all;
    while let Some(first) = left.pop_first() {
        let (mut group, mut next) = (BTreeSet::from([first]), vec![first]);
        while let Some(entity) = next.pop() {
            for other in beside(entity) {
                // An edge is followed where one of its ends is near a seed.
                if (inner.contains(&entity) || inner.contains(&other)) && left.remove(&other) {
                    group.insert(other);
                    next.push(other);
                }
            }
        }
        let label = group.iter().map(|entity| (weighed[entity].first, *entity)).min().expect("a group has members");
        groups.extend(group.into_iter().map(|entity| (entity, label)));
    }
    groups
}
