//! Who is in the jobs' groups, and who should be.

use super::faults::some;
use super::{Expected, ExpectedJob, Findings};
use crate::settings::GroupProtocol;
use engine::log::kafka::inspect::{Group, Inspection};
use std::collections::BTreeSet;

pub(super) fn judge(seen: &Inspection, expected: &Expected, findings: &mut Findings) {
    for job in &expected.jobs {
        let found = seen.groups.iter().find(|group| group.name == job.group);
        let name = &job.group;
        let Some(Group { state, members, .. }) = found else {
            findings.ok("groups", format!("{name}: nobody is in it"));
            continue;
        };
        match state.as_str() {
            "Dead" if expected.protocol == GroupProtocol::Consumer => {
                findings.ok("groups", format!("{name}: there, its members cannot be seen from here"));
            }
            "Empty" | "Dead" => findings.ok("groups", format!("{name}: nobody is in it")),
            "Stable" => members_of(job, members, findings),
            state => findings.warn(
                "groups",
                format!("{name}: {state}, with {} members", members.len()),
                "look again in a minute; a group that is never Stable has a member that comes and goes",
            ),
        }
    }
}

fn members_of(job: &ExpectedJob, members: &[String], findings: &mut Findings) {
    let name = &job.group;
    let (ours, strange): (Vec<_>, Vec<_>) =
        members.iter().map(|member| (member, lane(&job.name, member))).partition(|(_, lane)| lane.is_some());
    if !strange.is_empty() {
        let strange: Vec<String> = strange.into_iter().map(|(member, _)| member.clone()).collect();
        let advice = "stop it, or give it a group of its own: it takes partitions away that nobody then works on";
        findings.fail("groups", format!("{name}: a member is not ours: {}", some(&strange)), advice);
    }
    let lanes: BTreeSet<(usize, usize)> = ours.into_iter().filter_map(|(_, lane)| lane).collect();
    let processes = lanes.iter().map(|(ordinal, _)| ordinal + 1).max().unwrap_or(0);
    let wanted = (0..processes).flat_map(|ordinal| (0..job.lanes).map(move |lane| (ordinal, lane)));
    let missing: Vec<String> = wanted
        .filter(|lane| !lanes.contains(lane))
        .map(|(ordinal, lane)| format!("{}-{ordinal}-{lane}", job.name))
        .collect();
    if missing.is_empty() {
        findings.ok("groups", format!("{name}: {} members, of {processes} processes", lanes.len()));
    } else {
        let advice = "see why it is not there: its partitions wait for it, or the others work for it";
        findings.warn("groups", format!("{name}: missing is {}", some(&missing)), advice);
    }
}

/// Process and lane of a member of ours, `{job}-{ordinal}-{lane}`.
fn lane(job: &str, member: &str) -> Option<(usize, usize)> {
    let (ordinal, lane) = member.strip_prefix(job)?.strip_prefix('-')?.split_once('-')?;
    Some((ordinal.parse().ok()?, lane.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{good, one, told};
    use super::*;
    use crate::commands::doctor::Verdict;

    fn with(state: &str, members: &[&str]) -> Inspection {
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        let group = Group { name: "bellbuoy.detect".to_owned(), state: state.to_owned(), members };
        Inspection { groups: vec![group], ..good() }
    }

    #[test]
    fn a_process_that_is_missing_between_others_is_named() {
        let (verdict, seen) = one(&with("Stable", &["detect-0-0", "detect-2-0"]));
        assert_eq!(verdict, Verdict::Warn);
        assert_eq!(seen, "bellbuoy.detect: missing is detect-1-0");
    }

    #[test]
    fn somebody_else_in_a_group_of_ours_takes_partitions_away() {
        let (verdict, seen) = one(&with("Stable", &["console-consumer", "detect-0-0"]));
        assert_eq!(verdict, Verdict::Fail);
        assert_eq!(seen, "bellbuoy.detect: a member is not ours: console-consumer");
    }

    #[test]
    fn a_group_without_members_is_well_and_one_that_does_not_settle_is_not() {
        assert!(told(&with("Empty", &[])).is_empty());
        assert_eq!(one(&with("PreparingRebalance", &["detect-0-0"])).0, Verdict::Warn);
    }
}
