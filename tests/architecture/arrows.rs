//! Who may import whom among the workspace's own crates.
//!
//! Invariant: `bellbuoy` → jobs → `engine` → `topics` → `schemas`, downwards only; jobs never import each other, not
//! even in their tests; `loadtest`, `estate` and `tests` may import anything. `rig`, which starts real parts for tests,
//! imports nothing of ours, and nothing that ships imports it. The stand-in for a library's dependency is imported by
//! that library alone, and imports nothing but serde.

use crate::workspace::Crate;

/// The jobs, in the order data meets them.
pub const JOBS: [&str; 8] = ["observe", "ingest", "detect", "correlate", "remediate", "actuate", "notify", "backtest"];

/// Patched in for a crate whose licence is not on the list; serde_avro_fast asks for it, we never do.
const STAND_IN: &str = "serde_serializer_quick_unsupported";

/// A crate's place in the picture; arrows go from a later place to an earlier one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Place {
    /// Below everything, and out of sight of everything that is ours.
    StandIn,
    /// The real parts beside which tests run; it knows nothing of what is tested.
    Rig,
    Schemas,
    Topics,
    Engine,
    Job,
    /// The generated estate, which the binary's demo shows and the tests of any job may use.
    Estate,
    Binary,
    /// Load tests and tests across crates.
    Proof,
}

/// One line for each arrow that points up or sideways, and each crate without a place.
pub fn offences(crates: &[Crate]) -> Vec<String> {
    let mut found = Vec::new();
    for from in crates {
        let Some(here) = place(&from.name) else {
            found.push(format!(
                "{}: has no place in the layout; give it one in tests/architecture/arrows.rs",
                from.name
            ));
            continue;
        };
        for need in &from.needs {
            if here == Place::StandIn && need.name != "serde" {
                found.push(format!("{} → {}: a stand-in needs serde alone", from.name, need.name));
                continue;
            }
            // A dependency without a place is not ours: the guarded libraries and licences judge it.
            let Some(there) = place(&need.name).filter(|_| crates.iter().any(|ours| ours.name == need.name)) else {
                continue;
            };
            if from.name != need.name && !allowed(here, there, need.tests_only) {
                found.push(format!("{} → {}: {}", from.name, need.name, reason(here, there)));
            }
        }
    }
    found
}

fn place(name: &str) -> Option<Place> {
    match name {
        STAND_IN => Some(Place::StandIn),
        "rig" => Some(Place::Rig),
        "schemas" => Some(Place::Schemas),
        "topics" => Some(Place::Topics),
        "engine" => Some(Place::Engine),
        "estate" => Some(Place::Estate),
        "bellbuoy" => Some(Place::Binary),
        "loadtest" | "tests" => Some(Place::Proof),
        job if JOBS.contains(&job) => Some(Place::Job),
        _ => None,
    }
}

fn allowed(from: Place, to: Place, tests_only: bool) -> bool {
    match (from, to) {
        (_, Place::StandIn) => false,
        (_, Place::Rig) => tests_only || from == Place::Proof,
        (Place::Proof | Place::Estate, _) => true,
        (_, Place::Estate) => tests_only || from > to,
        _ => from > to,
    }
}

fn reason(from: Place, to: Place) -> &'static str {
    match (from, to) {
        (_, Place::StandIn) => "the stand-in is for the library that asks for it, not for us",
        (Place::Job, Place::Job) => "jobs never import each other; they meet in topics",
        (Place::Rig, _) => "the rig knows nothing of what is tested with it",
        (_, Place::Rig) => "the rig is for tests; nothing that ships imports it",
        (_, Place::Estate) => "only the binary ships the generated estate; elsewhere it is for tests",
        (_, Place::Proof) => "nothing that ships imports what proves it",
        _ => "arrows point down only: bellbuoy → jobs → engine → topics → schemas",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Need;

    fn workspace(arrows: &[(&str, &str, bool)]) -> Vec<Crate> {
        let names = [
            STAND_IN, "rig", "schemas", "topics", "engine", "ingest", "detect", "estate", "bellbuoy", "loadtest",
            "tests",
        ];
        let needs = |name: &str| {
            let own = arrows.iter().filter(|(from, ..)| *from == name);
            own.map(|(_, to, tests_only)| Need { name: to.to_string(), tests_only: *tests_only }).collect()
        };
        names.map(|name| Crate { name: name.to_owned(), needs: needs(name) }).into()
    }

    #[test]
    fn downward_arrows_may_skip_a_place() {
        let down = [
            ("bellbuoy", "detect", false),
            ("bellbuoy", "schemas", false),
            ("bellbuoy", "estate", false),
            ("detect", "engine", false),
            ("engine", "topics", false),
            ("topics", "schemas", false),
            ("tests", "bellbuoy", false),
            ("loadtest", "engine", false),
            ("estate", "schemas", false),
            ("ingest", "estate", true),
            (STAND_IN, "serde", false),
            ("tests", "rig", false),
            ("loadtest", "rig", false),
            ("engine", "rig", true),
        ];
        assert_eq!(offences(&workspace(&down)), Vec::<String>::new());
    }

    #[test]
    fn a_job_that_imports_a_job_is_an_offence_even_in_tests() {
        for tests_only in [false, true] {
            let found = offences(&workspace(&[("detect", "ingest", tests_only)]));
            assert_eq!(found, ["detect → ingest: jobs never import each other; they meet in topics"]);
        }
    }

    #[test]
    fn an_arrow_that_points_up_is_an_offence() {
        let up = [
            ("schemas", "topics", false),
            ("engine", "detect", false),
            ("ingest", "bellbuoy", true),
            ("ingest", "estate", false),
            ("bellbuoy", "loadtest", true),
            ("engine", "tests", false),
        ];
        assert_eq!(offences(&workspace(&up)).len(), up.len());
    }

    #[test]
    fn the_stand_in_needs_serde_alone_and_nobody_of_ours_needs_it() {
        let odd = [
            (STAND_IN, "schemas", false),
            (STAND_IN, "thiserror", true),
            ("schemas", STAND_IN, false),
            ("tests", STAND_IN, true),
        ];
        assert_eq!(offences(&workspace(&odd)).len(), odd.len());
    }

    #[test]
    fn the_rig_knows_nothing_of_ours_and_nothing_that_ships_knows_it() {
        let odd =
            [("rig", "schemas", false), ("rig", "engine", true), ("engine", "rig", false), ("estate", "rig", false)];
        assert_eq!(offences(&workspace(&odd)).len(), odd.len());
    }

    #[test]
    fn a_crate_without_a_place_is_an_offence() {
        let stray = [Crate { name: "helpers".to_owned(), needs: Vec::new() }];
        assert!(offences(&stray)[0].starts_with("helpers: has no place in the layout"));
    }
}
