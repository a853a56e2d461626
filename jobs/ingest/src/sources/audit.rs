//! Kubernetes audit events (`audit.k8s.io/v1`), one or many in a record, in whatever envelope.
//!
//! The signal's entity is the principal. Bodies are skipped while parsing, except the role and the subjects of a
//! (cluster) role binding; URIs are kept without their query, and only of non-resource requests; names of secrets and
//! tokens become hashes.

mod body;

use super::{Context, Source};
use crate::envelope;
use crate::fingerprint::Fingerprint;
use crate::identity::Named;
use crate::raw::Raw;
use crate::reading::{DropReason, Reading, Reject};
use crate::timestamp::{Timestamp, believe, parse_rfc3339};
use crate::workload;
use body::RequestBody;
use schemas::signal::{AuditEvent, Body, Quality};
use schemas::{Confidence, Entity, EntityKind, Signal, Text};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use std::collections::BTreeMap;

/// Principal of requests whose event names no user: the API server does so for some that it answers with 401.
pub const UNAUTHENTICATED: &str = "system:unauthenticated-unknown";

/// Bytes of a client's own audit id that are kept.
const AUDIT_ID_BYTES: usize = 64;
/// Bytes of the product in a user agent that are kept.
const AGENT_BYTES: usize = 40;
/// Subjects of a binding that are kept.
const SUBJECTS: usize = 16;

/// The source `audit`.
pub struct Audit;

impl Source for Audit {
    fn name(&self) -> &'static str {
        "audit"
    }

    fn doc(&self) -> &'static str {
        "Kubernetes audit events: Event, EventList, JSON lines, JSON in a string, Vector and Fluent Bit envelopes."
    }

    fn markers(&self) -> &'static [&'static str] {
        &["auditID"]
    }

    fn holds_bodies(&self) -> bool {
        true
    }

    fn read(&self, raw: &Raw<'_>, context: &Context<'_>, out: &mut Reading) -> Result<(), Reject> {
        let documents = envelope::documents(raw.value.unwrap_or_default(), self.markers(), &context.config.limits)?;
        let single = documents.len() == 1;
        out.expect(documents.len() as u64);
        let limit = context.config.limits.items;
        out.drop_items(DropReason::Overflow, documents.len().saturating_sub(limit) as u64);
        for document in documents.into_iter().take(limit) {
            match document.as_deref().map_or_else(|| Err(Reject::decode("the record is not JSON")), parse) {
                Ok(event) => {
                    let signal = signal(&event, raw, context, out);
                    out.carry(signal, 1);
                }
                Err(reject) if single => return Err(reject),
                Err(_) => out.drop_items(DropReason::Malformed, 1),
            }
        }
        Ok(())
    }
}

/// What is read of an event; everything else is skipped.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Event {
    level: String,
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    #[serde(deserialize_with = "or_default")]
    user: User,
    #[serde(deserialize_with = "or_default")]
    impersonated_user: User,
    #[serde(rename = "sourceIPs", deserialize_with = "or_default")]
    source_ips: Vec<String>,
    user_agent: String,
    #[serde(deserialize_with = "or_default")]
    object_ref: ObjectRef,
    #[serde(deserialize_with = "or_default")]
    response_status: ResponseStatus,
    request_object: Option<RequestBody>,
    response_object: Option<IgnoredAny>,
    request_received_timestamp: String,
    stage_timestamp: String,
    #[serde(deserialize_with = "or_default")]
    annotations: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    username: String,
    #[serde(deserialize_with = "or_default")]
    extra: BTreeMap<String, Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    resource: String,
    namespace: String,
    name: String,
    api_group: String,
    subresource: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseStatus {
    code: i32,
}

fn parse(document: &str) -> Result<Event, Reject> {
    let event: Event = serde_json::from_str(document).map_err(|error| Reject::json("the event", &error))?;
    for (field, value) in [("auditID", &event.audit_id), ("stage", &event.stage), ("verb", &event.verb)] {
        if value.is_empty() {
            return Err(Reject::decode(format!("the event has no `{field}`; allowed are events of audit.k8s.io/v1")));
        }
    }
    Ok(event)
}

