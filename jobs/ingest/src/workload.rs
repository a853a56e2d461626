//! From a pod to its workload: explicit names first, then what the source says, then the pod's own name.
//!
//! Invariant: a name is cut only where the rest matches the alphabets Kubernetes generates from. A bare
//! `-[a-z0-9]+` suffix is never cut, because it eats real names.

use schemas::{Confidence, Entity, EntityKind, Text};

/// Names of a pod's controllers, as a resource or a flow gives them; empty where unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Owners<'a> {
    /// CronJob.
    pub cronjob: &'a str,
    /// Job.
    pub job: &'a str,
    /// Deployment.
    pub deployment: &'a str,
    /// StatefulSet.
    pub statefulset: &'a str,
    /// DaemonSet.
    pub daemonset: &'a str,
    /// ReplicaSet.
    pub replicaset: &'a str,
}

/// A workload and how sure it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Kubernetes kind; empty where the pattern does not tell.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// How sure.
    pub confidence: Confidence,
}

impl Workload {
    /// The entity of this workload in a namespace.
    pub fn entity(&self, namespace: &str) -> Entity<'static> {
        entity(EntityKind::Workload, namespace, self.kind, &self.name)
    }
}

/// An entity whose key stays unambiguous whatever the payload puts into its parts.
pub fn entity(kind: EntityKind, namespace: &str, workload_kind: &'static str, name: &str) -> Entity<'static> {
    Entity {
        kind,
        // The key joins its parts by `/`; only its last part, the name, may hold one.
        namespace: Text::from(namespace.replace('/', "_")),
        workload_kind: Text::from(workload_kind),
        name: Text::from(name.to_owned()),
    }
}

/// Resolves by explicit names; a CronJob wins over its Job, and a Deployment over its ReplicaSet.
pub fn from_owners(owners: &Owners<'_>) -> Option<Workload> {
    let named = [
        ("CronJob", owners.cronjob),
        ("Job", owners.job),
        ("Deployment", owners.deployment),
        ("StatefulSet", owners.statefulset),
        ("DaemonSet", owners.daemonset),
        ("ReplicaSet", owners.replicaset),
    ];
    let (kind, name) = named.into_iter().find(|(_, name)| !name.is_empty())?;
    from_owner(kind, name)
}

/// Resolves one owner; a ReplicaSet or Job that carries a generated name belongs to its Deployment or CronJob.
pub fn from_owner(kind: &str, name: &str) -> Option<Workload> {
    if name.is_empty() {
        return None;
    }
    let parent = match kind {
        "ReplicaSet" => {
            split_last(name).filter(|(_, hash)| is_template_hash(hash)).map(|(base, _)| ("Deployment", base))
        }
        "Job" => split_last(name).filter(|(_, stamp)| is_minute_stamp(stamp)).map(|(base, _)| ("CronJob", base)),
        _ => None,
    };
    if let Some((kind, base)) = parent {
        return Some(Workload { kind, name: base.to_owned(), confidence: for_length(Confidence::High, name) });
    }
    Some(Workload { kind: known_kind(kind), name: name.to_owned(), confidence: Confidence::High })
}

/// Resolves by the pod's name; `node` is the node it runs on, or empty.
pub fn from_pod_name(pod: &str, node: &str) -> Option<Workload> {
    if pod.is_empty() {
        return None;
    }
    let found = |kind, base: &str, confidence| {
        Some(Workload { kind, name: base.to_owned(), confidence: for_length(confidence, pod) })
    };
    if let Some(base) = pod.strip_suffix(node).and_then(|rest| rest.strip_suffix('-'))
        && !node.is_empty()
        && !base.is_empty()
    {
        return found("Pod", base, Confidence::High);
    }
    if let Some((rest, last)) = split_last(pod) {
        if is_random_suffix(last)
            && let Some((base, middle)) = split_last(rest)
        {
            if is_template_hash(middle) {
                return found("Deployment", base, Confidence::High);
            }
            if is_minute_stamp(middle) {
                return found("CronJob", base, Confidence::High);
            }
        }
        if is_ordinal(last) {
            return found("StatefulSet", rest, Confidence::Medium);
        }
        if is_random_suffix(last) {
            return found("", rest, Confidence::Low);
        }
    }
    found("Pod", pod, Confidence::Medium)
}

/// Names of kinds that appear in keys; an unknown kind is left empty rather than trusted.
pub(crate) fn known_kind(kind: &str) -> &'static str {
    const KINDS: [&str; 10] = [
        "CloneSet",
        "CronJob",
        "DaemonSet",
        "Deployment",
        "Job",
        "Pod",
        "ReplicaSet",
        "ReplicationController",
        "Rollout",
        "StatefulSet",
    ];
    KINDS.into_iter().find(|known| *known == kind).unwrap_or("")
}

/// A pod name of 63 characters may have lost the end of its base, so the base is less sure.
fn for_length(confidence: Confidence, name: &str) -> Confidence {
    match confidence {
        Confidence::High if name.len() >= 63 => Confidence::Medium,
        Confidence::Medium if name.len() >= 63 => Confidence::Low,
        other => other,
    }
}

/// Splits at the last dash, with something on both sides.
fn split_last(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('-').filter(|(base, last)| !base.is_empty() && !last.is_empty())
}

