//! Somebody changed a workload or what configures it: no alarm, but what an incident is asked about first.
//!
//! The finding is about what was changed, not about who changed it: a fault of the workload afterwards meets it there.

use super::{Context, Detector, Finding, Kind, Observation, Reads, term};
use crate::layout::fnv;
use crate::relations::is_done;
use crate::state::{Reader, put_number, put_signed};
use crate::{DetectError, score, sentence};
use schemas::signal::AuditEvent;
use schemas::{Band, Entity, EntityKind, Family, Related, Relation};

/// The line of this detector in the list of all.
pub const KIND: Kind = Kind {
    name: "change",
    family: Family::Change,
    doc: "Somebody who is no controller created, changed, scaled or deleted a workload, or a ConfigMap.",
    keys: &["change.enabled", "change.quiet"],
    reads: Reads::Audit,
    new: || Box::new(Change::default()),
    decode: |from| Ok(Box::new(Change::decode(from)?)),
};

/// Objects of one principal that are remembered to stay quiet about.
const OBJECTS: usize = 64;

/// Principals that only carry out what others changed; a `*` at the end stands for any ending.
const CONTROLLERS: [&str; 4] =
    ["system:apiserver", "system:kube-controller-manager", "system:node:*", "system:serviceaccount:kube-system:*"];

#[derive(Debug, Default)]
struct Change {
    /// Objects told of, by hash, and when, in the order they were told.
    told: Vec<(u64, i64)>,
    count: u64,
}

impl Detector for Change {
    fn observe(&mut self, observation: &Observation<'_>, context: &mut Context<'_>, out: &mut Vec<Finding>) {
        let Observation::Audit(event) = observation else { return };
        if !context.config.change.enabled || is_controller(&sentence::principal(context.entity)) {
            return;
        }
        let Some(changed) = changed(event).filter(|_| is_done(event)) else { return };
        self.count += 1;
        if !self.tell(event, context.time, context.config.change.quiet) {
            context.counts.repeated += 1;
            return;
        }
        out.push(self.finding(event, changed, context));
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.count);
        put_number(out, self.told.len() as u64);
        for (object, time) in &self.told {
            put_number(out, *object);
            put_signed(out, *time);
        }
    }

    fn heap_bytes(&self) -> usize {
        self.told.capacity() * size_of::<(u64, i64)>()
    }
}

impl Change {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut change = Change { count: from.number()?, ..Change::default() };
        for _ in 0..from.count()? {
            change.told.push((from.number()?, from.signed()?));
        }
        Ok(change)
    }

    /// True when this object was not told of within the quiet time.
    fn tell(&mut self, event: &AuditEvent<'_>, time: i64, quiet: i64) -> bool {
        let object = fnv([event.resource.as_str(), &event.namespace, &event.name].join("/").as_bytes());
        if self.told.iter().any(|&(told, since)| told == object && time.saturating_sub(since) < quiet) {
            return false;
        }
        self.told.retain(|&(told, since)| told != object && time.saturating_sub(since) < quiet);
        if self.told.len() >= OBJECTS {
            self.told.remove(0);
        }
        self.told.push((object, time));
        true
    }

    fn finding(&self, event: &AuditEvent<'_>, changed: Changed, context: &Context<'_>) -> Finding {
        let who = sentence::entity(context.entity);
        let what = match event.subresource.as_str() {
            "" => event.resource.as_str().to_owned(),
            subresource => format!("{}/{subresource}", event.resource),
        };
        let namespace = event.namespace.as_str();
        Finding {
            about: Some(changed.entity),
            related: vec![Related { relation: Relation::ChangedBy, entity: context.entity.to_owned() }],
            measure: format!("{} {what}", event.verb),
            family: Family::Change,
            band: Band::Unusual,
            raw: 1.0,
            p: None,
            score: score::rule(Band::Unusual),
            sentence: format!("{who} {} {} `{namespace}/{}`", did(event), changed.kind.to_lowercase(), event.name),
            terms: vec![
                term("status", f64::from(event.code), ""),
                term("changes by this principal", self.count as f64, ""),
            ],
            instances: Vec::new(),
            onset: context.time,
            baseline_count: self.count as i64,
            baseline_since: context.time,
        }
    }
}

/// What was changed.
struct Changed {
    /// The workload, or the namespace whose configuration it is.
    entity: Entity<'static>,
    /// Kubernetes kind of the object.
    kind: &'static str,
}

/// The workload that a request writes; none for another request.
fn changed(event: &AuditEvent<'_>) -> Option<Changed> {
    let write = matches!(event.verb.as_str(), "create" | "update" | "patch" | "delete");
    let spec = event.subresource.is_empty() || event.subresource == "scale";
    if !write || !spec || event.name.is_empty() || event.namespace.is_empty() {
        return None;
    }
    let kind = match event.resource.as_str() {
        "configmaps" => {
            let name = event.namespace.as_str().to_owned().into();
            let entity = Entity { kind: EntityKind::Namespace, name, ..Entity::default() };
            return Some(Changed { entity, kind: "ConfigMap" });
        }
        "cronjobs.batch" => "CronJob",
        "daemonsets.apps" => "DaemonSet",
        "deployments.apps" => "Deployment",
        "jobs.batch" => "Job",
        "rollouts.argoproj.io" => "Rollout",
        "statefulsets.apps" => "StatefulSet",
        _ => return None,
    };
    let entity = Entity {
        kind: EntityKind::Workload,
        namespace: event.namespace.as_str().to_owned().into(),
        workload_kind: kind.into(),
        name: event.name.as_str().to_owned().into(),
    };
    Some(Changed { entity, kind })
}

