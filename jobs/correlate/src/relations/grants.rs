//! Grants: a principal gave another one rights that it did not have.

use super::{Depends, Kind, near};
use schemas::Relation;

/// The line of this relation in the list of all.
pub const KIND: Kind = Kind {
    name: "grants",
    doc: "One principal gave the other one rights.",
    clause: |_| "gave rights to",
    depends: Depends::Neither,
    lag: |lags| lags.grants,
    pairs: |view| view.stated(Relation::Grants),
    fits: near,
};
