//! Libraries that only their owner may use, so that what they bring stays in one place.
//!
//! Invariant: outside tests, the log and the disk are reached through `engine` alone, differential dataflow through
//! `correlate`, the cluster through `observe` and `actuate`, timely through `engine` and the jobs.

use crate::arrows::JOBS;
use crate::workspace::Crate;

/// One line for each guarded library used by a crate that does not own it.
pub fn offences(crates: &[Crate]) -> Vec<String> {
    let mut found = Vec::new();
    for user in crates.iter().filter(|user| !proves(&user.name)) {
        for need in user.needs.iter().filter(|need| !need.tests_only) {
            if let Some(owners) = owners(&need.name).filter(|owners| !owners.contains(&user.name.as_str())) {
                found.push(format!("{} → {}: only {} may use it", user.name, need.name, owners.join(", ")));
            }
        }
    }
    found
}

fn proves(name: &str) -> bool {
    ["loadtest", "estate", "tests"].contains(&name)
}

fn owners(library: &str) -> Option<Vec<&'static str>> {
    match library {
        "rdkafka" | "rdkafka-sys" | "rocksdb" | "librocksdb-sys" | "object_store" => Some(vec!["engine"]),
        "differential-dataflow" => Some(vec!["correlate"]),
        "timely" => Some(["engine"].into_iter().chain(JOBS).collect()),
        "k8s-openapi" | "kube" => Some(vec!["observe", "actuate"]),
        part if part.starts_with("kube-") => Some(vec!["observe", "actuate"]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Need;

    fn user(name: &str, library: &str, tests_only: bool) -> Vec<Crate> {
        vec![Crate { name: name.to_owned(), needs: vec![Need { name: library.to_owned(), tests_only }] }]
    }

    #[test]
    fn owners_tests_and_the_proving_crates_may_use_them() {
        for (name, library, tests_only) in [
            ("engine", "rocksdb", false),
            ("correlate", "differential-dataflow", false),
            ("actuate", "kube", false),
            ("detect", "timely", false),
            ("ingest", "rocksdb", true),
            ("loadtest", "rdkafka", false),
            ("tests", "kube-client", false),
            ("bellbuoy", "serde", false),
        ] {
            assert_eq!(offences(&user(name, library, tests_only)), Vec::<String>::new(), "{name} → {library}");
        }
    }

    #[test]
    fn anybody_else_is_an_offence() {
        for (name, library) in [
            ("detect", "rdkafka"),
            ("bellbuoy", "rocksdb"),
            ("ingest", "object_store"),
            ("detect", "differential-dataflow"),
            ("engine", "differential-dataflow"),
            ("remediate", "kube-runtime"),
            ("schemas", "timely"),
            ("bellbuoy", "timely"),
        ] {
            let found = offences(&user(name, library, false));
            assert_eq!(found.len(), 1, "{name} → {library}");
            assert!(found[0].starts_with(&format!("{name} → {library}: only ")), "{}", found[0]);
        }
    }
}
