//! The pods that live, and how they come and go: scaling with the day, evictions, rollouts, jobs.
//!
//! Invariant: pods of a workload keep their order of birth, so that nothing here depends on anything but the seed.

use crate::calendar::{DAY, HOUR, MINUTE, SECOND, daily};
use crate::load::{Meter, daily_level};
use crate::naming;
use crate::random::Random;
use crate::roster::{DEPLOYED, Kind, LEAKING, TAKEN_OVER, Workload};
use crate::story::Timetable;

/// One pod with its only container.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) workload: usize,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) address: String,
    pub(crate) node: usize,
    pub(crate) started: i64,
    pub(crate) image_tag: String,
    /// Name of the Job between a CronJob and its pod; empty otherwise.
    pub(crate) job: String,
    pub(crate) container_id: String,
    pub(crate) container_started: i64,
    pub(crate) restarts: i64,
    pub(crate) meter: Meter,
}

/// A change that the control plane has to carry out, and therefore shows in the audit log.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) at: i64,
    pub(crate) workload: usize,
    pub(crate) pod: String,
    pub(crate) node: usize,
    pub(crate) kind: ChangeKind,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Created,
    Deleted,
    Evicted,
    Scaled,
}

/// All pods of the estate.
pub(crate) struct Population {
    /// Pods by workload.
    pub(crate) pods: Vec<Vec<Pod>>,
    pub(crate) nodes: usize,
    revisions: Vec<(String, u32)>,
    /// Workloads whose pods are being replaced, with the pods left to replace.
    rollouts: Vec<(usize, usize)>,
    next_node: usize,
    addresses: u64,
    random: Random,
}

/// When the CI principal rolls out, and what: the time, the workload.
pub(crate) fn rollouts(timetable: &Timetable, start: i64, workloads: usize) -> Vec<(i64, usize)> {
    // Routine deploys of the learning period; the last one is the story's.
    const ROUTINE: [usize; 6] = [5, 8, 13, 12, 10, 9];
    let routine =
        daily(13 * HOUR, start, timetable.learning_ends).chain(daily(10 * HOUR, start, timetable.learning_ends));
    let mut times: Vec<i64> = routine.collect();
    times.sort_unstable();
    let mut all: Vec<(i64, usize)> = times
        .iter()
        .zip(ROUTINE.iter().cycle())
        .map(|(at, index)| (*at, *index))
        .filter(|(_, w)| *w < workloads)
        .collect();
    all.push((timetable.deploy.0, DEPLOYED));
    all
}

impl Population {
    /// The pods at `start`.
    pub(crate) fn new(seed: u64, roster: &[Workload], nodes: usize, start: i64) -> Self {
        let mut random = Random::new(seed, "pods");
        let revisions = roster.iter().map(|_| (naming::template_hash(&mut random), 1)).collect();
        let pods = roster.iter().map(|_| Vec::new()).collect();
        let mut population =
            Population { pods, nodes, revisions, rollouts: Vec::new(), next_node: 0, addresses: 0, random };
        for (index, workload) in roster.iter().enumerate() {
            for _ in 0..replicas(workload, nodes, start) {
                // Pods are older than the estate's first record.
                let age = (population.random.between(0.2, 9.0) * DAY as f64) as i64;
                population.create(index, workload, start - age, age);
            }
        }
        population
    }

    /// Lives through `[now, end)` and tells what changed.
    pub(crate) fn advance(
        &mut self,
        roster: &[Workload],
        timetable: &Timetable,
        start: i64,
        now: i64,
        end: i64,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for (_, index) in rollouts(timetable, start, roster.len()).into_iter().filter(|(at, _)| (now..end).contains(at))
        {
            self.revisions[index] = (naming::template_hash(&mut self.random), self.revisions[index].1 + 1);
            self.rollouts.push((index, self.pods[index].len()));
        }
        for (index, workload) in roster.iter().enumerate() {
            if workload.kind == Kind::CronJob {
                self.run_job(index, workload, now, end, &mut changes);
            } else {
                self.scale(index, workload, now, &mut changes);
                self.evict(index, workload, timetable, now, end, &mut changes);
            }
        }
        self.roll(roster, now, &mut changes);
        // The leak ends where it must: the kernel kills the container, the kubelet starts it again.
        if (now..end).contains(&timetable.fault.1) {
            for pod in &mut self.pods[LEAKING] {
                pod.restarts += 1;
                pod.container_id = naming::container_id(&mut self.random);
                pod.container_started = now + 2 * SECOND;
                pod.meter.restart(pod.container_started);
            }
        }
        changes
    }

