//! Objects: what exists in a cluster and since when, as `observe` publishes it.
//!
//! Invariant: `[valid_from, valid_to)` intervals of one uid do not overlap, so identity at the time of an event is a lookup.

use crate::Text;
use serde::{Deserialize, Serialize};

/// One record of the objects topic, keyed by `cluster/uid`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ObjectRecord<'a> {
    /// Whose estate.
    #[serde(borrow)]
    pub tenant: Text<'a>,
    /// Cluster uid or configured name.
    #[serde(borrow)]
    pub cluster: Text<'a>,
    /// API group and version (`apps/v1`).
    #[serde(borrow)]
    pub api_version: Text<'a>,
    /// Kubernetes kind.
    #[serde(borrow)]
    pub kind: Text<'a>,
    /// Namespace; empty for what has none.
    #[serde(borrow)]
    pub namespace: Text<'a>,
    /// Name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Uid.
    #[serde(borrow)]
    pub uid: Text<'a>,
    /// Resource version.
    #[serde(borrow)]
    pub resource_version: Text<'a>,
    /// Generation of the specification; 0 where it has none.
    pub generation: i64,
    /// Who owns it.
    #[serde(borrow)]
    pub owners: Vec<OwnerReference<'a>>,
    /// Allow-listed labels, sorted by name.
    #[serde(borrow)]
    pub labels: Vec<ObjectLabel<'a>>,
    /// Node it runs on; empty where none.
    #[serde(borrow)]
    pub node: Text<'a>,
    /// Its IP addresses.
    #[serde(borrow)]
    pub ips: Vec<Text<'a>>,
    /// True where its addresses are its node's, and so name nobody.
    pub host_network: bool,
    /// When the API server created it, milliseconds.
    pub created_at: i64,
    /// Since when it has been as told here, milliseconds.
    pub valid_from: i64,
    /// Until when, milliseconds; 0 while it still is.
    pub valid_to: i64,
    /// True once it is gone.
    pub deleted: bool,
    /// The object as JSON with secrets, managed fields and environment values removed; empty where not kept.
    #[serde(borrow)]
    pub raw: Text<'a>,
    /// Paths of fields removed before storing; the names only, never the contents.
    #[serde(borrow)]
    pub redacted: Vec<Text<'a>>,
}

/// An owner of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OwnerReference<'a> {
    /// API group and version.
    #[serde(borrow)]
    pub api_version: Text<'a>,
    /// Kubernetes kind.
    #[serde(borrow)]
    pub kind: Text<'a>,
    /// Name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Uid.
    #[serde(borrow)]
    pub uid: Text<'a>,
    /// True for the one owner that manages it.
    pub controller: bool,
}

/// One label of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectLabel<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Its value.
    #[serde(borrow)]
    pub value: Text<'a>,
}
