//! The API server's audit log: habits, the control plane's answers to change, people, deploys, the intruder.

use crate::audit::{BoundPod, Object, Request};
use crate::calendar::{HOUR, MINUTE, SECOND, daily};
use crate::habits::{Society, object};
use crate::pods::{Change, ChangeKind, Population, rollouts};
use crate::random::Random;
use crate::roster::{Kind, TAKEN_OVER, Workload};
use crate::story::Timetable;
use std::collections::BTreeMap;

/// Writes the audit log.
pub(crate) struct ApiServer {
    society: Society,
    /// Requests that are due later, by time and order of planning.
    agenda: BTreeMap<(i64, u64), Request>,
    planned: u64,
    random: Random,
}

/// Everything a step of the log depends on.
pub(crate) struct Step<'a> {
    pub(crate) roster: &'a [Workload],
    pub(crate) population: &'a Population,
    pub(crate) timetable: &'a Timetable,
    pub(crate) changes: &'a [Change],
    pub(crate) start: i64,
    pub(crate) now: i64,
    pub(crate) end: i64,
}

impl ApiServer {
    /// The API server of an estate that begins at `start`.
    pub(crate) fn new(seed: u64, roster: &[Workload], nodes: usize, start: i64) -> Self {
        let mut random = Random::new(seed, "api");
        let society = Society::new(&mut random, roster, nodes, start);
        ApiServer { society, agenda: BTreeMap::new(), planned: 0, random }
    }

    /// The audit lines of `[step.now, step.end)`, each with the time its response was complete.
    pub(crate) fn advance(&mut self, step: &Step<'_>) -> Vec<(i64, String)> {
        self.plan_habits(step);
        for change in step.changes {
            self.plan_change(step, change);
        }
        self.plan_people(step);
        self.plan_deploys(step);
        self.plan_intruder(step);
        let later = self.agenda.split_off(&(step.end, 0));
        let due = std::mem::replace(&mut self.agenda, later);
        due.into_values()
            .map(|request| request.line(&self.society.principals[request.principal], &mut self.random))
            .collect()
    }

    fn plan(&mut self, at: i64, principal: usize, verb: &'static str, object: Object) -> &mut Request {
        self.planned += 1;
        let code = if verb == "create" { 201 } else { 200 };
        let request = Request { at, principal, verb, object, code, body: None, agent: "", bound: None };
        self.agenda.entry((at, self.planned)).or_insert(request)
    }

    fn plan_habits(&mut self, step: &Step<'_>) {
        for index in 0..self.society.habits.len() {
            while self.society.habits[index].next < step.end {
                let wait = self.random.between(0.9, 1.1);
                let conflict = self.random.chance(0.01);
                let turn = self.random.bits();
                let habit = &mut self.society.habits[index];
                let at = habit.next;
                habit.next += (habit.period as f64 * wait) as i64;
                let (principal, verb, object) = (habit.principal, habit.verb, habit.object.clone());
                let bound = habit.workload.map(|workload| bound_pod(step, workload, turn));
                // A service account without a running pod asks for nothing.
                if matches!(bound, Some(None)) {
                    continue;
                }
                let request = self.plan(at, principal, verb, object);
                request.bound = bound.flatten();
                if verb == "update" && conflict {
                    request.code = 409;
                }
            }
        }
    }

    fn plan_change(&mut self, step: &Step<'_>, change: &Change) {
        let workload = &step.roster[change.workload];
        let (controller, scheduler) = (self.society.controller, self.society.scheduler);
        let kubelet = self.society.kubelets + change.node;
        let pod = |subresource| object("", "pods", subresource, workload.namespace, &change.pod);
        let at = change.at;
        match change.kind {
            ChangeKind::Created => {
                if workload.kind == Kind::CronJob {
                    self.plan(
                        at,
                        controller,
                        "create",
                        object("batch", "jobs", "", workload.namespace, &workload.name),
                    );
                }
                self.plan(at + 20, controller, "create", pod(""));
                self.plan(at + 60, scheduler, "create", pod("binding"));
                self.plan(at + 400, kubelet, "patch", pod("status"));
                self.plan(at + 1_900, kubelet, "patch", pod("status"));
            }
            ChangeKind::Deleted => {
                self.plan(at, controller, "delete", pod(""));
                self.plan(at + 1_200, kubelet, "delete", pod(""));
            }
            ChangeKind::Evicted => {
                self.plan(at, kubelet, "patch", pod("status"));
                self.plan(at + 900, controller, "delete", pod(""));
            }
            ChangeKind::Scaled => {
                let scale = object("apps", "deployments", "scale", workload.namespace, &workload.name);
                self.plan(at, controller, "update", scale);
            }
        }
    }

    fn plan_people(&mut self, step: &Step<'_>) {
        // Each operator looks around twice a day; the first also grants `view` to a new colleague.
        const SESSIONS: [(usize, i64); 4] = [(0, 550), (1, 650), (0, 940), (1, 1_010)];
        for (who, minute) in SESSIONS {
            let begins: Vec<i64> = daily(minute * MINUTE, step.now, step.end).collect();
            for begin in begins {
                let principal = self.society.operators[who];
                for call in 0..52 {
                    let at = begin + call * 28 * SECOND + self.random.below(15_000) as i64;
                    let (verb, object) = self.curiosity(step.roster);
                    self.plan(at, principal, verb, object);
                }
                if who == 0 && minute == 550 {
                    let namespace = step.roster[self.random.below(step.roster.len() as u64) as usize].namespace;
                    let binding = object(RBAC, "rolebindings", "", namespace, "newcomer-view");
                    let body =
                        binding_body("RoleBinding", "newcomer-view", "view", "User", "newcomer@corp.example", "");
                    self.plan(begin + 26 * MINUTE, principal, "create", binding).body = Some(body);
                }
            }
        }
    }