    /// All pods on a node, in a fixed order.
    pub(crate) fn on_node(&mut self, node: usize) -> impl Iterator<Item = &mut Pod> {
        self.pods.iter_mut().flatten().filter(move |pod| pod.node == node)
    }

    /// Template hash and version of a workload's current revision.
    pub(crate) fn revision(&self, workload: usize) -> (&str, u32) {
        let (hash, version) = &self.revisions[workload];
        (hash, *version)
    }

    fn scale(&mut self, index: usize, workload: &Workload, now: i64, changes: &mut Vec<Change>) {
        let wanted = replicas(workload, self.nodes, now);
        if wanted == self.pods[index].len() {
            return;
        }
        changes.push(Change { at: now, workload: index, pod: String::new(), node: 0, kind: ChangeKind::Scaled });
        while self.pods[index].len() < wanted {
            let born = now + self.random.below(3_000) as i64;
            changes.push(self.create(index, workload, born, 0));
        }
        while self.pods[index].len() > wanted {
            let Some(pod) = self.pods[index].pop() else { break };
            changes.push(pod.change(now + 1_500, ChangeKind::Deleted));
        }
    }

    fn evict(
        &mut self,
        index: usize,
        workload: &Workload,
        timetable: &Timetable,
        now: i64,
        end: i64,
        changes: &mut Vec<Change>,
    ) {
        // Once in six days for each pod; the story's own workloads are left alone while it is told.
        let told = now >= timetable.learning_ends && [TAKEN_OVER, LEAKING, DEPLOYED].contains(&index);
        let probability = (end - now) as f64 / (6 * DAY) as f64;
        for position in 0..self.pods[index].len() {
            if !self.random.chance(probability) || told || workload.kind == Kind::DaemonSet {
                continue;
            }
            changes.push(self.replace(index, workload, position, now, ChangeKind::Evicted, changes.len() as i64));
            let created = self.pods[index][position].change(now + 2_000, ChangeKind::Created);
            changes.push(created);
        }
    }

    fn roll(&mut self, roster: &[Workload], now: i64, changes: &mut Vec<Change>) {
        let mut running = std::mem::take(&mut self.rollouts);
        for (index, left) in &mut running {
            // One pod a step, the oldest first; an autoscaler may have taken pods away meanwhile.
            let total = self.pods[*index].len();
            *left = (*left).min(total);
            let position = total - *left;
            if position < total {
                changes.push(self.replace(*index, &roster[*index], position, now, ChangeKind::Deleted, 0));
                let created = self.pods[*index][position].change(now + 1_000, ChangeKind::Created);
                changes.push(created);
            }
            *left = left.saturating_sub(1);
        }
        running.retain(|(_, left)| *left > 0);
        self.rollouts = running;
    }

    /// Puts a new pod in the place of the one at `position`, and tells of the one that went.
    fn replace(
        &mut self,
        index: usize,
        workload: &Workload,
        position: usize,
        now: i64,
        kind: ChangeKind,
        delay: i64,
    ) -> Change {
        self.create(index, workload, now + 2_000 + delay, 0);
        let gone = self.pods[index].swap_remove(position);
        if workload.kind == Kind::StatefulSet {
            self.pods[index][position].name.clone_from(&gone.name);
        }
        gone.change(now + 500, kind)
    }

    fn run_job(&mut self, index: usize, workload: &Workload, now: i64, end: i64, changes: &mut Vec<Change>) {
        // A finished pod leaves after eight minutes; the next one comes with the hour.
        while self.pods[index].first().is_some_and(|pod| now - pod.started >= 8 * MINUTE) {
            let pod = self.pods[index].remove(0);
            changes.push(pod.change(now, ChangeKind::Deleted));
        }
        let hour = now - now.rem_euclid(HOUR);
        let hour = if hour < now { hour + HOUR } else { hour };
        if hour < end {
            changes.push(self.create(index, workload, hour, 0));
        }
    }

