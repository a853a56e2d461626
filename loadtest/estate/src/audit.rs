//! One audited API request and its line: `audit.k8s.io/v1` Event, stage ResponseComplete.
//!
//! Lines are written field by field, not through a map, so that their bytes depend on nothing but the request.

use crate::calendar::micros_text;
use crate::naming;
use crate::random::Random;
use std::fmt::Write as _;

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub(crate) username: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    pub(crate) agent: &'static str,
    pub(crate) address: String,
}

/// The pod a token is bound to.
#[derive(Clone, Debug)]
pub(crate) struct BoundPod {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) node: String,
    pub(crate) address: String,
}

/// What is asked for: group, resource, subresource, namespace, name; empty where there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    pub(crate) group: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) subresource: &'static str,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Milliseconds since the Unix epoch.
    pub(crate) at: i64,
    pub(crate) principal: usize,
    pub(crate) verb: &'static str,
    pub(crate) object: Object,
    pub(crate) code: u16,
    /// The request's body; its presence raises the level to Request.
    pub(crate) body: Option<String>,
    /// Agent other than the principal's usual one; empty for the usual one.
    pub(crate) agent: &'static str,
    pub(crate) bound: Option<BoundPod>,
}

impl Request {
    /// The time the response was complete, milliseconds, and the line.
    pub(crate) fn line(&self, principal: &Principal, random: &mut Random) -> (i64, String) {
        let received = self.at * 1_000 + random.below(1_000) as i64;
        // A watch is told of when it ends, minutes after it began.
        let latency = if self.verb == "watch" {
            300_000_000 + random.below(240_000_000) as i64
        } else {
            700 + random.below(9_000) as i64
        };
        let complete = received;
        let received = received - latency;
        let mut line = String::with_capacity(1_024);
        let level = if self.body.is_some() { "Request" } else { "Metadata" };
        let agent = if self.agent.is_empty() { principal.agent } else { self.agent };
        let address = self.bound.as_ref().map_or(&principal.address, |pod| &pod.address);
        let decision = if self.code == 403 { "forbid" } else { "allow" };
        let _ = write!(
            line,
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"{level}","auditID":"{}","stage":"ResponseComplete","requestURI":"{}","verb":"{}","user":{},"sourceIPs":["{address}"],"userAgent":"{agent}","objectRef":{},"responseStatus":{}"#,
            naming::uid(random),
            self.uri(),
            self.verb,
            self.user(principal),
            self.object_ref(),
            self.status(principal),
        );
        if let Some(body) = &self.body {
            let _ = write!(line, r#","requestObject":{body}"#);
        }
        let _ = write!(
            line,
            r#","requestReceivedTimestamp":"{}","stageTimestamp":"{}","annotations":{{"authorization.k8s.io/decision":"{decision}","authorization.k8s.io/reason":""}}}}"#,
            micros_text(received),
            micros_text(complete),
        );
        (complete / 1_000, line)
    }

    fn uri(&self) -> String {
        let object = &self.object;
        let mut uri = if object.group.is_empty() {
            "/api/v1".to_owned()
        } else {
            format!("/apis/{}/{}", object.group, version(object.group))
        };
        if !object.namespace.is_empty() {
            uri.push_str("/namespaces/");
            uri.push_str(&object.namespace);
        }
        let created = self.verb == "create" && object.subresource.is_empty();
        for part in [object.resource, if created { "" } else { &object.name }, object.subresource] {
            if !part.is_empty() {
                uri.push('/');
                uri.push_str(part);
            }
        }
        match self.verb {
            "watch" => uri.push_str("?allowWatchBookmarks=true&watch=true"),
            "list" => uri.push_str("?limit=500"),
            _ => {}
        }
        uri
    }

    fn user(&self, principal: &Principal) -> String {
        let mut user = format!(r#"{{"username":"{}","uid":"{}","groups":["#, principal.username, principal.uid);
        for (index, group) in principal.groups.iter().enumerate() {
            let _ = write!(user, r#"{}"{group}""#, if index == 0 { "" } else { "," });
        }
        user.push(']');
        if let Some(pod) = &self.bound {
            let _ = write!(
                user,
                r#","extra":{{"authentication.kubernetes.io/node-name":["{}"],"authentication.kubernetes.io/pod-name":["{}"],"authentication.kubernetes.io/pod-uid":["{}"]}}"#,
                pod.node, pod.name, pod.uid
            );
        }
        user.push('}');
        user
    }

    fn object_ref(&self) -> String {
        let object = &self.object;
        let mut reference = format!(r#"{{"resource":"{}""#, object.resource);
        let fields = [
            ("namespace", object.namespace.as_str()),
            ("name", &object.name),
            ("apiGroup", object.group),
            ("apiVersion", version(object.group)),
            ("subresource", object.subresource),
        ];
        for (field, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            let _ = write!(reference, r#","{field}":"{value}""#);
        }
        reference.push('}');
        reference
    }

    fn status(&self, principal: &Principal) -> String {
        let object = &self.object;
        let (reason, message) = match self.code {
            403 => (
                "Forbidden",
                format!(
                    "{} is forbidden: User \"{}\" cannot {} resource \"{}\" in API group \"{}\" at the cluster scope",
                    object.resource, principal.username, self.verb, object.resource, object.group
                ),
            ),
            404 => ("NotFound", format!("{} \"{}\" not found", object.resource, object.name)),
            409 => ("Conflict", format!("{} \"{}\": the object has been modified", object.resource, object.name)),
            code => return format!(r#"{{"metadata":{{}},"code":{code}}}"#),
        };
        let message = serde_json::Value::String(message).to_string();
        format!(
            r#"{{"metadata":{{}},"status":"Failure","message":{message},"reason":"{reason}","code":{}}}"#,
            self.code
        )
    }
}

fn version(_group: &str) -> &'static str {
    // Every group the estate's principals use has reached version 1.
    "v1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_list_reads_as_the_api_server_writes_it() {
        let principal = Principal {
            username: "system:serviceaccount:shop:cart".to_owned(),
            uid: "u".to_owned(),
            groups: vec!["system:serviceaccounts".to_owned()],
            agent: "curl/8.5.0",
            address: "10.0.0.1".to_owned(),
        };
        let bound =
            BoundPod { name: "cart-1".into(), uid: "2".into(), node: "node-1".into(), address: "10.42.1.9".into() };
        let request = Request {
            at: 1_772_409_600_000,
            principal: 0,
            verb: "list",
            object: Object { resource: "secrets", ..Object::default() },
            code: 403,
            body: None,
            agent: "",
            bound: Some(bound),
        };
        let (at, line) = request.line(&principal, &mut Random::new(1, "audit"));
        let event: serde_json::Value = serde_json::from_str(&line).expect("the line is JSON");
        assert_eq!(at, 1_772_409_600_000);
        assert_eq!(event["requestURI"], "/api/v1/secrets?limit=500");
        assert_eq!(event["objectRef"], serde_json::json!({"resource": "secrets", "apiVersion": "v1"}));
        assert_eq!(event["responseStatus"]["code"], 403);
        assert_eq!(event["user"]["extra"]["authentication.kubernetes.io/pod-name"][0], "cart-1");
        assert_eq!(event["sourceIPs"][0], "10.42.1.9");
        assert_eq!(event["annotations"]["authorization.k8s.io/decision"], "forbid");
    }
}
