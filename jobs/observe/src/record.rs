//! What a record says of an object: who it is, who owns it, where it can be met. Nothing of what it is made of.

use crate::config::Config;
use crate::kinds::Kind;
use kube::core::DynamicObject;
use schemas::{ObjectLabel, ObjectRecord, OwnerReference};
use std::collections::BTreeSet;

/// The record of an object as it is now; none for what has no uid, which no object of the API server is.
///
/// `valid_from` is when it was created; whoever knows an earlier record of it knows better.
pub(crate) fn of(config: &Config, kind: &Kind, object: &DynamicObject) -> Option<ObjectRecord<'static>> {
    let metadata = &object.metadata;
    let uid = metadata.uid.clone().filter(|uid| !uid.is_empty())?;
    let created_at = metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_millisecond());
    let place = (kind.place)(&object.data);
    let allowed: BTreeSet<&str> = config.labels.iter().map(String::as_str).collect();
    let labels = metadata.labels.iter().flatten().filter(|(name, _)| allowed.contains(name.as_str()));
    let owners = metadata.owner_references.iter().flatten().map(|owner| OwnerReference {
        api_version: owner.api_version.clone().into(),
        kind: owner.kind.clone().into(),
        name: owner.name.clone().into(),
        uid: owner.uid.clone().into(),
        controller: owner.controller.unwrap_or(false),
    });
    Some(ObjectRecord {
        tenant: config.tenant.clone().into(),
        cluster: config.cluster.clone().into(),
        api_version: kind.api_version().into(),
        kind: kind.kind.into(),
        namespace: metadata.namespace.clone().unwrap_or_default().into(),
        name: metadata.name.clone().unwrap_or_default().into(),
        uid: uid.into(),
        resource_version: metadata.resource_version.clone().unwrap_or_default().into(),
        generation: metadata.generation.unwrap_or(0),
        owners: owners.collect(),
        labels: labels
            .map(|(name, value)| ObjectLabel { name: name.clone().into(), value: value.clone().into() })
            .collect(),
        node: place.node.into(),
        ips: place.ips.into_iter().map(Into::into).collect(),
        host_network: place.host_network,
        created_at,
        valid_from: created_at,
        valid_to: 0,
        deleted: false,
        raw: Default::default(),
        redacted: Vec::new(),
    })
}

/// True where two records of one object say the same of it.
pub(crate) fn says_the_same(one: &ObjectRecord<'_>, other: &ObjectRecord<'_>) -> bool {
    let without = |record: &ObjectRecord<'_>| {
        let ObjectRecord { generation, host_network, created_at, deleted, .. } = *record;
        (generation, host_network, created_at, deleted)
    };
    // Its version and since when this is so are about the telling.
    without(one) == without(other)
        && (&one.tenant, &one.cluster, &one.api_version, &one.kind)
            == (&other.tenant, &other.cluster, &other.api_version, &other.kind)
        && (&one.namespace, &one.name, &one.uid, &one.node) == (&other.namespace, &other.name, &other.uid, &other.node)
        && one.owners == other.owners
        && one.labels == other.labels
        && one.ips == other.ips
}

/// A record that is independent of the bytes it was decoded from.
pub(crate) fn owned(record: ObjectRecord<'_>) -> ObjectRecord<'static> {
    let owner = |owner: OwnerReference<'_>| OwnerReference {
        api_version: owner.api_version.into_owned(),
        kind: owner.kind.into_owned(),
        name: owner.name.into_owned(),
        uid: owner.uid.into_owned(),
        controller: owner.controller,
    };
    let label = |label: ObjectLabel<'_>| ObjectLabel { name: label.name.into_owned(), value: label.value.into_owned() };
    ObjectRecord {
        tenant: record.tenant.into_owned(),
        cluster: record.cluster.into_owned(),
        api_version: record.api_version.into_owned(),
        kind: record.kind.into_owned(),
        namespace: record.namespace.into_owned(),
        name: record.name.into_owned(),
        uid: record.uid.into_owned(),
        resource_version: record.resource_version.into_owned(),
        owners: record.owners.into_iter().map(owner).collect(),
        labels: record.labels.into_iter().map(label).collect(),
        node: record.node.into_owned(),
        ips: record.ips.into_iter().map(schemas::Text::into_owned).collect(),
        raw: record.raw.into_owned(),
        redacted: record.redacted.into_iter().map(schemas::Text::into_owned).collect(),
        ..record
    }
}
