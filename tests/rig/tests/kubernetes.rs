//! A real control plane comes, rolls out, refuses and replaces, and leaves nothing.

use rig::kubernetes::{Fault, Kubernetes, Proxy, Rule, available};
use rig::provided;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn pods_roll_out_are_replaced_and_evicted_within_their_budget() {
    if !provided(available()) {
        return;
    }
    let kubernetes = Kubernetes::start().expect("a control plane starts");
    kubernetes.kubectl(&["create", "deployment", "web", "--image=web:1", "--replicas=3"]).expect("it can be made");
    kubernetes.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]).expect("it rolls out");
    let pods = pods(&kubernetes);
    assert_eq!(pods.len(), 3);
    let address = kubernetes.kubectl(&["get", "pod", &pods[0], "--output=jsonpath={.status.podIP}"]);
    assert!(address.expect("it can be read").contains('.'), "a running pod has an address");

    // A pod that its ReplicaSet no longer selects goes on running, and another takes its place.
    kubernetes.kubectl(&["label", "pod", &pods[0], "app-"]).expect("a label can be taken away");
    until("another pod is there", || self::pods(&kubernetes).len() == 3);
    assert!(!self::pods(&kubernetes).contains(&pods[0]));
    let phase = kubernetes.kubectl(&["get", "pod", &pods[0], "--output=jsonpath={.status.phase}"]);
    assert_eq!(phase.expect("it is there"), "Running");

    kubernetes
        .kubectl(&["create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=3"])
        .expect("it can be made");
    until("the budget is counted", || {
        let allowed = ["get", "pdb", "web", "--output=jsonpath={.status.currentHealthy}"];
        kubernetes.kubectl(&allowed).is_ok_and(|healthy| healthy == "3")
    });
    let pod = self::pods(&kubernetes).remove(0);
    let eviction = format!(
        r#"{{"apiVersion":"policy/v1","kind":"Eviction","metadata":{{"name":"{pod}","namespace":"default"}}}}"#
    );
    let file = kubernetes.folder().join("eviction.json");
    std::fs::write(&file, eviction).expect("a file can be written");
    let path = format!("/api/v1/namespaces/default/pods/{pod}/eviction");
    let refused = kubernetes.kubectl(&["create", "--raw", &path, "--filename", &file.display().to_string()]);
    let refused = refused.expect_err("the budget allows none").to_string();
    assert!(refused.contains("disruption budget"), "{refused}");
}

#[test]
fn a_job_is_done_unless_it_is_to_go_on() {
    if !provided(available()) {
        return;
    }
    let kubernetes = Kubernetes::start().expect("a control plane starts");
    kubernetes.kubectl(&["create", "job", "once", "--image=once:1"]).expect("it can be made");
    kubernetes.kubectl(&["wait", "--for=condition=Complete", "job/once", "--timeout=60s"]).expect("it is done");
}

