//! The dataflow against the oracle: whatever comes and goes, it holds what the live rows say.

use super::oracle::expected;
use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Entities of a test; few, so that they meet.
const ENTITIES: u64 = 9;
const MINUTE: i64 = 60_000;
const START: i64 = 1_000 * MINUTE;

/// What the changes of all rounds add up to.
#[derive(Default, Debug, PartialEq, Eq)]
struct Held {
    links: BTreeMap<Link, isize>,
    groups: BTreeMap<(EntityId, Label), isize>,
}

impl Held {
    fn take(&mut self, changes: &Changes) {
        for (link, diff) in &changes.links {
            *self.links.entry(*link).or_default() += diff;
        }
        for (group, diff) in &changes.groups {
            *self.groups.entry(*group).or_default() += diff;
        }
        self.links.retain(|_, count| *count != 0);
        self.groups.retain(|_, count| *count != 0);
    }

    fn assert_holds(&self, live: &[Row], rules: &Rules) {
        let (mut evidence, mut stated) = (Vec::new(), Vec::new());
        for row in live {
            match row {
                Row::Evidence(entity, piece) => evidence.push((*entity, *piece)),
                Row::Stated(entity, other) => stated.push((*entity, *other)),
            }
        }
        let (links, groups) = expected(&evidence, &stated, rules);
        assert_eq!(self.links.keys().copied().collect::<BTreeSet<_>>(), links);
        assert_eq!(self.groups.keys().copied().collect::<BTreeSet<_>>(), groups);
        assert!(self.links.values().chain(self.groups.values()).all(|count| *count == 1));
    }
}

fn config() -> Config {
    let mut config = Config::default();
    // So low that small tests meet it.
    config.lifecycle.hub_degree = 4;
    config
}

fn row() -> impl Strategy<Value = Row> {
    let entity = || 1..=ENTITIES;
    let evidence = (entity(), 0u8..10, 0i64..9, 0i64..24).prop_map(|(entity, family, strength, at)| {
        Row::Evidence(entity, Evidence { family, strength: strength * 1000, onset: START + at * MINUTE })
    });
    let stated =
        (entity(), 0u8..7, entity()).prop_map(|(entity, relation, to)| Row::Stated(entity, Stated { relation, to }));
    prop_oneof![evidence, stated]
}

/// Rounds of rows that come, and of positions among the live ones that go.
fn story() -> impl Strategy<Value = Vec<(Vec<Row>, Vec<usize>)>> {
    prop::collection::vec((prop::collection::vec(row(), 0..12), prop::collection::vec(0usize..40, 0..6)), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn it_holds_what_the_live_rows_say_after_every_round_and_after_a_restart(story in story(), crash in 0usize..12) {
        let config = config();
        let rules = Rules::new(&config);
        let mut graph = Graph::new(&config);
        let (mut live, mut held): (Vec<Row>, Held) = Default::default();
        for (number, (come, go)) in story.into_iter().enumerate() {
            let round = START + number as i64 * 250;
            let mut rows: Vec<(Row, isize)> = Vec::new();
            for at in go.into_iter().filter(|_| !live.is_empty()).collect::<Vec<_>>() {
                if !live.is_empty() {
                    rows.push((live.remove(at % live.len()), -1));
                }
            }
            rows.extend(come.iter().map(|row| (*row, 1)));
            live.extend(come);
            held.take(&graph.advance(round, rows));
            held.assert_holds(&live, &rules);
            if number == crash {
                graph = Graph::new(&config);
                let mut again = Held::default();
                again.take(&graph.advance(round, live.iter().map(|row| (*row, 1))));
                prop_assert_eq!(&again, &held);
            }
        }
    }

    #[test]
    fn taking_everything_back_leaves_nothing(rows in prop::collection::vec(row(), 1..40)) {
        let mut graph = Graph::new(&config());
        let mut held = Held::default();
        held.take(&graph.advance(START, rows.iter().map(|row| (*row, 1))));
        held.take(&graph.advance(START + 250, rows.iter().map(|row| (*row, -1))));
        prop_assert_eq!(held, Held::default());
    }
}

fn evidence(entity: EntityId, strength: Milli, minute: i64) -> Row {
    Row::Evidence(entity, Evidence { family: 2, strength, onset: START + minute * MINUTE })
}

fn calls(from: EntityId, to: EntityId) -> Row {
    Row::Stated(from, Stated { relation: schemas::Relation::Calls as u8, to })
}

fn groups_of(rows: &[Row]) -> BTreeMap<EntityId, Label> {
    let changes = Graph::new(&Config::default()).advance(START, rows.iter().map(|row| (*row, 1)));
    changes.groups.into_iter().map(|(group, _)| group).collect()
}

#[test]
fn a_group_reaches_three_links_from_a_seed_and_no_further() {
    let mut rows = vec![evidence(1, 8000, 0)];
    for entity in 2..=6 {
        rows.extend([evidence(entity, 3500, 0), calls(entity, entity - 1)]);
    }
    let groups = groups_of(&rows);
    assert_eq!(groups.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(groups.values().all(|label| *label == (START, 1)));
}

#[test]
fn weak_evidence_is_no_group_and_late_evidence_no_link() {
    assert_eq!(groups_of(&[evidence(1, 4000, 0)]), BTreeMap::new());
    let late = groups_of(&[evidence(1, 8000, 0), evidence(2, 8000, 6), calls(2, 1)]);
    assert_ne!(late[&1], late[&2], "calls link within five minutes");
}

#[test]
fn two_on_a_node_are_chance_three_are_a_crowd_and_the_node_itself_is_a_reason() {
    let on = |entity| Row::Stated(entity, Stated { relation: schemas::Relation::RunsOn as u8, to: 9 });
    let crowd = |entities: &[EntityId]| -> Vec<Row> {
        entities.iter().flat_map(|entity| [evidence(*entity, 6000, 0), on(*entity)]).collect()
    };
    let distinct = |rows: &[Row]| groups_of(rows).into_values().collect::<BTreeSet<_>>().len();
    assert_eq!(distinct(&crowd(&[1, 2])), 2);
    assert_eq!(distinct(&crowd(&[1, 2, 3])), 1);
    let mut with_node = crowd(&[1, 2]);
    with_node.push(evidence(9, 6000, 0));
    assert_eq!(distinct(&with_node), 1);
}

#[test]
fn a_hub_links_only_when_something_is_wrong_with_it_itself() {
    let star = |hub: Milli| {
        let mut config = Config::default();
        config.lifecycle.hub_degree = 3;
        let mut rows = vec![evidence(9, hub, 0)];
        rows.extend((1..=5).flat_map(|entity| [evidence(entity, 6000, 0), calls(entity, 9)]));
        let changes = Graph::new(&config).advance(START, rows.into_iter().map(|row| (row, 1)));
        changes.groups.iter().map(|((_, label), _)| *label).collect::<BTreeSet<_>>().len()
    };
    assert_eq!(star(3_500), 5);
    assert_eq!(star(6_000), 1);
}
