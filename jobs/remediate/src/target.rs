//! The objects of a cluster that remedies name, and the lock domains they share.
//!
//! Invariant: a target's name is one that Kubernetes allows; anything else is refused before it reaches a command.

use crate::refusal::{Refusal, Rule};
use schemas::{Entity, EntityKind, Target, TargetWorkload, pod};

/// Longest name of an object.
const LONGEST_NAME: usize = 253;

/// The API group and version of a workload's kind; none for a kind that no remedy knows.
pub fn api_version(kind: &str) -> Option<&'static str> {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => Some("apps/v1"),
        "Job" | "CronJob" => Some("batch/v1"),
        "Rollout" => Some("argoproj.io/v1alpha1"),
        _ => None,
    }
}

/// A workload as the target of a remedy that is made for some kinds only.
pub fn workload(entity: &Entity<'_>, kinds: &[&str]) -> Result<Target<'static>, Refusal> {
    let kind = entity.workload_kind.as_str();
    let version = api_version(kind).filter(|_| kinds.contains(&kind)).ok_or_else(|| {
        let sentence = format!("{} is a {}; allowed are {}", entity.name, shown(kind), kinds.join(", "));
        Refusal::new(Rule::Unsupported, sentence)
    })?;
    named(&entity.name)?;
    named(&entity.namespace)?;
    Ok(Target {
        entity: entity.to_owned(),
        api_version: version.into(),
        kind: kind.to_owned().into(),
        namespace: entity.namespace.clone().into_owned(),
        name: entity.name.clone().into_owned(),
        ..Target::default()
    })
}

/// A pod of a workload, by its reference: it is known by its uid, its name, or both.
pub fn pod(entity: &Entity<'_>, reference: &str) -> Result<Target<'static>, Refusal> {
    named(&entity.namespace)?;
    let (name, uid) = pod::parts(reference);
    if uid.is_empty() || !name.is_empty() {
        named(name)?;
    }
    Ok(Target {
        entity: entity.to_owned(),
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespace: entity.namespace.clone().into_owned(),
        name: name.to_owned().into(),
        uid: uid.to_owned().into(),
        workload: Some(TargetWorkload {
            kind: entity.workload_kind.clone().into_owned(),
            name: entity.name.clone().into_owned(),
            ..TargetWorkload::default()
        }),
        ..Target::default()
    })
}

/// A node.
pub fn node(entity: &Entity<'_>) -> Result<Target<'static>, Refusal> {
    debug_assert_eq!(entity.kind, EntityKind::Node);
    named(&entity.name)?;
    let name = entity.name.clone().into_owned();
    Ok(Target { entity: entity.to_owned(), api_version: "v1".into(), kind: "Node".into(), name, ..Target::default() })
}

/// True for a kind whose objects keep their names for as long as they live, and are made by people: one that was there
/// when trouble was seen and is there now is the same one, so that its name and that time name it as well as its uid.
pub fn is_lasting(kind: &str) -> bool {
    kind == "Node" || api_version(kind).is_some_and(|_| !matches!(kind, "ReplicaSet" | "Job"))
}

/// The text by which a target is told from others of its cluster: kind, namespace, and uid or name.
pub fn key(target: &Target<'_>) -> String {
    let name = if target.uid.is_empty() { &target.name } else { &target.uid };
    match target.namespace.as_str() {
        "" => format!("{}/{name}", target.kind),
        namespace => format!("{}/{namespace}/{name}", target.kind),
    }
}

/// The lock domain of a workload and of its pods.
pub fn workload_domain(cluster: &str, entity: &Entity<'_>) -> String {
    topics::lock_domain(cluster, &[&entity.namespace, &entity.name])
}

/// Refuses what Kubernetes would not allow as the name of a workload, pod, node or namespace.
fn named(name: &str) -> Result<(), Refusal> {
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let bytes = name.as_bytes();
    let fits = bytes.len() <= LONGEST_NAME
        && ends(bytes.first().copied())
        && ends(bytes.last().copied())
        && bytes.iter().copied().all(allowed);
    if fits {
        return Ok(());
    }
    let sentence = format!("{} is no name of an object; allowed are lower-case letters, digits, - and .", shown(name));
    Err(Refusal::new(Rule::Unsupported, sentence))
}

fn shown(text: &str) -> String {
    if text.is_empty() { "an empty text".to_owned() } else { format!("`{}`", text.escape_debug()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn an_instance_that_looks_like_a_uid_is_one() {
        let cart = example::workload("Deployment", "cart");
        let uid = "0b1d5f1e-2c3d-4e5f-8a9b-0c1d2e3f4a5b";
        let target = pod(&cart, uid).unwrap();
        assert_eq!((target.uid.as_str(), target.name.as_str()), (uid, ""));
        assert_eq!(key(&target), format!("Pod/shop/{uid}"));
        let target = pod(&cart, &format!("cart-7d4b-x1/{uid}")).unwrap();
        assert_eq!((target.uid.as_str(), target.name.as_str()), (uid, "cart-7d4b-x1"));
        let target = pod(&cart, "cart-7d4b-x1").unwrap();
        assert_eq!((target.uid.as_str(), key(&target).as_str()), ("", "Pod/shop/cart-7d4b-x1"));
        assert_eq!(target.workload.unwrap().name, "cart");
    }

    #[test]
    fn what_is_no_name_is_refused_before_it_reaches_a_command() {
        let cart = example::workload("Deployment", "cart");
        for name in ["", "../admin", "a b", "Cart", "-a", "a-", "ü", &"a".repeat(254)] {
            assert_eq!(pod(&cart, name).unwrap_err().rule, Rule::Unsupported, "{name}");
        }
    }

    #[test]
    fn a_workload_of_another_kind_is_refused_with_what_is_allowed() {
        let refusal = workload(&example::workload("DaemonSet", "agent"), &["Deployment"]).unwrap_err();
        assert_eq!(refusal.sentence, "agent is a `DaemonSet`; allowed are Deployment");
    }
}
