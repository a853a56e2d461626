//! The actuator's process on a real control plane: on a real Kafka every order is done once and undone once, however often
//! `bellbuoy run actuate` gets SIGKILL, counted in the history of the objects that the API server keeps; and on the
//! embedded log, in the one process that has it.
//!
//! The audit log would not do here: where a client dies while it waits, the server writes down a timeout (504), and what
//! was asked may have been done all the same.

#[path = "../installation/mod.rs"]
mod installation;

use engine::clock::{SystemClock, WallClock as _};
use engine::log::kafka::Config;
use engine::log::{Log, Message};
use installation::{Life, binary, records};
use rig::kafka::{Brokers, Kafka};
use rig::kubernetes::Kubernetes;
use rig::{kafka, kubernetes, provided};
use schemas::signing::{self, Signer};
use schemas::{
    Action, Command, CommandResult, Mode, Precondition, Record as _, ResultState, RiskClass, Rollback, Target,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command as Program, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use topics::declared::{COMMANDS, RESULTS};

/// How often the process is killed.
const KILLS: u64 = 20;
/// Pods that are put into quarantine.
const PODS: usize = 12;
/// After so long they are put back, milliseconds: while the process is still being killed.
const UNDO_AFTER: i64 = 15_000;
/// Where the shop's pods are.
const PODS_PATH: &str = "/api/v1/namespaces/shop/pods";
/// Where its network policies are.
const POLICIES_PATH: &str = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies";

#[test]
fn every_order_is_done_once_and_undone_once_however_often_the_process_is_killed() {
    if !provided(kafka::available()) || !provided(kubernetes::available()) {
        return;
    }
    let kafka = Kafka::start(Brokers::One).expect("a broker starts");
    let kubernetes = shop();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let on_kafka = format!("log: {{kafka: {{bootstrap: \"{}\"}}}}\n", kafka.bootstrap());
    let signer = configure(folder.path(), &on_kafka, &kubernetes);
    let log = engine::log::kafka::open(Config::new(kafka.bootstrap()), Arc::new(SystemClock::new()));
    let log = log.expect("the cluster answers");
    let (pods, since) = pods(&kubernetes);
    assert_eq!(pods.len(), PODS);
    let orders: Vec<Command<'static>> = pods.iter().map(|pod| quarantine(pod, &signer)).collect();
    send(&*log, &orders);

    let history = History::default();
    let (of_pods, of_policies) = std::thread::scope(|scope| {
        let [pods, policies] =
            [PODS_PATH, POLICIES_PATH].map(|path| scope.spawn(|| history.of(&kubernetes, path, &since)));
        let telling = history.until_dropped();
        for kill in 0..KILLS {
            let life = Life::start(command(folder.path(), &["run", "actuate"]));
            // Moments spread over starting, claiming, sending and telling, the same in each run.
            let (killed, output) = life.kill_after(Duration::from_millis(600 + kill * 271 % 1900));
            assert!(killed, "{}", installation::texts(&output).1);
        }
        let mut life = Life::start(command(folder.path(), &["run", "actuate"]));
        life.until("every order is undone", || {
            states(&*log).values().filter(|states| states.last() == Some(&ResultState::RolledBack)).count() == PODS
        });
        life.terminate();
        let (_, output) = life.wait();
        assert_eq!(output.status.code(), Some(0), "{}", installation::texts(&output).1);
        drop(telling);
        [pods, policies].map(|told| told.join().expect("it was told whole")).into()
    });

    for pod in &pods {
        let shown = shown(pod, &of_pods);
        let [before, isolated, after] = &shown[..] else { panic!("not once there and once back: {shown:?}") };
        assert_eq!(before, after, "each is as it was");
        assert!(isolated.contains("bellbuoy.dev/quarantine"), "{isolated}");
    }
    let mut policies: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in &of_policies {
        policies.entry(text(&event["object"]["metadata"]["name"])).or_default().push(text(&event["type"]));
    }
    assert_eq!(policies.len(), PODS, "{policies:?}");
    assert!(policies.values().all(|events| events == &["ADDED", "DELETED"]), "{policies:?}");
    let told = states(&*log);
    println!("{PODS} orders, {KILLS} kills: {told:?}");
    for (order, states) in told {
        let of = |state| states.iter().filter(|told| **told == state).count();
        assert!(of(ResultState::Rejected) + of(ResultState::Failed) == 0, "{order}: {states:?}");
        assert_eq!(of(ResultState::RolledBack), 1, "{order}: {states:?}");
    }
}

#[test]
fn on_the_embedded_log_the_one_process_carries_orders_out_and_undoes_them_too() {
    if !provided(kubernetes::available()) {
        return;
    }
    let kubernetes = shop();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let signer = configure(folder.path(), "", &kubernetes);
    let (pods, _) = pods(&kubernetes);
    // Only one process at a time has the embedded log.
    let log = || {
        let clock = Arc::new(SystemClock::new());
        engine::log::embedded::open(&folder.path().join("bellbuoy-data/log"), clock).expect("the log can be opened")
    };
    send(&*log(), &[quarantine(&pods[0], &signer)]);
    let mut life = Life::start(command(folder.path(), &["run", "all", "--with-actuator"]));
    let labels = || {
        let path = format!("{PODS_PATH}/{}", text(&pods[0]["name"]));
        let pod = kubernetes.kubectl(&["get", "--raw", &path]).expect("the pod is kept");
        serde_json::from_str::<Value>(&pod).expect("the server writes JSON")["metadata"]["labels"].clone()
    };
    life.until("the pod is in quarantine", || !labels()["bellbuoy.dev/quarantine"].is_null());
    life.until("it is as it was", || labels() == pods[0]["labels"]);
    life.terminate();
    let (_, output) = life.wait();
    assert_eq!(output.status.code(), Some(0), "{}", installation::texts(&output).1);
    let told: Vec<_> = states(&*log()).into_values().flatten().collect();
    assert!(told.contains(&ResultState::Verified) && told.ends_with(&[ResultState::RolledBack]), "{told:?}");
}

/// A control plane with the pods of one workload.
fn shop() -> Kubernetes {
    let kubernetes = Kubernetes::start().expect("a control plane starts");
    kubernetes.kubectl(&["create", "namespace", "shop"]).expect("it can be made");
    let create = ["create", "deployment", "cart", "--image=app:1", "--namespace=shop", &format!("--replicas={PODS}")];
    kubernetes.kubectl(&create).expect("it can be made");
    kubernetes
        .kubectl(&["rollout", "status", "deployment/cart", "--namespace=shop", "--timeout=120s"])
        .expect("it rolls out");
    kubernetes
}

/// Keys, what the actuator needs in the cluster, its account; the key that signs. What is said of the log is YAML.
fn configure(folder: &Path, log: &str, kubernetes: &Kubernetes) -> Signer {
    let key = done(folder, &["keys", "generate", "signing.pem"]);
    let key = key.split_whitespace().last().expect("the public key stands last").to_owned();
    let write = |kubeconfig: &Path| {
        let text = format!(
            "{log}http: {{address: null}}\n\
             actuate: {{cluster: prod, keys: [{key}], mode: enforce, kubeconfig: {}, cooldown: 0s, budgets: \
             {{per_cluster: 100, per_namespace: 100, per_workload: 100, in_force: 100}}}}\n",
            kubeconfig.display(),
        );
        fs::write(folder.join("bellbuoy.yaml"), text).expect("the configuration can be written");
    };
    write(kubernetes.kubeconfig());
    let manifests = done(folder, &["actuate", "--manifests"]);
    kubernetes.apply(&manifests).expect("a cluster takes the manifests");
    let token = kubernetes.token("bellbuoy", "bellbuoy-actuator").expect("the account has tokens");
    write(&kubernetes.kubeconfig_of(&token).expect("a file can be written"));
    done(folder, &["topics", "apply"]);
    Signer::open(&folder.join("signing.pem")).expect("it was just written")
}

/// The shop's pods, and the version at which they were seen.
fn pods(kubernetes: &Kubernetes) -> (Vec<Value>, String) {
    let list = kubernetes.kubectl(&["get", "--raw", PODS_PATH]).expect("pods can be listed");
    let list: Value = serde_json::from_str(&list).expect("the server writes JSON");
    let pods = list["items"].as_array().expect("a list has items").iter();
    (pods.map(|pod| pod["metadata"].clone()).collect(), text(&list["metadata"]["resourceVersion"]))
}

fn quarantine(pod: &Value, signer: &Signer) -> Command<'static> {
    let (name, uid) = (text(&pod["name"]), text(&pod["uid"]));
    let now = SystemClock::new().now_millis();
    let must = |name: &'static str, value: &'static str| Precondition { name: name.into(), value: value.into() };
    let action = |name: &'static str| Action { name: name.into(), parameters: Vec::new() };
    let mut command = Command {
        tenant: "default".into(),
        cluster: "prod".into(),
        id: format!("order-{name}").into(),
        attempt: 1,
        mode: Mode::Enforce,
        risk: RiskClass::R2,
        action: action("quarantine_pod"),
        target: Target {
            api_version: "v1".into(),
            kind: "Pod".into(),
            namespace: "shop".into(),
            name: name.into(),
            uid: uid.into(),
            ..Target::default()
        },
        lock_domain: "prod/shop/cart".into(),
        reason: "a test".into(),
        issued_at: now,
        not_before: now,
        expires_at: now + 14 * 60_000,
        preconditions: vec![must("owned_by", "Deployment/cart"), must("residual_allow", "none")],
        inverse: Some(action("release_pod")),
        rollback: Rollback::Automatic,
        undo_after: UNDO_AFTER,
        ..Command::default()
    };
    signing::sign(&mut command, Some(signer));
    command
}

