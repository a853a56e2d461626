//! Same node: a node that is unwell shows in what runs on it. Two workloads on one node are chance; the node itself, or a
//! crowd on it, is not.

use super::{CROWD, Depends, Kind, chain, near};
use schemas::{EntityKind, Relation};

/// The line of this relation in the list of all.
pub const KIND: Kind = Kind {
    name: "same_node",
    doc: "One runs on the other, a node, or both are of a crowd that departed on one node.",
    clause: |to| if to == EntityKind::Node { "runs on" } else { "runs on one node with" },
    depends: Depends::OnTo,
    lag: |lags| lags.same_node,
    pairs: |view| {
        let runs_on = view.stated(Relation::RunsOn);
        let crowds = runs_on
            .clone()
            .join_core(view.weighed.clone().arrange_by_key(), |entity, node, weighed| {
                Some((*node, (weighed.first, *entity)))
            })
            .reduce(|_, crowd, out| {
                let crowd: Vec<_> = crowd.iter().map(|(member, _)| **member).collect();
                if crowd.len() >= CROWD {
                    out.extend(chain(&crowd).map(|pair| (pair, 1)));
                }
            })
            .map(|(_, pair)| pair);
        runs_on.concat(crowds)
    },
    fits: near,
};
