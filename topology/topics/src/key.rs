//! Record keys: what must stay in order shares a key.
//!
//! Invariant: different subjects have different keys, whatever their names contain.

use std::borrow::Cow;

/// Key of a signal: everything about one entity, in order. `entity_key` is the entity's own key.
pub fn signal_key(tenant: &str, cluster: &str, entity_key: &str) -> String {
    format!("{}/{}/{entity_key}", part(tenant), part(cluster))
}

/// Key of an anomaly, an incident or a result: everything about one cluster, in order.
pub fn cluster_key(tenant: &str, cluster: &str) -> String {
    format!("{}/{}", part(tenant), part(cluster))
}

/// Key of a control record: a newer one replaces it.
pub fn control_key(kind: &str, id: &str) -> String {
    format!("{}/{id}", part(kind))
}

/// Key of an object: a newer version of it replaces it.
pub fn object_key(cluster: &str, uid: &str) -> String {
    format!("{}/{uid}", part(cluster))
}

/// Key of a notifier's memory: `parts` name what it is about.
pub fn notification_key(notifier: &str, parts: &[&str]) -> String {
    path(notifier, parts)
}

/// Lock domain of a command, which is also its key: commands of one domain run one after the other. `parts` name it
/// within the cluster: namespace and workload, a node, or `rbac`, kind and name of a binding.
pub fn lock_domain(cluster: &str, parts: &[&str]) -> String {
    path(cluster, parts)
}

fn path(first: &str, parts: &[&str]) -> String {
    parts.iter().fold(part(first).into_owned(), |path, name| format!("{path}/{}", part(name)))
}

/// A name within a key: a slash in it must not look like the key's own.
fn part(name: &str) -> Cow<'_, str> {
    if name.contains(['/', '%']) { Cow::Owned(name.replace('%', "%25").replace('/', "%2F")) } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_paths() {
        assert_eq!(
            signal_key("acme", "prod", "workload/shop/Deployment/cart"),
            "acme/prod/workload/shop/Deployment/cart"
        );
        assert_eq!(cluster_key("acme", "prod"), "acme/prod");
        assert_eq!(control_key("mute", "night"), "mute/night");
        assert_eq!(object_key("prod", "0b1d"), "prod/0b1d");
        assert_eq!(lock_domain("prod", &["shop", "cart"]), "prod/shop/cart");
        assert_eq!(lock_domain("prod", &["node-1"]), "prod/node-1");
        assert_eq!(notification_key("notifier", &["position", "3"]), "notifier/position/3");
    }

    #[test]
    fn a_slash_in_a_name_does_not_make_two_keys_one() {
        assert_ne!(cluster_key("a/b", "c"), cluster_key("a", "b/c"));
        assert_ne!(cluster_key("a%2Fb", "c"), cluster_key("a/b", "c"));
        assert_eq!(cluster_key("a/b", "c"), "a%2Fb/c");
        assert_ne!(lock_domain("prod", &["shop/cart"]), lock_domain("prod", &["shop", "cart"]));
    }
}