fn did(event: &AuditEvent<'_>) -> &'static str {
    match (event.subresource.as_str(), event.verb.as_str()) {
        ("scale", _) => "scaled",
        (_, "create") => "created",
        (_, "delete") => "deleted",
        (_, "update") => "updated",
        _ => "patched",
    }
}

fn is_controller(principal: &str) -> bool {
    CONTROLLERS.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => principal.starts_with(beginning),
        None => principal == *pattern,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Baseline, Config, Counts};
    use schemas::signal::Body;
    use schemas::{Anomaly, Confidence, OffsetRange, Signal};

    const MINUTE: i64 = 60_000;

    /// What is told of requests by a principal, each given by its minute.
    fn told(principal: &str, requests: &[(i64, AuditEvent<'static>)]) -> Vec<Anomaly<'static>> {
        let (mut baseline, mut out, mut counts) = (Baseline::new(), Vec::new(), Counts::default());
        for (fingerprint, (minute, event)) in requests.iter().enumerate() {
            let event = AuditEvent { fingerprint: fingerprint as i64, ..event.clone() };
            let signal = Signal {
                entity: Entity { kind: EntityKind::Principal, name: principal.into(), ..Entity::default() },
                confidence: Confidence::High,
                event_time: minute * MINUTE,
                body: Body::AuditEvent(event),
                ..Signal::default()
            };
            baseline.observe(&signal, &OffsetRange::default(), &Config::default(), None, &mut out, &mut counts);
        }
        out.retain(|anomaly| anomaly.detector == "change");
        out
    }

    fn request(verb: &'static str, resource: &'static str, name: &'static str) -> AuditEvent<'static> {
        AuditEvent {
            stage: "ResponseComplete".into(),
            verb: verb.into(),
            resource: resource.into(),
            namespace: "shop".into(),
            name: name.into(),
            code: 200,
            workload: "workload/tools/Deployment/deployer".into(),
            ..AuditEvent::default()
        }
    }

    #[test]
    fn a_change_is_about_the_workload_and_names_who_made_it() {
        let told = told("alice@corp.example", &[(0, request("patch", "deployments.apps", "cart"))]);
        let [change] = told.as_slice() else { panic!("one: {told:?}") };
        assert_eq!(change.entity.key(), "workload/shop/Deployment/cart");
        assert_eq!(change.sentence, "`alice@corp.example` patched deployment `shop/cart`");
        assert_eq!((change.family, change.band, change.score), (Family::Change, Band::Unusual, 30.0));
        let [related] = change.related.as_slice() else {
            panic!("the principal's own relations are not the workload's")
        };
        assert_eq!((related.relation, related.entity.name.as_str()), (Relation::ChangedBy, "alice@corp.example"));
    }

    #[test]
    fn every_kind_of_workload_its_scale_and_its_configuration_count() {
        for (resource, key) in [
            ("configmaps", "namespace///shop"),
            ("cronjobs.batch", "workload/shop/CronJob/x"),
            ("daemonsets.apps", "workload/shop/DaemonSet/x"),
            ("jobs.batch", "workload/shop/Job/x"),
            ("rollouts.argoproj.io", "workload/shop/Rollout/x"),
            ("statefulsets.apps", "workload/shop/StatefulSet/x"),
        ] {
            let told = told("alice", &[(0, request("delete", resource, "x"))]);
            assert_eq!(told.iter().map(|change| change.entity.key()).collect::<Vec<_>>(), [key]);
        }
        let scale = AuditEvent { subresource: "scale".into(), ..request("patch", "deployments.apps", "cart") };
        assert_eq!(told("alice", &[(0, scale)])[0].sentence, "`alice` scaled deployment `shop/cart`");
    }

    #[test]
    fn controllers_readers_failures_and_status_change_nothing() {
        let write = request("update", "deployments.apps", "cart");
        for controller in [
            "system:kube-controller-manager",
            "system:node:a",
            "system:serviceaccount:kube-system:horizontal-pod-autoscaler",
        ] {
            assert_eq!(told(controller, &[(0, write.clone())]), [], "{controller}");
        }
        for nothing in [
            request("get", "deployments.apps", "cart"),
            request("update", "deployments.apps", ""),
            request("update", "pods", "cart"),
            AuditEvent { code: 409, ..write.clone() },
            AuditEvent { code: 0, stage: "RequestReceived".into(), ..write.clone() },
            AuditEvent { subresource: "status".into(), ..write.clone() },
        ] {
            assert_eq!(told("alice", &[(0, nothing.clone())]), [], "{nothing:?}");
        }
        assert_eq!(told("system:serviceaccount:argocd:deployer", &[(0, write)]).len(), 1);
    }

    #[test]
    fn an_object_is_told_again_after_ten_minutes_and_another_at_once() {
        let cart = || request("patch", "deployments.apps", "cart");
        let pay = request("patch", "deployments.apps", "pay");
        let told = told("alice", &[(0, cart()), (5, cart()), (6, pay), (10, cart())]);
        let minutes: Vec<i64> = told.iter().map(|change| change.event_time / MINUTE).collect();
        assert_eq!(minutes, [0, 6, 10]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut change = Change::default();
        for number in 0..1_000 {
            let event = AuditEvent { name: format!("w{number}").into(), ..request("patch", "deployments.apps", "") };
            assert!(change.tell(&event, number, 10 * MINUTE));
        }
        assert_eq!(change.told.len(), OBJECTS);
    }
}
