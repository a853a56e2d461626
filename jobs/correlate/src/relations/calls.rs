//! Calls: one depends on the other through the network.

use super::{Depends, Kind, near};
use schemas::Relation;

/// The line of this relation in the list of all.
pub const KIND: Kind = Kind {
    name: "calls",
    doc: "One opens connections to the other, which departed at about the same time.",
    clause: |_| "calls",
    depends: Depends::OnTo,
    lag: |lags| lags.calls,
    pairs: |view| view.stated(Relation::Calls),
    fits: near,
};
