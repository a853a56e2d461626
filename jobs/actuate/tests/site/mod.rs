//! A control plane with two workloads, a log in memory, and an actuator between them with exactly its own rights.
#![allow(dead_code, reason = "every suite compiles this module and uses a part of it")]

use actuate::config::{Budgets, Level};
use actuate::{ActuateError, Config, Step, chain, manifests};
use engine::clock::{SystemClock, WallClock};
use engine::log::{CleanupPolicy, Limit, Log, Message, TimestampSource, TopicPartition, TopicSpec, memory};
use engine::metrics::Metrics;
use engine::runtime::Stopping;
use rig::kubernetes::{Kubernetes, Proxy, Rule};
use schemas::signal::{Body, Direction, FlowAgg, Verdict};
use schemas::signing::{self, Signer};
use schemas::{
    Action, Command, CommandResult, Control, ControlKind, Entity, Incident, IncidentBody, IncidentRecord,
    IncidentState, Mode, Precondition, Record as _, RefusalRule, ResultState, RiskClass, Rollback, Signal, Target,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use topics::declared::{COMMANDS, CONTROL, INCIDENTS, RESULTS, SIGNALS};

pub const MINUTE: i64 = 60_000;
/// The image that may be attached to pods.
pub const FORENSICS: &str =
    "registry.example/forensics@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

pub fn provided() -> bool {
    rig::provided(rig::kubernetes::available())
}

/// The machine's time, moved on at will.
struct Moved {
    system: SystemClock,
    by: AtomicI64,
}

impl WallClock for Moved {
    fn now_millis(&self) -> i64 {
        self.system.now_millis() + self.by.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }
}

/// A pod that is there.
pub struct Pod {
    pub name: String,
    pub uid: String,
    app: String,
}

pub struct Site {
    kubernetes: Kubernetes,
    log: Arc<dyn Log>,
    clock: Arc<Moved>,
    account: PathBuf,
    ended: Arc<AtomicBool>,
    stopping: Stopping,
    actuator: Option<JoinHandle<()>>,
    others: Vec<JoinHandle<()>>,
    proxy: Option<Proxy>,
    config: Config,
}

/// Between the actuator and the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    Nothing,
    Proxy,
}

impl Site {
    pub fn start() -> Self {
        Site::start_with(None, Between::Nothing)
    }

    /// With an actuator that is ended when it first comes to a step, and started anew.
    pub fn start_ending_at(step: Step) -> Self {
        Site::start_with(Some(step), Between::Nothing)
    }

    /// With a proxy before the API server, which does as it is told.
    pub fn start_behind_proxy() -> Self {
        Site::start_with(None, Between::Proxy)
    }

    fn start_with(ending: Option<Step>, between: Between) -> Self {
        let kubernetes = Kubernetes::start().expect("a control plane starts");
        let mut config = Config {
            cluster: "prod".to_owned(),
            keys: vec![signing::hex(signer().public_key().as_bytes())],
            mode: Level::Enforce,
            images: vec![FORENSICS.to_owned()],
            budgets: Budgets { per_cluster: 100, per_namespace: 100, per_workload: 100, ..Budgets::default() },
            ..Config::default()
        };
        for manifest in manifests::all(&config) {
            kubernetes.apply(&manifest.to_string()).expect("the API server takes what we ship");
        }
        let theirs = r#"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "theirs", "namespace": "shop"}, "spec": {"podSelector": {"matchLabels": {"app": "db"}}}}"#;
        kubernetes.kubectl(&["create", "namespace", "shop"]).expect("it can be made");
        kubernetes.apply(theirs).expect("it can be made");
        for app in ["cart", "web"] {
            let create = ["create", "deployment", app, "--image=app:1", "--replicas=4", "--namespace=shop"];
            kubernetes.kubectl(&create).expect("it can be made");
        }
        for app in ["deployment/cart", "deployment/web"] {
            kubernetes.kubectl(&["rollout", "status", app, "--namespace=shop", "--timeout=60s"]).expect("it rolls out");
        }
        let token = kubernetes.token("bellbuoy", manifests::ACCOUNT).expect("it can be made");
        let account = kubernetes.kubeconfig_of(&token).expect("a file can be written");
        let proxy = (between == Between::Proxy).then(|| Proxy::before(&kubernetes).expect("a proxy starts"));
        config.kubeconfig = Some(match &proxy {
            Some(proxy) => kubernetes.kubeconfig_through(proxy, &token).expect("a file can be written"),
            None => account.clone(),
        });

        let clock = Arc::new(Moved { system: SystemClock::new(), by: AtomicI64::new(0) });
        let log = memory::open(&memory::Disk::default(), clock.clone()).expect("a log in memory opens");
        for topic in [SIGNALS, INCIDENTS, COMMANDS, CONTROL, RESULTS] {
            let cleanup = if topic.name == CONTROL.name { CleanupPolicy::Compact } else { CleanupPolicy::Delete };
            let spec = TopicSpec {
                name: topic.name.to_owned(),
                partitions: 2,
                retention_ms: None,
                retention_bytes: None,
                timestamps: TimestampSource::LogAppendTime,
                cleanup,
            };
            log.create_topic(&spec).expect("a topic can be made");
        }
        let (ended, stopping) = (Arc::new(AtomicBool::new(false)), Stopping::default());
        let actuator = run(config.clone(), log.clone(), clock.clone(), stopping.clone(), ended.clone(), ending);
        Site {
            kubernetes,
            log,
            clock,
            account,
            ended,
            stopping,
            actuator: Some(actuator),
            others: Vec::new(),
            proxy,
            config,
        }
    }