    fn create(&mut self, index: usize, workload: &Workload, started: i64, age: i64) -> Change {
        let random = &mut self.random;
        let (hash, version) = &self.revisions[index];
        let mut job = String::new();
        let position = self.pods[index].len();
        let name = match workload.kind {
            Kind::Deployment => format!("{}-{hash}-{}", workload.name, naming::suffix(random)),
            Kind::StatefulSet => format!("{}-{position}", workload.name),
            Kind::DaemonSet => format!("{}-{}", workload.name, naming::suffix(random)),
            Kind::CronJob => {
                job = format!("{}-{:08}", workload.name, started.div_euclid(MINUTE));
                format!("{job}-{}", naming::suffix(random))
            }
        };
        let node = if workload.kind == Kind::DaemonSet { position % self.nodes } else { self.next_node };
        if workload.kind != Kind::DaemonSet {
            self.next_node = (self.next_node + 1) % self.nodes;
        }
        self.addresses += 1;
        let address =
            format!("10.42.{}.{}", node + 1 + (self.addresses / 200 % 60 * 4) as usize, self.addresses % 200 + 10);
        let pod = Pod {
            workload: index,
            name,
            uid: naming::uid(random),
            address,
            node,
            started,
            image_tag: format!("1.{version}.0"),
            job,
            container_id: naming::container_id(random),
            container_started: started + 800,
            restarts: 0,
            meter: Meter::new(random, workload, started + 800, age),
        };
        let change = pod.change(started, ChangeKind::Created);
        self.pods[index].push(pod);
        change
    }
}

impl Pod {
    fn change(&self, at: i64, kind: ChangeKind) -> Change {
        Change { at, workload: self.workload, pod: self.name.clone(), node: self.node, kind }
    }
}

/// How many replicas a workload wants: an autoscaler follows the day, everything else stands still.
pub(crate) fn replicas(workload: &Workload, nodes: usize, now: i64) -> usize {
    match workload.kind {
        Kind::DaemonSet => nodes,
        Kind::CronJob => 0,
        Kind::Deployment | Kind::StatefulSet => {
            let above_night = ((daily_level(now, 1.0) - 0.35) / 1.3).clamp(0.0, 1.0);
            workload.fewest + (above_night * (workload.most - workload.fewest) as f64 + 0.5) as usize
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::roster;

    const START: i64 = 1_772_409_600_000;

    #[test]
    fn a_rollout_replaces_every_pod_and_changes_the_hash() {
        let roster = roster(36);
        let timetable = Timetable::new(START + 3 * DAY);
        let mut population = Population::new(5, &roster, 3, START);
        let before: Vec<String> = population.pods[DEPLOYED].iter().map(|pod| pod.name.clone()).collect();
        let old = population.revision(DEPLOYED).0.to_owned();
        let mut now = timetable.deploy.0;
        while now < timetable.deploy.1 {
            population.advance(&roster, &timetable, START, now, now + MINUTE);
            now += MINUTE;
        }
        let new = population.revision(DEPLOYED).0.to_owned();
        assert_ne!(old, new);
        let after = &population.pods[DEPLOYED];
        assert_eq!(after.len(), before.len());
        for pod in after {
            assert!(pod.name.contains(&new) && !before.contains(&pod.name), "{}", pod.name);
        }
    }

    #[test]
    fn a_stateful_pod_keeps_its_name_and_changes_its_uid() {
        let roster = roster(36);
        let timetable = Timetable::new(START + 3 * DAY);
        let mut population = Population::new(5, &roster, 3, START);
        let gone = population.pods[3][0].clone();
        population.replace(3, &roster[3], 0, START, ChangeKind::Evicted, 0);
        assert_eq!(population.pods[3][0].name, gone.name);
        assert_ne!(population.pods[3][0].uid, gone.uid);
        assert!(timetable.learning_ends > START);
    }

    #[test]
    fn an_autoscaled_workload_breathes_with_the_day() {
        let roster = roster(36);
        let counts: std::collections::BTreeSet<usize> =
            (0..24).map(|hour| replicas(&roster[5], 3, START + hour * HOUR)).collect();
        assert_eq!(counts, [3, 4, 5, 6].into());
    }
}