    fn curiosity(&mut self, roster: &[Workload]) -> (&'static str, Object) {
        let workload = &roster[self.random.below(roster.len() as u64) as usize];
        let (namespace, name) = (workload.namespace, workload.name.as_str());
        match self.random.below(10) {
            0..=2 => ("list", object("", "pods", "", namespace, "")),
            3 | 4 => ("get", object("", "pods", "log", namespace, name)),
            5 => ("list", object("apps", "deployments", "", namespace, "")),
            6 => ("get", object("apps", "deployments", "", namespace, name)),
            7 => ("list", object("", "events", "", namespace, "")),
            8 => ("list", object("", "nodes", "", "", "")),
            _ => ("get", object("", "configmaps", "", namespace, name)),
        }
    }

    fn plan_deploys(&mut self, step: &Step<'_>) {
        let deployer = self.society.deployer;
        for hour in [7, 9, 12, 15, 18] {
            let begins: Vec<i64> = daily(hour * HOUR + 40 * MINUTE, step.now, step.end).collect();
            for begin in begins {
                for call in 0..24 {
                    let at = begin + call * 9 * SECOND + self.random.below(4_000) as i64;
                    let workload = &step.roster[self.random.below(step.roster.len() as u64) as usize];
                    let (namespace, name) = (workload.namespace, workload.name.as_str());
                    let (verb, object) = match call % 3 {
                        0 => ("get", object("apps", "deployments", "", namespace, name)),
                        1 => ("list", object("", "pods", "", namespace, "")),
                        _ => ("get", object("", "configmaps", "", namespace, name)),
                    };
                    self.plan(at, deployer, verb, object);
                }
            }
        }
        for (at, index) in rollouts(step.timetable, step.start, step.roster.len()) {
            if !(step.now..step.end).contains(&at) {
                continue;
            }
            let workload = &step.roster[index];
            let (namespace, name) = (workload.namespace, workload.name.as_str());
            self.plan(at, deployer, "patch", object("apps", "deployments", "", namespace, name));
            let revision = format!("{name}-{}", step.population.revision(index).0);
            let replica_set = object("apps", "replicasets", "", namespace, &revision);
            self.plan(at + 300, self.society.controller, "create", replica_set);
            for poll in 1..=20 {
                let status = object("apps", "deployments", "", namespace, name);
                self.plan(at + poll * 15 * SECOND, deployer, "get", status);
            }
        }
    }

    fn plan_intruder(&mut self, step: &Step<'_>) {
        let Some((_, account)) = self.society.service_accounts.iter().find(|(index, _)| *index == TAKEN_OVER).copied()
        else {
            return;
        };
        let timetable = step.timetable;
        let secrets = || object("", "secrets", "", "", "");
        let mut deeds: Vec<(i64, &'static str, Object, u16)> = Vec::new();
        for second in [4, 11, 65] {
            deeds.push((timetable.takeover.0 + second * SECOND, "list", secrets(), 403));
        }
        let rules = object("authorization.k8s.io", "selfsubjectrulesreviews", "", "", "");
        deeds.push((timetable.takeover.0 + 80 * SECOND, "create", rules, 201));
        for second in [3, 9, 140, 400] {
            deeds.push((timetable.listed() + second * SECOND, "list", secrets(), 200));
        }
        let key = object("", "secrets", "", "payments", "acquirer-key");
        deeds.push((timetable.listed() + 31 * SECOND, "get", key, 200));
        let token = object("", "serviceaccounts", "token", "payments", "ledger");
        deeds.push((timetable.listed() + 52 * SECOND, "create", token, 201));
        for (at, verb, object, code) in deeds {
            if !(step.now..step.end).contains(&at) {
                continue;
            }
            let bound = bound_pod(step, TAKEN_OVER, 0);
            let request = self.plan(at, account, verb, object);
            (request.code, request.agent, request.bound) = (code, "curl/8.5.0", bound);
        }
        if (step.now..step.end).contains(&timetable.bound()) {
            let workload = &step.roster[TAKEN_OVER];
            let name = "debug-cart";
            let subject = (workload.name.as_str(), workload.namespace);
            let body =
                binding_body("ClusterRoleBinding", name, "cluster-admin", "ServiceAccount", subject.0, subject.1);
            let binding = object(RBAC, "clusterrolebindings", "", "", name);
            self.plan(timetable.bound(), self.society.operators[0], "create", binding).body = Some(body);
        }
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";

fn bound_pod(step: &Step<'_>, workload: usize, turn: u64) -> Option<BoundPod> {
    let pods = &step.population.pods[workload];
    let pod = pods.get((turn % pods.len().max(1) as u64) as usize)?;
    Some(BoundPod {
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        node: crate::node_name(pod.node),
        address: pod.address.clone(),
    })
}

fn binding_body(kind: &str, name: &str, role: &str, subject_kind: &str, subject: &str, namespace: &str) -> String {
    let place = if namespace.is_empty() {
        format!(r#""apiGroup":"{RBAC}","name":"{subject}""#)
    } else {
        format!(r#""name":"{subject}","namespace":"{namespace}""#)
    };
    format!(
        r#"{{"kind":"{kind}","apiVersion":"{RBAC}/v1","metadata":{{"name":"{name}"}},"subjects":[{{"kind":"{subject_kind}",{place}}}],"roleRef":{{"apiGroup":"{RBAC}","kind":"ClusterRole","name":"{role}"}}}}"#
    )
}