fn signal(event: &Event, raw: &Raw<'_>, context: &Context<'_>, out: &mut Reading) -> Signal<'static> {
    let cluster = context.told_cluster(raw).unwrap_or(&context.config.cluster);
    let mut signal = context.signal(raw, Audit.name(), cluster);
    let received = parse_rfc3339(&event.request_received_timestamp);
    let staged = parse_rfc3339(&event.stage_timestamp);
    let happened = staged.or(received).map_or(0, Timestamp::millis);
    let believed = believe(happened, raw.timestamp, &context.config.time);
    signal.event_time = believed.time;
    if believed.skewed {
        signal.quality.push(Quality::Skewed);
    }
    let trimmed_before = out.trimmed;
    let mut text = |value: &str| {
        let capped = context.capped(value);
        out.trimmed += u64::from(capped.len() < value.len());
        capped.to_owned()
    };
    let username = text(&event.user.username);
    let known_user = !username.is_empty();
    let name = if known_user { username.as_str() } else { UNAUTHENTICATED };
    signal.entity = principal(name);
    let object = &event.object_ref;
    let namespace = text(&object.namespace);
    let shown_name = match context.config.redaction.object_name(
        &object.namespace,
        &object.resource,
        &object.subresource,
        &object.name,
    ) {
        Some(hash) => {
            signal.redacted.push(Text::from("objectRef.name"));
            hash
        }
        None => text(&object.name),
    };
    let resource = match object.api_group.as_str() {
        "" => text(&object.resource),
        group => text(&format!("{}.{group}", object.resource)),
    };
    let (path, has_query) = match event.request_uri.split_once('?') {
        Some((path, _)) => (path, true),
        None => (event.request_uri.as_str(), false),
    };
    let binding = binding_body(event);
    let role = binding.and_then(|body| body.role.as_ref()).map(|role| format!("{}/{}", role.kind, role.name));
    let subjects = binding.map(|body| subjects(body, &mut text)).unwrap_or_default();
    let pod = bound_to(event, "pod-name").map(&mut text).unwrap_or_default();
    let pod_uid = bound_to(event, "pod-uid").map(&mut text).unwrap_or_default();
    let namespace_of_account = service_account_namespace(&event.user.username);
    let named = Named {
        tenant: context.tenant(),
        cluster,
        uid: &pod_uid,
        namespace: namespace_of_account,
        name: &pod,
        address: "",
        at: received.map_or(raw.timestamp, Timestamp::millis),
    };
    // A token is bound to a pod of its account's namespace.
    let known = context.identities.pod(&named).filter(|known| known.namespace == namespace_of_account);
    let (pod, pod_uid) = known.as_ref().map_or((pod.as_str(), pod_uid.as_str()), |known| (known.name, known.uid));
    let workload = match &known {
        Some(known) => known.workload.entity(known.namespace).key(),
        None => workload_of(pod, event),
    };
    let body = AuditEvent {
        audit_id: Text::from(capped_to(&event.audit_id, AUDIT_ID_BYTES).to_owned()),
        fingerprint: fingerprint(event, cluster, received),
        stage: Text::from(text(&event.stage)),
        level: Text::from(text(&event.level)),
        verb: Text::from(text(&event.verb).to_ascii_lowercase()),
        resource: Text::from(resource),
        subresource: Text::from(text(&object.subresource)),
        namespace: Text::from(namespace),
        name: Text::from(shown_name),
        // Of a resource request the path repeats the names, also those of secrets, and what follows `proxy/`.
        path: Text::from(if object.resource.is_empty() { text(path) } else { String::new() }),
        code: event.response_status.code,
        decision: Text::from(decision(event)),
        source_ip: Text::from(event.source_ips.last().map(|address| text(address)).unwrap_or_default()),
        agent: Text::from(agent_family(&event.user_agent)),
        workload: Text::from(workload),
        pod: Text::from(schemas::pod::reference(pod, pod_uid).into_owned()),
        impersonated: Text::from(text(&event.impersonated_user.username)),
        role: Text::from(role.map(|role| text(&role)).unwrap_or_default()),
        subjects,
        latency: latency(received, staged),
    };
    for (present, path) in [
        (event.request_object.is_some(), "requestObject"),
        (has_query, "requestURI.query"),
        (event.response_object.is_some(), "responseObject"),
    ] {
        if present {
            signal.redacted.push(Text::from(path));
        }
    }
    if out.trimmed > trimmed_before {
        signal.quality.push(Quality::Truncated);
    }
    if !known_user {
        signal.confidence = Confidence::Unresolved;
        signal.quality.push(Quality::Unattributed);
    }
    signal.body = Body::AuditEvent(body);
    signal
}

