//! Change → effect: what departs soon after something it depends on was changed on purpose.

use super::{Depends, Kind};
use schemas::Relation;

/// The line of this relation in the list of all.
pub const KIND: Kind = Kind {
    name: "change",
    doc: "One departed soon after the other, which it calls, was changed.",
    clause: |_| "departed after a change of",
    depends: Depends::OnTo,
    lag: |lags| lags.change,
    pairs: |view| view.stated(Relation::Calls),
    fits: |from, to, lag, join| {
        let after = from.first - to.changed;
        from.weight >= join && to.changed != 0 && (0..=lag).contains(&after)
    },
};
