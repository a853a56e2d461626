//! Acts from: a principal's requests come from a workload, so both are in the same hands.

use super::{Depends, Kind, near};
use schemas::Relation;

/// The line of this relation in the list of all.
pub const KIND: Kind = Kind {
    name: "acts_from",
    doc: "The requests of a principal come from the pods of a workload.",
    clause: |_| "sends its requests from",
    depends: Depends::OnTo,
    lag: |lags| lags.acts_from,
    pairs: |view| view.stated(Relation::ActsFrom),
    fits: near,
};
