//! What audit events become, and what never leaves them.

use ingest::{Config, DropReason, Processed, Raw, TopicConfig, process};
use schemas::Confidence;
use schemas::signal::{AuditEvent, Body, Quality};

const SECRET: &str = "planted-not-a-secret";

fn read(value: &str) -> Processed {
    let raw = Raw { topic: "k8s-audit", timestamp: 1_785_578_400_500, value: Some(value.as_bytes()), ..Raw::default() };
    process(&raw, &Config::default())
}

fn event(fields: &str) -> String {
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"a-1",
            "stage":"ResponseComplete","verb":"create","requestReceivedTimestamp":"2026-08-01T10:00:00.123456Z",
            "stageTimestamp":"2026-08-01T10:00:00.130001Z",{fields}}}"#
    )
}

fn only(value: &str) -> (schemas::Signal<'static>, AuditEvent<'static>) {
    let mut read = read(value);
    assert!(read.dead_letter.is_none(), "{read:?}");
    let signal = read.reading.signals.pop().expect("one signal");
    let Body::AuditEvent(body) = signal.body.clone() else { panic!("an audit event: {signal:?}") };
    (signal, body)
}

#[test]
fn an_event_is_about_its_principal() {
    let (signal, body) = only(&event(
        r#""user":{"username":"system:serviceaccount:shop:cart",
            "extra":{"authentication.kubernetes.io/pod-name":["cart-7848d6c4d5-th9v2"]}},
           "impersonatedUser":{"username":"root"},"sourceIPs":["203.0.113.9","10.0.0.7"],"userAgent":"curl/8.5.0",
           "requestURI":"/apis/apps/v1/namespaces/shop/deployments?fieldManager=x",
           "objectRef":{"resource":"deployments","apiGroup":"apps","namespace":"shop","name":"cart"},
           "responseStatus":{"code":403},"annotations":{"authorization.k8s.io/decision":"forbid"}"#,
    ));
    assert_eq!(signal.entity.key(), "principal/shop//system:serviceaccount:shop:cart");
    assert_eq!(signal.event_time, 1_785_578_400_130);
    assert_eq!(
        (body.resource.as_str(), body.namespace.as_str(), body.name.as_str()),
        ("deployments.apps", "shop", "cart")
    );
    assert_eq!((body.code, body.decision.as_str(), body.latency), (403, "forbid", 6));
    assert_eq!((body.source_ip.as_str(), body.agent.as_str()), ("10.0.0.7", "curl"), "only the last IP is trusted");
    assert_eq!((body.pod.as_str(), body.impersonated.as_str()), ("cart-7848d6c4d5-th9v2", "root"));
    assert_eq!(body.path, "", "a resource request needs no path");
    assert_eq!(signal.redacted, ["requestURI.query"]);
}

#[test]
fn the_pod_of_a_token_is_known_by_name_and_by_uid() {
    let pod = |uid: &str| {
        let fields = format!(
            r#""user":{{"username":"system:serviceaccount:shop:cart",
               "extra":{{"authentication.kubernetes.io/pod-name":["cart-7848d6c4d5-th9v2"],
               "authentication.kubernetes.io/pod-uid":["{uid}"]}}}}"#
        );
        let body = only(&event(&fields)).1;
        assert_eq!(body.workload, "workload/shop/Deployment/cart");
        body.pod.to_string()
    };
    let uid = "11111111-2222-3333-4444-555555555555";
    assert_eq!(pod(uid), format!("cart-7848d6c4d5-th9v2/{uid}"));
    assert_eq!(pod("someone-elses"), "cart-7848d6c4d5-th9v2");
}

