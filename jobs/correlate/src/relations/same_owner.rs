//! Same owner: a container or pod and the workload it is part of.

use super::{Depends, Kind, near};
use schemas::Relation;

/// The line of this relation in the list of all.
pub const KIND: Kind = Kind {
    name: "same_owner",
    doc: "One is a part of the other: a container or pod of a workload.",
    clause: |_| "is part of",
    depends: Depends::Neither,
    lag: |lags| lags.same_owner,
    pairs: |view| view.stated(Relation::PartOf),
    fits: near,
};
