//! Same rollout: a crowd that one principal changed at about the same time and that departed since.

use super::{CROWD, Depends, Kind, chain};
use schemas::Relation;

/// The line of this relation in the list of all.
pub const KIND: Kind = Kind {
    name: "same_rollout",
    doc: "Both are of a crowd that one principal changed, and that departed since.",
    clause: |_| "was rolled out together with",
    depends: Depends::Neither,
    lag: |lags| lags.change,
    pairs: |view| {
        view.stated(Relation::ChangedBy)
            .join_core(view.weighed.clone().arrange_by_key(), |entity, principal, weighed| {
                Some((*principal, (weighed.changed, *entity)))
            })
            .reduce(|_, crowd, out| {
                let crowd: Vec<_> = crowd.iter().map(|(member, _)| **member).collect();
                if crowd.len() >= CROWD {
                    out.extend(chain(&crowd).map(|pair| (pair, 1)));
                }
            })
            .map(|(_, pair)| pair)
    },
    fits: |from, to, lag, join| {
        from.weight >= join && to.weight >= join && (from.changed - to.changed).abs() <= lag && to.changed != 0
    },
};