#[test]
fn a_request_without_a_user_still_counts() {
    let (signal, _) = only(&event(r#""user":{},"responseStatus":{"code":401}"#));
    assert_eq!(signal.entity.name, "system:unauthenticated-unknown");
    assert_eq!(
        (signal.confidence, signal.quality.as_slice()),
        (Confidence::Unresolved, [Quality::Unattributed].as_slice())
    );
}

#[test]
fn the_role_of_a_binding_is_read_and_nothing_else_of_the_body() {
    let binding = r#""objectRef":{"resource":"clusterrolebindings","apiGroup":"rbac.authorization.k8s.io","name":"b"},
        "requestObject":{"subjects":[{"name":"planted-not-a-secret"}],"roleRef":{"kind":"ClusterRole","name":"cluster-admin"}}"#;
    let (signal, body) = only(&event(binding));
    assert_eq!(body.role, "ClusterRole/cluster-admin");
    assert_eq!(signal.redacted, ["requestObject"]);
    assert!(body.subjects.is_empty(), "a subject without a kind is nobody");
    let other = binding.replace("clusterrolebindings", "configmaps");
    assert_eq!(only(&event(&other)).1.role, "", "a body that only looks like a binding is none");
    for odd in [
        r#"[{"op":"add"}]"#,
        r#""text""#,
        "1",
        "null",
        r#"{"roleRef":"text"}"#,
        r#"{"roleRef":null}"#,
        r#"{"subjects":"text"}"#,
        r#"{"subjects":[1,null,{"kind":7}]}"#,
    ] {
        let fields = format!(r#""objectRef":{{"resource":"rolebindings"}},"requestObject":{odd}"#);
        assert!(only(&event(&fields)).1.role.len() <= 1, "{odd}");
    }
}

#[test]
fn a_binding_names_the_principals_that_it_gives_its_role_to() {
    let binding = |subjects: &str, resource: &str| {
        let fields = format!(
            r#""objectRef":{{"resource":"{resource}","apiGroup":"rbac.authorization.k8s.io","name":"b"}},
               "requestObject":{{"subjects":[{subjects}],"roleRef":{{"kind":"ClusterRole","name":"cluster-admin"}}}}"#
        );
        only(&event(&fields)).1.subjects
    };
    let account = r#"{"kind":"ServiceAccount","namespace":"shop","name":"cart"}"#;
    let user = r#"{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"https://sso.example/alice"}"#;
    let group = r#"{"kind":"Group","name":"system:masters"}"#;
    let all = [user, account, group, "7", account].join(",");
    let expected = ["principal///https://sso.example/alice", "principal/shop//system:serviceaccount:shop:cart"];
    assert_eq!(binding(&all, "rolebindings"), expected);
    assert!(binding(&all, "configmaps").is_empty(), "a body that only looks like a binding names nobody");
    let many: Vec<String> = (0..100).map(|number| format!(r#"{{"kind":"User","name":"user-{number}"}}"#)).collect();
    assert_eq!(binding(&many.join(","), "clusterrolebindings").len(), 16);
}

#[test]
fn the_workload_of_a_token_is_that_of_its_pod_in_the_accounts_namespace() {
    let workload = |username: &str, pod: &str, node: &str| {
        let fields = format!(
            r#""user":{{"username":"{username}","extra":{{"authentication.kubernetes.io/pod-name":["{pod}"],
               "authentication.kubernetes.io/node-name":["{node}"]}}}}"#
        );
        only(&event(&fields)).1.workload.to_string()
    };
    let account = "system:serviceaccount:shop:cart";
    assert_eq!(workload(account, "cart-7848d6c4d5-th9v2", "node-1"), "workload/shop/Deployment/cart");
    assert_eq!(workload(account, "pg-0", ""), "workload/shop/StatefulSet/pg");
    assert_eq!(workload(account, "etcd-control-1", "control-1"), "workload/shop/Pod/etcd");
    assert_eq!(workload(account, "", "node-1"), "");
    assert_eq!(workload("alice", "cart-7848d6c4d5-th9v2", "node-1"), "", "a person has no pod");
}

#[test]
fn a_client_cannot_hide_behind_its_own_audit_id() {
    let one = only(&event(r#""user":{"username":"a"},"requestURI":"/api/v1/pods""#)).1;
    let other = only(&event(r#""user":{"username":"a"},"requestURI":"/api/v1/secrets""#)).1;
    assert_eq!(one.audit_id, other.audit_id);
    assert_ne!(one.fingerprint, other.fingerprint);
    let again = only(&event(r#""user":{"username":"a"},"requestURI":"/api/v1/pods""#)).1;
    assert_eq!(one.fingerprint, again.fingerprint);
    let long = event(r#""user":{}"#).replace("a-1", &"x".repeat(10_000));
    assert_eq!(only(&long).1.audit_id.len(), 64);
}

#[test]
fn a_list_is_exploded_and_its_broken_items_are_counted() {
    let good = event(r#""user":{"username":"a"}"#);
    let list =
        format!(r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{good},{{"auditID":"x"}},7,{good}]}}"#);
    let read = read(&list);
    assert_eq!((read.reading.items, read.reading.carried), (4, 2));
    assert_eq!(read.reading.dropped.get(&DropReason::Malformed), Some(&2));
}

#[test]
fn secrets_planted_in_every_field_that_may_hold_one_never_come_out() {
    // Bodies of every shape, command lines, names of secrets and tokens, messages; and each of them again in a
    // record that is broken at its end, so that it becomes a dead letter.
    let fields = [
        r#""requestObject":{"data":{"k":"@"},"stringData":{"@":"@"},"metadata":{"annotations":{"a":"@"}},"list":["@",{"@":"@"}]}"#,
        r#""requestObject":[{"op":"replace","path":"@","value":"@"}]"#,
        r#""requestObject":"@""#,
        r#""responseObject":{"status":{"token":"@"},"data":{"k":"@"}}"#,
        r#""responseStatus":{"code":404,"message":"@","reason":"@","details":{"name":"@"}}"#,
        r#""requestURI":"/api/v1/namespaces/n/pods/p/exec?command=--token%3D@&command=@","objectRef":{"resource":"pods","subresource":"exec","namespace":"n","name":"p"}"#,
        r#""requestURI":"/api/v1/namespaces/n/services/s/proxy/login/@","objectRef":{"resource":"services","subresource":"proxy","namespace":"n","name":"s"}"#,
        r#""requestURI":"/login?password=@""#,
        r#""requestURI":"/api/v1/namespaces/n/secrets/@","objectRef":{"resource":"secrets","namespace":"n","name":"@"}"#,
        r#""requestURI":"/api/v1/namespaces/n/serviceaccounts/@/token","objectRef":{"resource":"serviceaccounts","subresource":"token","namespace":"n","name":"@"}"#,
        r#""objectRef":{"resource":"oauthaccesstokens","apiGroup":"oauth.openshift.io","name":"@"}"#,
        r#""userAgent":"curl/8.5.0 (@)""#,
        r#""user":{"username":"a","uid":"@","groups":["@"],"extra":{"authentication.kubernetes.io/credential-id":["JTI=@"]}}"#,
        r#""annotations":{"authorization.k8s.io/reason":"@","other":"@"}"#,
        r#""sourceIPs":["@","10.0.0.7"]"#,
        r#""stageTimestamp2":"@","unknown":{"@":"@"}"#,
    ];
    for field in fields {
        let planted = event(&field.replace('@', SECRET));
        let wrapped = serde_json::to_string(&planted).expect("a string serialises");
        for value in [
            planted.clone(),
            wrapped.clone(),
            format!(r#"{{"log":{wrapped},"stream":"{SECRET}"}}"#),
            format!(r#"{{"kind":"EventList","items":[{planted},{{"auditID":"{SECRET}"}}]}}"#),
        ] {
            let read = read(&value);
            assert!(read.dead_letter.is_none() && read.reading.carried == 1, "{field}: {read:?}");
            assert_silent(&read, field);
        }
        for broken in [
            planted[..planted.len() - 1].to_owned(),
            planted.replace("ResponseComplete", ""),
            format!("{SECRET}{planted}"),
        ] {
            let read = read(&broken);
            assert!(read.dead_letter.is_some(), "{field}: {broken}");
            assert_silent(&read, field);
        }
    }
    for wrong in [r#""level":["@"]"#, r#""sourceIPs":"@""#, r#""responseStatus":{"code":"@"}"#, r#""user":"@""#] {
        let read = read(&event(&wrong.replace('@', SECRET)));
        assert!(read.dead_letter.is_some(), "{wrong}");
        assert_silent(&read, wrong);
    }
}

#[test]
fn an_unlisted_topic_guards_its_dead_letters_too() {
    let raw = Raw { topic: "who-knows", value: Some(b"{\"auditID\":\"planted-not-a-secret\""), ..Raw::default() };
    let read = process(&raw, &Config::default());
    assert!(read.dead_letter.is_some());
    assert_silent(&read, "sniffed");
}

#[test]
fn a_selector_may_let_names_through() {
    let mut config = Config::default();
    config.topics.insert("t".to_owned(), TopicConfig { source: "audit".to_owned(), ..TopicConfig::default() });
    config.redaction = serde_json::from_str(r#"{"allow_secret_names":[{"namespace":"n"}]}"#).expect("it is a selector");
    let value = event(r#""user":{},"objectRef":{"resource":"secrets","namespace":"n","name":"card-key"}"#);
    let read = process(&Raw { topic: "t", value: Some(value.as_bytes()), ..Raw::default() }, &config);
    assert!(format!("{read:?}").contains("card-key"));
}

/// Nothing of what a record became holds the secret, in any form that leaves the process.
fn assert_silent(read: &Processed, place: &str) {
    let parts = SECRET.len() / 2;
    for signal in &read.reading.signals {
        let text = serde_json::to_string(signal).expect("a signal serialises");
        assert!(!text.contains(&SECRET[..parts]), "{place}: {text}");
    }
    let text = format!("{read:?}");
    assert!(!text.contains(&SECRET[..parts]), "{place}: {text}");
    if let Some(letter) = &read.dead_letter {
        let bytes: Vec<u8> = letter
            .headers
            .iter()
            .flat_map(|(name, value)| name.bytes().chain(value.iter().copied()))
            .chain(letter.value.iter().flatten().copied())
            .chain(letter.key.iter().flatten().copied())
            .collect();
        assert!(!bytes.windows(parts).any(|window| window == &SECRET.as_bytes()[..parts]), "{place}");
    }
}