fn send(log: &dyn Log, orders: &[Command<'static>]) {
    let partitions = installation::partitions(log, COMMANDS.name);
    let mut producer = log.producer("test").expect("a producer opens");
    producer.begin().expect("a transaction opens");
    for order in orders {
        let key = order.lock_domain.as_bytes().to_vec();
        let message = Message {
            topic: COMMANDS.name.into(),
            partition: topics::partition_for(&key, partitions),
            key: Some(key),
            value: Some(order.encode().expect("it can be written")),
            ..Message::default()
        };
        producer.send(message).expect("a record is taken");
    }
    producer.commit(&[], None).expect("it is committed");
}

/// What was told of each order, in order.
fn states(log: &dyn Log) -> BTreeMap<String, Vec<ResultState>> {
    let mut told: BTreeMap<String, Vec<ResultState>> = BTreeMap::new();
    for value in records(log, RESULTS.name).into_iter().flatten().filter_map(|record| record.value) {
        let result = CommandResult::decode(&value).expect("ours can be read");
        told.entry(result.command.to_string()).or_default().push(result.state);
    }
    told
}

/// What a pod has shown since it was seen: its labels and annotations, one after the other, as often as they changed.
fn shown(pod: &Value, history: &[Value]) -> Vec<String> {
    let shows = |metadata: &Value| format!("{} {}", metadata["labels"], metadata["annotations"]);
    let of = history.iter().map(|event| &event["object"]["metadata"]).filter(|metadata| metadata["uid"] == pod["uid"]);
    let mut shown: Vec<String> = std::iter::once(pod).chain(of).map(shows).collect();
    shown.dedup();
    shown
}

/// Everything that becomes of objects, as the API server tells who watches.
#[derive(Default)]
struct History {
    ended: AtomicBool,
}

/// Ends a history when it is dropped, in a test that fails, too.
struct Ended<'h>(&'h AtomicBool);