    /// From now on these faults happen, and no others.
    pub fn faults(&self, rules: impl IntoIterator<Item = Rule>) {
        self.proxy.as_ref().expect("it was started behind a proxy").set(rules);
    }

    /// How many requests have met a fault so far.
    pub fn faults_met(&self) -> usize {
        self.proxy.as_ref().expect("it was started behind a proxy").met().len()
    }

    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubernetes.kubectl(arguments).expect("the administrator may").trim().to_owned()
    }

    pub fn apply(&self, manifest: &str) {
        self.kubernetes.apply(manifest).expect("the administrator may");
    }

    /// A file for kubectl; its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.kubernetes.folder().join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path.display().to_string()
    }

    pub fn kubectl_as_actuator(&self, arguments: &[&str]) -> Result<String, String> {
        self.kubernetes.kubectl_as(&self.account, arguments).map_err(|error| error.to_string())
    }

    pub fn object(&self, what: &[&str]) -> Value {
        let arguments = [&["get", "--namespace=shop", "--output=json"][..], what].concat();
        serde_json::from_str(&self.kubectl(&arguments)).expect("kubectl prints JSON")
    }

    pub fn pod_of(&self, app: &str) -> Pod {
        let pods = self.object(&["pods", "--selector", &format!("app={app}")]);
        let text = |value: &Value| value.as_str().expect("it is a text").to_owned();
        let metadata = &pods["items"][0]["metadata"];
        Pod { name: text(&metadata["name"]), uid: text(&metadata["uid"]), app: app.to_owned() }
    }

    /// The oldest pod of a workload that has all its pods: when one is too many, its controller ends a younger one.
    pub fn oldest_pod_of(&self, app: &str) -> Pod {
        self.kubectl(&["rollout", "status", &format!("deployment/{app}"), "--namespace=shop", "--timeout=60s"]);
        let pods = self.object(&["pods", "--selector", &format!("app={app}"), "--sort-by=.metadata.creationTimestamp"]);
        let text = |value: &Value| value.as_str().expect("it is a text").to_owned();
        let metadata = &pods["items"][0]["metadata"];
        Pod { name: text(&metadata["name"]), uid: text(&metadata["uid"]), app: app.to_owned() }
    }

    /// The labels of a pod.
    pub fn labels(&self, pod: &Pod) -> Value {
        self.object(&["pod", &pod.name])["metadata"]["labels"].clone()
    }

    /// An order to quarantine a pod, signed.
    pub fn quarantine(&self, pod: &Pod, mode: Mode) -> Command<'static> {
        let now = self.clock.now_millis();
        let must = |name: &'static str, value: String| Precondition { name: name.into(), value: value.into() };
        let order = Command {
            tenant: "default".into(),
            cluster: "prod".into(),
            attempt: 1,
            mode,
            risk: RiskClass::R2,
            action: Action { name: "quarantine_pod".into(), parameters: vec![] },
            target: Target {
                api_version: "v1".into(),
                kind: "Pod".into(),
                namespace: "shop".into(),
                uid: pod.uid.clone().into(),
                ..Target::default()
            },
            lock_domain: format!("prod/shop/{}", pod.app).into(),
            reason: "a test".into(),
            issued_at: now,
            not_before: now,
            expires_at: now + 10 * MINUTE,
            preconditions: vec![
                must("owned_by", format!("Deployment/{}", pod.app)),
                must("host_network", "false".to_owned()),
                must("max_workload_unavailable", "25%".to_owned()),
                must("min_ready", "1".to_owned()),
                must("residual_allow", "none".to_owned()),
            ],
            inverse: Some(Action { name: "release_pod".into(), parameters: vec![] }),
            rollback: Rollback::Automatic,
            undo_after: 30 * MINUTE,
            approvals: 1,
            ..Command::default()
        };
        self.signed(order, &format!("{} {mode:?}", pod.name))
    }

    /// A command with an id of its own, signed by who may.
    pub fn signed(&self, mut command: Command<'static>, id: &str) -> Command<'static> {
        command.id = id.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-").into();
        signing::sign(&mut command, Some(&signer()));
        command
    }

    /// The configuration of its actuator.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn send(&self, command: &Command<'_>) {
        self.append(COMMANDS.name, command.lock_domain.as_bytes(), command.encode().expect("it can be written"));
    }

    pub fn approve(&self, command: &Command<'_>, person: &'static str) {
        self.answer(ControlKind::Approval, command, person);
    }

    /// Refuses an order, or takes it back.
    pub fn reject(&self, command: &Command<'_>, person: &'static str) {
        self.answer(ControlKind::Rejection, command, person);
    }

    fn answer(&self, kind: ControlKind, command: &Command<'_>, person: &'static str) {
        let control = Control {
            kind,
            id: format!("{}/{person}", command.id).into(),
            value: command.digest.clone(),
            author: person.into(),
            at: self.clock.now_millis(),
            ..Control::default()
        };
        let key = format!("{kind:?}/{}/{person}", command.id);
        self.append(CONTROL.name, key.as_bytes(), control.encode().expect("it can be written"));
    }

    fn append(&self, topic: &str, key: &[u8], value: Vec<u8>) {
        let mut producer = self.log.producer("test").expect("a producer opens");
        producer.begin().expect("a transaction opens");
        let message =
            Message { topic: topic.into(), key: Some(key.to_vec()), value: Some(value), ..Message::default() };
        producer.send(message).expect("a record is taken");
        producer.commit(&[], None).expect("it is committed");
    }

    /// Publishes that an incident goes on, or is over.
    pub fn incident(&self, id: &str, state: IncidentState) {
        let (tenant, cluster, id) = ("default".into(), "prod".into(), id.to_owned().into());
        let body = IncidentBody::Incident(Box::new(Incident { tenant, cluster, id, state, ..Incident::default() }));
        let record = IncidentRecord { body, ..IncidentRecord::default() };
        self.append(INCIDENTS.name, b"default/prod", record.encode().expect("it can be written"));
    }

    /// Tells of a flow that left a pod, or tried to.
    pub fn flow(&self, pod: &Pod, at: i64, verdict: Verdict) {
        let flow = FlowAgg {
            direction: Direction::Egress,
            peer: "world".into(),
            verdict,
            instance: pod.name.clone().into(),
            events: 1,
            ..FlowAgg::default()
        };
        let signal = Signal {
            tenant: "default".into(),
            cluster: "prod".into(),
            entity: Entity { namespace: "shop".into(), name: pod.app.clone().into(), ..Entity::default() },
            event_time: at,
            body: Body::FlowAgg(flow),
            ..Signal::default()
        };
        self.append(SIGNALS.name, b"default/prod/shop", signal.encode().expect("it can be written"));
    }

    pub fn now(&self) -> i64 {
        self.clock.now_millis()
    }

    pub fn advance(&self, millis: i64) {
        self.clock.by.fetch_add(millis, Ordering::SeqCst);
    }

    /// What was told of an order, in the order of the chain.
    pub fn states(&self, order: &Command<'_>) -> Vec<ResultState> {
        self.results(|results| results.iter().filter(|one| one.command == order.id).map(|one| one.state).collect())
    }

    pub fn refusal(&self, order: &Command<'_>) -> Option<RefusalRule> {
        self.results(|results| {
            let mut of = results.iter().filter(|one| one.command == order.id);
            of.find_map(|one| Some(one.refusal.as_ref()?.rule))
        })
    }

    /// Fails unless every actuator's chain of results is whole.
    pub fn chain_is_whole(&self) {
        self.results(|results| {
            let names: BTreeSet<&str> = results.iter().map(|one| one.chain.as_str()).collect();
            for name in names {
                let own: Vec<CommandResult<'_>> = results.iter().filter(|one| one.chain == name).cloned().collect();
                assert_eq!(chain::first_fault(&own), None, "the chain of {name}");
            }
        });
    }

    /// Another actuator of another name, on the same log and cluster, until the site ends.
    pub fn start_another(&mut self) {
        let config = Config { name: "another".to_owned(), ..self.config.clone() };
        let ended = Arc::new(AtomicBool::new(false));
        let another = run(config, self.log.clone(), self.clock.clone(), self.stopping.clone(), ended, None);
        self.others.push(another);
    }

    /// Ends all actuators and starts one anew: it remembers nothing.
    pub fn start_anew(&mut self) {
        self.stopping.stop();
        self.join();
        self.stopping = Stopping::default();
        let ended = self.ended.clone();
        let config = self.config.clone();
        self.actuator = Some(run(config, self.log.clone(), self.clock.clone(), self.stopping.clone(), ended, None));
    }

    fn join(&mut self) {
        for actuator in self.actuator.take().into_iter().chain(self.others.drain(..)) {
            // Its panic was printed by its own thread.
            let _ = actuator.join();
        }
    }

    /// Turns the kill switch of the control topic on or off.
    pub fn kill_switch(&self, value: &'static str) {
        let control = Control {
            kind: ControlKind::KillSwitch,
            id: "night".into(),
            value: value.into(),
            author: "ada".into(),
            at: self.clock.now_millis(),
            ..Control::default()
        };
        self.append(CONTROL.name, b"kill-switch", control.encode().expect("it can be written"));
    }

    fn results<T>(&self, look: impl FnOnce(&[CommandResult<'_>]) -> T) -> T {
        let mut values = Vec::new();
        for partition in 0..2 {
            let at = TopicPartition::new(RESULTS.name, partition);
            let batch = self.log.read(&at, 0, Limit { records: 10_000, bytes: 64 << 20 }).expect("it can be read");
            values.extend(batch.records.into_iter().filter_map(|record| record.value));
        }
        let results: Vec<CommandResult<'_>> =
            values.iter().map(|value| CommandResult::decode(value).expect("it is a result")).collect();
        look(&results)
    }

    pub fn was_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Changes by the actuator's account that the API server's audit log has: policies made, changes of the pod, and
    /// policies removed.
    pub fn changes(&self, pod: &Pod) -> (usize, usize, usize) {
        let log = std::fs::read_to_string(self.kubernetes.audit_log()).expect("the audit log can be read");
        let events: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let count = |verb: &str, resource: &str, name: Option<&str>| {
            let of = events.iter().filter(|event| {
                let dry = event["requestURI"].as_str().is_some_and(|uri| uri.contains("dryRun"));
                let code = event["responseStatus"]["code"].as_i64().unwrap_or(0);
                event["user"]["username"].as_str().is_some_and(|user| user.ends_with(manifests::ACCOUNT))
                    && event["stage"] == "ResponseComplete"
                    && !dry
                    && (200..300).contains(&code)
                    && event["verb"] == verb
                    && event["objectRef"]["resource"] == resource
                    && name.is_none_or(|name| event["objectRef"]["name"] == name)
            });
            of.count()
        };
        (
            count("patch", "networkpolicies", None),
            count("patch", "pods", Some(&pod.name)),
            count("delete", "networkpolicies", None),
        )
    }

    /// Fails if something is not so after a while, with what was told.
    #[track_caller]
    pub fn until(&self, what: &str, so: impl Fn(&Site) -> bool) {
        for _ in 0..300 {
            if so(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let told = self.results(|results| {
            let line = |one: &CommandResult<'_>| {
                format!("{} {:?} {} {:?}\n", one.command, one.state, one.sentence, one.operations)
            };
            results.iter().map(line).collect::<String>()
        });
        panic!("waited in vain until {what}; told was:\n{told}");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stopping.stop();
        self.join();
    }
}

fn signer() -> Signer {
    Signer::from_seed(&[7; 32])
}

/// Runs an actuator, and another where it is ended.
fn run(
    config: Config,
    log: Arc<dyn Log>,
    clock: Arc<Moved>,
    stopping: Stopping,
    ended: Arc<AtomicBool>,
    ending: Option<Step>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let metrics = Metrics::new("test");
        while !stopping.is_stopping() {
            let ended = ended.clone();
            let hook = move |step: Step| {
                if ending == Some(step) && !ended.swap(true, Ordering::SeqCst) {
                    return Err(ActuateError::Ended(step));
                }
                Ok(())
            };
            match actuate::run_with(&config, log.clone(), clock.clone(), &metrics, &stopping, &hook) {
                Ok(()) | Err(ActuateError::Ended(_)) => {}
                Err(error) => panic!("the actuator stopped: {error}"),
            }
        }
    })
}
