//! What can be read about a pod: what it is, whose it is, its Events, the ends of its logs.
//!
//! Invariant: what is kept is bounded, and values of environment variables, which may be secrets, are not kept. Logs and
//! Events are other people's words: they are kept as text and nothing is read out of them.

use crate::api::{Api, Refused};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Lines of a container's log, the last ones.
const LINES: usize = 200;
/// Longest text that is kept of one thing, bytes.
const LONGEST: usize = 16 << 10;
/// Containers whose logs are kept.
const CONTAINERS: usize = 8;
/// Events that are kept, the last ones.
const EVENTS: usize = 50;

/// Collects it, each under its name. What cannot be read is kept as why it cannot.
pub async fn collect(
    api: &Api,
    path: &str,
    pod: &Value,
    workload: &Value,
) -> Result<BTreeMap<String, String>, Refused> {
    let mut kept = BTreeMap::from([("pod".to_owned(), cut(description(pod, workload).to_string()))]);
    let metadata = &pod["metadata"];
    let (namespace, uid) =
        (metadata["namespace"].as_str().unwrap_or_default(), metadata["uid"].as_str().unwrap_or_default());
    let of_pod = format!("/api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.uid%3D{uid}");
    kept.insert("events".to_owned(), cut(events(&api.list(&of_pod).await?)));
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten().take(CONTAINERS);
    for name in containers.filter_map(|container| container["name"].as_str()) {
        let log = |previous: bool| {
            format!(
                "{path}/log?container={name}&tailLines={LINES}&limitBytes={LONGEST}&timestamps=true&previous={previous}"
            )
        };
        kept.insert(format!("log of {name}"), said(api.text(&log(false)).await));
        if restarts(pod, name) > 0 {
            kept.insert(format!("log of {name} before its last restart"), said(api.text(&log(true)).await));
        }
    }
    Ok(kept)
}

/// What a pod is: as its object says, without what may be secret.
fn description(pod: &Value, workload: &Value) -> Value {
    let (metadata, spec, status) = (&pod["metadata"], &pod["spec"], &pod["status"]);
    let containers = spec["containers"].as_array().into_iter().flatten();
    let mut annotations = metadata["annotations"].clone();
    // Repeats the whole object.
    annotations.as_object_mut().map(|all| all.remove("kubectl.kubernetes.io/last-applied-configuration"));
    let container = |one: &Value| {
        let variables = one["env"].as_array().into_iter().flatten();
        json!({
            "name": one["name"], "image": one["image"], "command": one["command"], "args": one["args"],
            "resources": one["resources"], "securityContext": one["securityContext"],
            "environment": variables.map(|variable| variable["name"].clone()).collect::<Vec<_>>(),
        })
    };
    json!({
        "name": metadata["name"], "uid": metadata["uid"], "created": metadata["creationTimestamp"],
        "labels": metadata["labels"], "annotations": annotations, "owners": metadata["ownerReferences"],
        "workload": {
            "kind": workload["kind"], "name": workload["metadata"]["name"], "uid": workload["metadata"]["uid"],
        },
        "node": spec["nodeName"], "account": spec["serviceAccountName"], "hostNetwork": spec["hostNetwork"],
        "containers": containers.map(container).collect::<Vec<_>>(),
        "phase": status["phase"], "podIP": status["podIP"], "conditions": status["conditions"],
        "containerStatuses": status["containerStatuses"],
    })
}

fn events(events: &[Value]) -> String {
    let line = |event: &Value| {
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        let at = [text("lastTimestamp"), text("eventTime")].into_iter().find(|at| !at.is_empty()).unwrap_or_default();
        format!("{at} {} {}: {}", text("type"), text("reason"), text("message"))
    };
    let mut lines: Vec<String> = events.iter().map(line).collect();
    lines.sort();
    lines.split_off(lines.len().saturating_sub(EVENTS)).join("\n")
}

fn restarts(pod: &Value, container: &str) -> i64 {
    let statuses = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
    let mut of = statuses.filter(|status| status["name"] == container);
    of.find_map(|status| status["restartCount"].as_i64()).unwrap_or(0)
}

fn said(log: Result<String, Refused>) -> String {
    cut(log.unwrap_or_else(|error| format!("not to be had: {error}")))
}

/// At most so long, and only whole characters: the end is kept, which is the newest.
fn cut(text: String) -> String {
    let mut from = text.len().saturating_sub(LONGEST);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_variables_are_not_kept_and_texts_are_cut_to_their_end() {
        let pod = json!({"spec": {"containers": [{"name": "app", "env": [{"name": "PASSWORD", "value": "hunter2"}]}]}});
        let kept = description(&pod, &Value::Null).to_string();
        assert!(kept.contains("PASSWORD") && !kept.contains("hunter2"), "{kept}");
        let long = "ü".repeat(LONGEST);
        assert_eq!(cut(long).len(), LONGEST);
        assert_eq!(cut(format!("{}x", "ü".repeat(LONGEST))).len(), LONGEST - 1);
    }

    #[test]
    fn events_are_told_in_the_order_of_their_time() {
        let event =
            |at: &str, reason: &str| json!({"lastTimestamp": at, "reason": reason, "type": "Normal", "message": "m"});
        let told = events(&[event("2026-01-02T00:00:00Z", "Killing"), event("2026-01-01T00:00:00Z", "Started")]);
        assert_eq!(told, "2026-01-01T00:00:00Z Normal Started: m\n2026-01-02T00:00:00Z Normal Killing: m");
    }
}
