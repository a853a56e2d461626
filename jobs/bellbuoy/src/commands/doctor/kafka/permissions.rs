//! What the cluster allowed of what a run does, and the line that would allow the rest.

use super::faults::some;
use super::{Expected, Findings, Verdict};
use engine::log::kafka::inspect::{Inspection, Operation, Outcome, Resource, Trial};

/// The name of these findings.
pub(in super::super) const PERMISSIONS: &str = "permissions";
/// The beginning of everything of ours that has a name of its own.
const OURS: &str = "bellbuoy.";
/// The end of the transactional ids that are tried.
const DOCTOR: &str = "doctor";

/// A permission, as wide as it should be given.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Permission {
    operation: Operation,
    /// In the words of `kafka-acls.sh`.
    on: String,
}

pub(super) fn judge(seen: &Inspection, expected: &Expected, findings: &mut Findings) {
    let mut denied: Vec<(Permission, Verdict, &str, Vec<String>)> = Vec::new();
    let mut worked = 0;
    for trial in &seen.trials {
        match &trial.outcome {
            Outcome::Worked => worked += 1,
            Outcome::Failed(said) => {
                let tried = format!("{:?} {}: {said}", trial.operation, place(&trial.resource));
                match weight(trial, seen, expected) {
                    Verdict::Fail => {
                        findings.fail("calls", tried, "a run would meet the same: see what the cluster says")
                    }
                    _ => findings.warn("calls", tried, "see what the cluster says; a run may never ask for it"),
                }
            }
            Outcome::Denied(said) => {
                let permission =
                    Permission { operation: trial.operation, on: pattern(&trial.resource, &expected.prefix) };
                let place = place(&trial.resource);
                match denied.iter_mut().find(|(known, ..)| *known == permission) {
                    Some((_, worst, _, places)) => {
                        if weight(trial, seen, expected) == Verdict::Fail {
                            *worst = Verdict::Fail;
                        }
                        if !places.contains(&place) {
                            places.push(place);
                        }
                    }
                    None => denied.push((permission, weight(trial, seen, expected), said, vec![place])),
                }
            }
        }
    }
    if denied.is_empty() {
        findings.ok(PERMISSIONS, allowed(seen, worked));
    }
    for (permission, verdict, said, places) in denied {
        let seen = format!("no {:?} on {}: {said}", permission.operation, some(&places));
        let advice = format!("{}`{}`", otherwise(&permission, &places), line(&permission, expected));
        match verdict {
            Verdict::Fail => findings.fail(PERMISSIONS, seen, &advice),
            _ => findings.warn(PERMISSIONS, seen, &advice),
        }
    }
}

/// Whether a run would stop at it.
fn weight(trial: &Trial, seen: &Inspection, expected: &Expected) -> Verdict {
    let needed = match (trial.operation, &trial.resource) {
        // Seen by doctor alone.
        (_, Resource::Cluster) => false,
        (Operation::Create, Resource::Topic(name)) => expected.missing(seen).any(|missing| missing == name),
        // `topics apply` alone; a topic that doctor made and may not remove is told, and in nobody's way.
        (Operation::AlterConfigs | Operation::Delete, _) => false,
        _ => true,
    };
    if needed { Verdict::Fail } else { Verdict::Warn }
}

fn allowed(seen: &Inspection, worked: usize) -> String {
    // Shown only where settings are; empty where there is no authorizer.
    let mut shown = seen.brokers.iter().map(|broker| broker.settings.get("authorizer.class.name"));
    let open = !seen.brokers.is_empty() && shown.all(|class| class.is_some_and(String::is_empty));
    let open = if open { "; the cluster has no authorizer: everybody may do everything" } else { "" };
    format!("{worked} calls tried, all allowed; writing was tried on a topic of its own{open}")
}

/// What can be done instead, or has to be done besides.
fn otherwise(permission: &Permission, places: &[String]) -> String {
    match permission.operation {
        Operation::Delete => format!("remove {} yourself, which doctor made, and ", some(places)),
        Operation::Create => "have its owner create it, or ".to_owned(),
        _ => String::new(),
    }
}

/// The line that gives a permission.
fn line(permission: &Permission, expected: &Expected) -> String {
    let Permission { operation, on } = permission;
    let (servers, user) = (&expected.bootstrap, expected.user.as_deref().unwrap_or("NAME"));
    format!(
        "kafka-acls.sh --bootstrap-server {servers} --add --allow-principal User:{user} --operation {operation:?} {on}"
    )
}

/// As wide as it is sensibly given: by the beginning of our names, by the whole name of other people's topics.
fn pattern(resource: &Resource, prefix: &str) -> String {
    let (option, name) = match resource {
        Resource::Cluster => return "--cluster".to_owned(),
        Resource::Topic(name) => ("--topic", name),
        Resource::Group(name) => ("--group", name),
        Resource::TransactionalId(name) => ("--transactional-id", name),
    };
    let beginning = match resource {
        _ if !prefix.is_empty() => prefix,
        Resource::TransactionalId(name) => name.strip_suffix(DOCTOR).unwrap_or(name),
        _ if name.starts_with(OURS) => OURS,
        _ => return format!("{option} {name}"),
    };
    format!("{option} {beginning} --resource-pattern-type prefixed")
}