/// What duplicates are recognised by: a client chooses the audit id, but not these together.
fn fingerprint(event: &Event, cluster: &str, received: Option<Timestamp>) -> i64 {
    let received = received.map_or(0, |time| time.micros);
    let hash = [
        cluster.as_bytes(),
        event.audit_id.as_bytes(),
        event.stage.as_bytes(),
        &received.to_be_bytes(),
        event.user.username.as_bytes(),
        event.verb.as_bytes(),
        event.request_uri.as_bytes(),
    ]
    .into_iter()
    .fold(Fingerprint::new(), Fingerprint::field);
    i64::from_ne_bytes(hash.value().to_ne_bytes())
}

/// The principal of a user name as the API server writes it.
fn principal(username: &str) -> Entity<'static> {
    workload::entity(EntityKind::Principal, service_account_namespace(username), "", username)
}

fn service_account_namespace(username: &str) -> &str {
    let account = username.strip_prefix("system:serviceaccount:").and_then(|account| account.split_once(':'));
    account.map_or("", |(namespace, _)| namespace)
}

/// Key of the workload of the pod that a service account's token is bound to; empty where there is none. A pod lives in
/// the namespace of its service account.
fn workload_of(pod: &str, event: &Event) -> String {
    let namespace = service_account_namespace(&event.user.username);
    let node = bound_to(event, "node-name").unwrap_or_default();
    let found = workload::from_pod_name(pod, node).filter(|_| !namespace.is_empty());
    found.map(|found| found.entity(namespace).key()).unwrap_or_default()
}

/// Keys of the principals that a binding names, sorted. A group is none: nobody acts as a group.
fn subjects(body: &RequestBody, text: &mut impl FnMut(&str) -> String) -> Vec<Text<'static>> {
    let names = body.subjects.iter().filter_map(|subject| subject.username());
    let mut keys: Vec<String> = names.take(SUBJECTS).map(|name| principal(&text(&name)).key()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter().map(Text::from).collect()
}

/// The product of a user agent without its version: `kubectl/v1.30 (linux)` and its next release are one client.
fn agent_family(agent: &str) -> String {
    let product = agent.trim().split(['/', ' ', '(']).next().unwrap_or_default();
    let clean: String = product
        .chars()
        .map(|letter| letter.to_ascii_lowercase())
        .map(|letter| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '_' })
        .collect();
    capped_to(&clean, AGENT_BYTES).to_owned()
}

fn decision(event: &Event) -> &'static str {
    match event.annotations.get("authorization.k8s.io/decision").map(String::as_str) {
        Some("allow") => "allow",
        Some("forbid") => "forbid",
        _ => "",
    }
}

/// What the token is bound to: `pod-name`, `node-name`.
fn bound_to<'e>(event: &'e Event, what: &str) -> Option<&'e str> {
    let names = event.user.extra.get(&format!("authentication.kubernetes.io/{what}"))?;
    names.first().map(String::as_str)
}

/// The body, where it is a binding that is written.
fn binding_body(event: &Event) -> Option<&RequestBody> {
    let binding = matches!(event.object_ref.resource.as_str(), "rolebindings" | "clusterrolebindings");
    let write = matches!(event.verb.as_str(), "create" | "update" | "patch");
    event.request_object.as_ref().filter(|_| binding && write)
}

fn latency(received: Option<Timestamp>, staged: Option<Timestamp>) -> i64 {
    match (received, staged) {
        (Some(received), Some(staged)) => (staged.micros.saturating_sub(received.micros) / 1_000).max(0),
        _ => 0,
    }
}

fn capped_to(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

/// `null` reads as nothing.
fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