impl History {
    fn until_dropped(&self) -> Ended<'_> {
        Ended(&self.ended)
    }

    /// What becomes of objects from a version on until it is ended. It is asked for again and again, because the server
    /// keeps what has passed for about a minute.
    fn of(&self, kubernetes: &Kubernetes, path: &str, since: &str) -> Vec<Value> {
        let (mut all, mut version): (Vec<Value>, _) = (Vec::new(), since.to_owned());
        loop {
            let last = self.ended.load(Ordering::SeqCst);
            let watch = format!("{path}?watch=true&resourceVersion={version}&timeoutSeconds=2");
            let told = kubernetes.kubectl(&["get", "--raw", &watch]).expect("an administrator may watch");
            for line in told.lines() {
                let event: Value = serde_json::from_str(line).expect("each line is an event");
                assert_ne!(event["type"], "ERROR", "{event}");
                version = text(&event["object"]["metadata"]["resourceVersion"]);
                all.push(event);
            }
            if last {
                return all;
            }
        }
    }
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("it is a text").to_owned()
}

/// The program, untouched by the environment of the test.
fn command(folder: &Path, arguments: &[&str]) -> Program {
    let mut command = Program::new(binary());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BELLBUOY")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = command(folder, arguments).output().expect("the program can be started");
    let (out, error) = installation::texts(&output);
    assert!(output.status.success(), "{arguments:?} gave {}: {error}", output.status);
    out
}