fn place(resource: &Resource) -> String {
    match resource {
        Resource::Cluster => "the cluster".to_owned(),
        Resource::Topic(name) => format!("topic {name}"),
        Resource::Group(name) => format!("group {name}"),
        Resource::TransactionalId(name) => format!("transactional id {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expected, good, one, told, told_against};
    use super::*;

    fn with(operation: Operation, resources: &[Resource], outcome: &Outcome) -> Inspection {
        let mut seen = good();
        let trial = |resource: &Resource| Trial { operation, resource: resource.clone(), outcome: outcome.clone() };
        seen.trials.extend(resources.iter().map(trial));
        seen
    }

    fn topic(name: &str) -> Resource {
        Resource::Topic(name.to_owned())
    }

    fn denied() -> Outcome {
        Outcome::Denied("said so".to_owned())
    }

    #[test]
    fn a_permission_that_is_missing_comes_with_the_line_that_gives_it() {
        let seen = with(Operation::Read, &["bellbuoy.a", "bellbuoy.b"].map(topic), &denied());
        let user = Expected { user: Some("buoy".to_owned()), ..expected() };
        let told = told_against(&seen, &user);
        assert_eq!(told.len(), 1, "{told:#?}");
        assert_eq!(told[0].verdict, Verdict::Fail);
        assert_eq!(told[0].seen, "no Read on topic bellbuoy.a, topic bellbuoy.b: said so");
        assert_eq!(
            told[0].advice,
            "`kafka-acls.sh --bootstrap-server b:9092 --add --allow-principal User:buoy --operation Read --topic bellbuoy. \
             --resource-pattern-type prefixed`"
        );
    }

    #[test]
    fn permissions_are_asked_for_as_wide_as_names_are_ours() {
        let on = |resource| told(&with(Operation::Write, &[resource], &denied())).remove(0).advice;
        assert!(on(topic("k8s-audit")).ends_with("--operation Write --topic k8s-audit`"));
        let id = Resource::TransactionalId("detect-doctor".to_owned());
        assert!(on(id).ends_with("--transactional-id detect- --resource-pattern-type prefixed`"));
        let group = Resource::Group("bellbuoy.detect".to_owned());
        assert!(on(group).ends_with("--group bellbuoy. --resource-pattern-type prefixed`"));
        assert!(on(Resource::Cluster).ends_with("--operation Write --cluster`"));

        let harbour = Expected { prefix: "harbour.".to_owned(), ..expected() };
        let seen = with(Operation::Write, &[topic("harbour.k8s-audit")], &denied());
        let told = told_against(&seen, &harbour).remove(0).advice;
        assert!(told.ends_with("--topic harbour. --resource-pattern-type prefixed`"), "{told}");
    }

    #[test]
    fn only_what_a_run_needs_stops() {
        let verdict = |operation, resource| one(&with(operation, &[resource], &denied())).0;
        assert_eq!(verdict(Operation::DescribeConfigs, topic("bellbuoy.a")), Verdict::Fail);
        assert_eq!(verdict(Operation::DescribeConfigs, Resource::Cluster), Verdict::Warn);
        assert_eq!(verdict(Operation::AlterConfigs, topic("bellbuoy.a")), Verdict::Warn);
        assert_eq!(verdict(Operation::Create, topic("bellbuoy.doctor-1-2")), Verdict::Warn);
        let mut seen = with(Operation::Create, &["bellbuoy.doctor-1-2", "bellbuoy.signals.v1"].map(topic), &denied());
        seen.topics.retain(|topic| topic.name != "bellbuoy.signals.v1");
        assert_eq!(one(&seen).0, Verdict::Fail, "one is missing and cannot be made");
    }

    #[test]
    fn what_fails_without_being_forbidden_is_told_in_the_clusters_words() {
        let (verdict, seen) = one(&with(
            Operation::Write,
            &[Resource::TransactionalId("ingest-doctor".to_owned())],
            &Outcome::Failed("no coordinator".to_owned()),
        ));
        assert_eq!((verdict, seen.as_str()), (Verdict::Fail, "Write transactional id ingest-doctor: no coordinator"));
    }

    #[test]
    fn that_everybody_may_do_everything_is_said_only_where_it_shows() {
        let mut seen = good();
        assert!(!allowed(&seen, 1).contains("authorizer"));
        for broker in &mut seen.brokers {
            broker.settings.insert("authorizer.class.name".to_owned(), String::new());
        }
        assert!(allowed(&seen, 1).contains("no authorizer"));
    }
}