/// A pod template hash: the decimal digits of a 32-bit sum, written in the letters they are encoded to.
fn is_template_hash(text: &str) -> bool {
    (8..=10).contains(&text.len()) && text.bytes().all(|byte| b"456789bcdf".contains(&byte))
}

/// The five characters a controller appends to a generated name: no vowels, no digits that look like letters.
fn is_random_suffix(text: &str) -> bool {
    text.len() == 5 && text.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte))
}

/// The minute since the epoch that a CronJob puts into its Jobs' names.
fn is_minute_stamp(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0')
}

/// The number of a StatefulSet's pod.
fn is_ordinal(text: &str) -> bool {
    (1..=4).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_name(pod: &str, node: &str) -> (&'static str, String, Confidence) {
        let workload = from_pod_name(pod, node).expect("the name is not empty");
        (workload.kind, workload.name, workload.confidence)
    }

    #[test]
    fn pod_names_tell_their_workload() {
        for (pod, node, kind, name, confidence) in [
            ("cart-7848d6c4d5-th9v2", "", "Deployment", "cart", Confidence::High),
            ("my-cart-v2-6c45f8d6f6-bbsvq", "", "Deployment", "my-cart-v2", Confidence::High),
            ("cart-975996d4c-zzzzz", "", "Deployment", "cart", Confidence::High),
            ("backup-29925360-xk2vq", "", "CronJob", "backup", Confidence::High),
            ("pg-0", "", "StatefulSet", "pg", Confidence::Medium),
            ("pg-1234", "", "StatefulSet", "pg", Confidence::Medium),
            ("etcd-control-1", "control-1", "Pod", "etcd", Confidence::High),
            ("fluent-bit-k8xlz", "", "", "fluent-bit", Confidence::Low),
            ("node-shell", "", "Pod", "node-shell", Confidence::Medium),
        ] {
            assert_eq!(by_name(pod, node), (kind, name.to_owned(), confidence), "{pod}");
        }
    }

    #[test]
    fn real_names_are_not_eaten() {
        for pod in ["payment-service", "cart-redis", "web-frontend", "api-2024a", "db-007", "job-12345", "a", "-", "a-"]
        {
            assert_eq!(by_name(pod, ""), ("Pod", pod.to_owned(), Confidence::Medium), "{pod}");
        }
        // A hash with a letter outside its alphabet is part of the name.
        assert_eq!(by_name("cart-7848d6c4e5-th9v2", "").1, "cart-7848d6c4e5");
    }

    #[test]
    fn the_cronjob_wins_over_its_job_and_the_deployment_over_its_replicaset() {
        let owners = Owners { cronjob: "backup", job: "backup-29925360", ..Owners::default() };
        assert_eq!(
            from_owners(&owners).map(|workload| (workload.kind, workload.name)),
            Some(("CronJob", "backup".into()))
        );
        let owners = Owners { job: "backup-29925360", ..Owners::default() };
        assert_eq!(
            from_owners(&owners).map(|workload| (workload.kind, workload.name)),
            Some(("CronJob", "backup".into()))
        );
        let owners = Owners { replicaset: "cart-7848d6c4d5", ..Owners::default() };
        assert_eq!(
            from_owners(&owners).map(|workload| (workload.kind, workload.name)),
            Some(("Deployment", "cart".into()))
        );
        let bare = from_owner("ReplicaSet", "cart-canary").expect("a name is given");
        assert_eq!((bare.kind, bare.name.as_str()), ("ReplicaSet", "cart-canary"));
        assert_eq!(from_owners(&Owners::default()), None);
    }

    #[test]
    fn a_cut_name_is_less_sure() {
        let pod = format!("{}-7848d6c4d5-th9v2", "x".repeat(46));
        assert_eq!(pod.len(), 63);
        assert_eq!(by_name(&pod, "").2, Confidence::Medium);
        let pod = format!("{}-th9v2", "x".repeat(57));
        assert_eq!(by_name(&pod, "").2, Confidence::Low);
    }

    #[test]
    fn a_slash_cannot_forge_a_key() {
        let one = entity(EntityKind::Workload, "a/b", "", "c");
        let other = entity(EntityKind::Workload, "a", "", "b//c");
        assert_ne!(one.key(), other.key());
    }

    proptest! {
        #[test]
        fn generated_pods_of_a_deployment_resolve_to_it(
            base in "[a-z]([a-z0-9-]{0,20}[a-z0-9])?",
            hash in "[456789bcdf]{8,10}",
            suffix in "[bcdfghjklmnpqrstvwxz2456789]{5}",
        ) {
            prop_assert_eq!(by_name(&format!("{base}-{hash}-{suffix}"), ""), ("Deployment", base, Confidence::High));
        }

        #[test]
        fn words_with_vowels_are_never_cut(base in "[a-z]{1,10}", word in "[a-z]{0,6}[aeiou][a-z]{0,6}") {
            let pod = format!("{base}-{word}");
            prop_assert_eq!(by_name(&pod, ""), ("Pod", pod.clone(), Confidence::Medium));
        }

        #[test]
        fn any_text_resolves_to_a_part_of_itself(pod in ".{1,80}", node in ".{0,10}") {
            let (_, name, _) = by_name(&pod, &node);
            prop_assert!(!name.is_empty() && pod.starts_with(&name));
        }
    }
}
