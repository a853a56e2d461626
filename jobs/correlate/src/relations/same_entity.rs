//! Same entity: what several kinds of evidence say of one entity. Within a family evidence is dependent, so the strongest
//! counts; across families it adds.

use crate::entity::EntityId;
use crate::evidence;
use crate::graph::{Evidence, Milli, Rows, Rules, Weighed};

/// Adds up the evidence of each entity.
pub fn weigh<'scope>(rows: Rows<'scope, (EntityId, Evidence)>, rules: &Rules) -> Rows<'scope, (EntityId, Weighed)> {
    let rules = rules.clone();
    rows.reduce(move |_, evidence, out| {
        if let Some(weighed) = add_up(evidence.iter().map(|(evidence, _)| *evidence), &rules) {
            out.push((weighed, 1));
        }
    })
}

/// The sum over families of what the strongest evidence adds; `evidence` is sorted by family, then strength.
pub fn add_up<'a>(evidence: impl Iterator<Item = &'a Evidence>, rules: &Rules) -> Option<Weighed> {
    let mut sum: Option<Weighed> = None;
    let mut strongest: Option<(u8, Milli)> = None;
    let mut change_only = true;
    for piece in evidence {
        let changed = if piece.family == evidence::CHANGE { piece.onset } else { 0 };
        let is_change = changed != 0;
        let so_far = sum.get_or_insert(Weighed { weight: 0, first: piece.onset, last: piece.onset, changed });
        so_far.changed = so_far.changed.max(changed);
        match (is_change, change_only) {
            // A change begins nothing by itself: once there is evidence, departures count from that.
            (false, true) => (so_far.first, so_far.last, change_only) = (piece.onset, piece.onset, false),
            (true, false) => {}
            _ => (so_far.first, so_far.last) = (so_far.first.min(piece.onset), so_far.last.max(piece.onset)),
        }
        match &mut strongest {
            Some((family, strength)) if *family == piece.family => *strength = (*strength).max(piece.strength),
            _ => {
                so_far.weight += strongest.map_or(0, |(family, strength)| rules.contribution(family, strength));
                strongest = Some((piece.family, piece.strength));
            }
        }
    }
    let mut sum = sum?;
    sum.weight += strongest.map_or(0, |(family, strength)| rules.contribution(family, strength));
    Some(sum)
}