#[test]
fn a_token_may_what_its_role_says_and_every_request_is_in_the_audit_log() {
    if !provided(available()) {
        return;
    }
    let kubernetes = Kubernetes::start().expect("a control plane starts");
    kubernetes.kubectl(&["create", "serviceaccount", "reader"]).expect("it can be made");
    kubernetes.kubectl(&["create", "role", "reads", "--verb=get,list", "--resource=pods"]).expect("it can be made");
    kubernetes
        .kubectl(&["create", "rolebinding", "reads", "--role=reads", "--serviceaccount=default:reader"])
        .expect("it can be made");
    kubernetes
        .kubectl(&["run", "shell", "--image=shell:1", "--overrides", r#"{"spec":{"serviceAccountName":"reader"}}"#])
        .expect("it runs");
    let token = kubernetes.pod_token("default", "reader", "shell").expect("it can be made");
    let reader = kubernetes.kubeconfig_of(&token).expect("a file can be written");
    kubernetes.kubectl_as(&reader, &["get", "pods"]).expect("it may");
    let refused = kubernetes.kubectl_as(&reader, &["get", "secrets"]).expect_err("it may not").to_string();
    assert!(refused.contains("forbidden"), "{refused}");

    let bound = |line: &&str| {
        line.contains(r#""verb":"list""#)
            && line.contains("system:serviceaccount:default:reader")
            && line.contains(r#""authentication.kubernetes.io/pod-name":["shell"]"#)
    };
    let seen = |resource: &str| {
        let log = std::fs::read_to_string(kubernetes.audit_log()).unwrap_or_default();
        let resource = format!(r#""resource":"{resource}""#);
        log.lines().filter(bound).filter(|line| line.contains(&resource)).count()
    };
    until("the events are written", || seen("pods") == 1 && seen("secrets") == 1);
}

#[test]
fn a_proxy_answers_loses_cuts_and_refuses_what_it_is_told_to_and_passes_on_the_rest() {
    if !provided(available()) {
        return;
    }
    let kubernetes = Kubernetes::start().expect("a control plane starts");
    let proxy = Proxy::before(&kubernetes).expect("a proxy starts");
    let through = kubernetes.kubeconfig_through(&proxy, kubernetes.admin_token()).expect("a file can be written");
    let says = |arguments: &[&str]| kubernetes.kubectl_as(&through, arguments).map_err(|error| error.to_string());
    let map = |name: &'static str| ["create", "configmap", name];
    let is_there = |name: &str| kubernetes.kubectl(&["get", "configmap", name]).is_ok();

    says(&map("passed")).expect("what meets no rule is passed on");
    assert!(is_there("passed") && proxy.met().is_empty());
    let wrong_token = kubernetes.kubeconfig_through(&proxy, "nobody").expect("a file can be written");
    kubernetes.kubectl_as(&wrong_token, &["get", "pods"]).expect_err("a client is who its token says");

    proxy.set([Rule::once("POST", "/configmaps", Fault::Answer { status: 409, retry_after: None })]);
    let said = says(&map("answered")).expect_err("the proxy answers");
    assert!(said.contains("the proxy answers 409") && !is_there("answered"), "{said}");
    says(&map("answered")).expect("only the first request met the fault");

    proxy.set([Rule::once("POST", "/configmaps", Fault::LoseReply)]);
    says(&map("lost")).expect_err("no answer comes");
    assert!(is_there("lost"), "and yet it was done");

    proxy.set([Rule::once("POST", "/configmaps", Fault::Refuse)]);
    says(&map("refused")).expect_err("no answer comes");
    assert!(!is_there("refused"), "and it was not done");

    proxy.set([Rule::once("GET", "watch=true", Fault::Cut(Duration::from_millis(500)))]);
    let watched = says(&["get", "configmaps", "--watch", "--output=name"]);
    assert!(watched.is_ok_and(|watched| watched.contains("configmap/lost")), "what came before the cut is there");
    assert_eq!(proxy.met().len(), 4);
    assert!(proxy.met()[1].starts_with("POST /api/v1/namespaces/default/configmaps"), "{:?}", proxy.met());
}

#[test]
fn a_control_plane_leaves_nothing() {
    if !provided(available()) {
        return;
    }
    let kubernetes = Kubernetes::start().expect("a control plane starts");
    let (processes, folder) = (kubernetes.processes(), kubernetes.folder().to_owned());
    assert!(processes.len() == 5 && processes.iter().all(|process| is_alive(*process)) && folder.exists());
    drop(kubernetes);
    until("its processes are gone", || !processes.iter().any(|process| is_alive(*process)));
    until("its folder is gone", || !Path::new(&folder).exists());
}

fn pods(kubernetes: &Kubernetes) -> Vec<String> {
    let running = ["get", "pods", "--selector=app=web", "--field-selector=status.phase=Running", "--output=name"];
    let listed = kubernetes.kubectl(&running).expect("pods can be listed");
    listed.lines().filter_map(|line| Some(line.strip_prefix("pod/")?.to_owned())).collect()
}

fn is_alive(process: u32) -> bool {
    let kill = Command::new("kill").args(["-0", &process.to_string()]).stderr(Stdio::null()).status();
    kill.expect("kill can be run").success()
}

/// Fails if something is not so after a minute or two.
#[track_caller]
fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..600 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("waited in vain until {what}");
}
