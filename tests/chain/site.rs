//! One installation as a user has it: Kafka, a control plane with a small shop on it, and three processes of ours.

use crate::installation::{Life, binary, records, texts};
use crate::telemetry::Pod;
use engine::clock::{SystemClock, WallClock as _};
use engine::log::kafka::Config;
use engine::log::{Log, Message};
use rig::alertmanager::Alertmanager;
use rig::collector::Collector;
use rig::kafka::{Brokers, Kafka};
use rig::kubernetes::Kubernetes;
use rig::receiver::Receiver;
use schemas::{ObjectRecord, Record as _};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use topics::declared::OBJECTS;

/// How long anything that must come may take.
const PATIENCE: Duration = Duration::from_secs(240);

/// The shop, and what its account may: more than it should.
const SHOP: &str = include_str!("shop.yaml");
/// Which remedy for whom: the walk-through's policy.
const POLICY: &str = include_str!("policy.yaml");

/// An installation.
pub struct Site {
    pub kubernetes: Kubernetes,
    pub log: Arc<dyn Log>,
    pub clock: SystemClock,
    /// Who is paged by the Alertmanager.
    pub pager: Receiver,
    alertmanager: Alertmanager,
    folder: TempDir,
    kafka: Kafka,
}

impl Site {
    /// Everything started, the shop rolled out, the actuator's account made; none of our processes runs yet.
    pub fn start() -> Self {
        let kafka = Kafka::start(Brokers::One).expect("a broker starts");
        let kubernetes = Kubernetes::start().expect("a control plane starts");
        kubernetes.apply(SHOP).expect("the shop can be made");
        for workload in ["cart", "db", "web"] {
            let rolled_out =
                ["rollout", "status", "--namespace=shop", "--timeout=60s", &format!("deployment/{workload}")];
            kubernetes.kubectl(&rolled_out).expect("it rolls out");
        }
        let log = engine::log::kafka::open(Config::new(kafka.bootstrap()), Arc::new(SystemClock::new()));
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let pager = Receiver::start().expect("a port is free");
        let alertmanager = Alertmanager::start(&pager.url()).expect("an Alertmanager starts");
        let log = log.expect("the cluster answers");
        let site = Site { kubernetes, log, clock: SystemClock::new(), pager, alertmanager, folder, kafka };
        site.configure();
        site
    }

    /// Keys, policy, configuration, and what the actuator needs in the cluster: in the order of the walk-through.
    fn configure(&self) {
        let key = self.done(&["keys", "generate", "signing.pem"]);
        let key = key.split_whitespace().last().expect("the public key stands last").to_owned();
        fs::write(self.path().join("policy.yaml"), POLICY).expect("the policy can be written");
        let admin = self.kubernetes.kubeconfig().to_owned();
        self.write_configuration(&key, &admin, &admin);
        self.done(&["policy", "show"]);
        let manifests = self.done(&["actuate", "--manifests"]);
        // The kind of the ledger must be known before its records can be.
        self.kubernetes.apply(&manifests).expect("a cluster takes the manifests");
        let manifests = self.done(&["observe", "--manifests"]);
        self.kubernetes.apply(&manifests).expect("a cluster takes the manifests");
        let of = |account: &str| {
            let token = self.kubernetes.token("bellbuoy", account).expect("the account has tokens");
            self.kubernetes.kubeconfig_of(&token).expect("a file can be written")
        };
        self.write_configuration(&key, &of("bellbuoy-actuator"), &of("bellbuoy-observer"));
        self.done(&["topics", "apply"]);
    }

    fn write_configuration(&self, key: &str, actuator: &Path, observer: &Path) {
        let text = format!(
            "log: {{kafka: {{bootstrap: \"{}\"}}}}\nhttp: {{address: null}}\nmemory: 256MiB\n\
             observe: {{cluster: rig, kubeconfig: {}}}\n\
             ingest: {{cluster: rig}}\n\
             # Sixty hours of history are all there is.\n\
             detect: {{novelty: {{mature_count: 20, mature_age: 3600000}}}}\n\
             remediate: {{policy: policy.yaml}}\n\
             actuate: {{cluster: rig, keys: [{key}], mode: approve, kubeconfig: {}}}\n\
             notify: {{targets: [{{name: alertmanager, to: {{alertmanager: {{urls: [\"{}\"]}}}}}}]}}\n",
            self.kafka.bootstrap(),
            observer.display(),
            actuator.display(),
            self.alertmanager.url(),
        );
        fs::write(self.path().join("bellbuoy.yaml"), text).expect("the configuration can be written");
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The program with these arguments, untouched by the environment of the test.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BELLBUOY")) {
            command.env_remove(name);
        }
        command.current_dir(self.path()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs what must succeed, and gives its standard output.
    pub fn done(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the program can be started");
        let (out, error) = texts(&output);
        assert!(output.status.success(), "{arguments:?} gave {}: {error}", output.status);
        out
    }

    /// Runs what must end with exit code 1, and gives its standard output.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the program can be started");
        let (out, error) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        out
    }

    /// A Collector that sends metrics of the machine and of the cluster's objects, and the audit log.
    pub fn collector(&self) -> Collector {
        Collector::start(&self.kubernetes, &self.kafka.bootstrap()).expect("a Collector starts")
    }

    /// Runs it as a person would, and shows what it prints.
    pub fn shown(&self, arguments: &[&str]) -> String {
        let out = self.done(arguments);
        println!("$ bellbuoy {}\n{out}", arguments.join(" "));
        out
    }

    /// Runs kubectl as the administrator would, and shows what it prints.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let out = self.kubernetes.kubectl(arguments).expect("the administrator may");
        println!("$ kubectl {}\n{out}", arguments.join(" "));
        out
    }

    /// An object of the shop.
    pub fn object(&self, kind: &str, name: &str) -> Value {
        let out = self.kubernetes.kubectl(&["get", kind, name, "--namespace=shop", "--output=json"]);
        serde_json::from_str(&out.expect("it is there")).expect("kubectl writes JSON")
    }

    /// The pods of a workload of the shop.
    pub fn pods(&self, workload: &str) -> Vec<Pod> {
        let selector = format!("--selector=app={workload}");
        let out = self.kubernetes.kubectl(&["get", "pods", "--namespace=shop", &selector, "--output=json"]);
        let list: Value = serde_json::from_str(&out.expect("pods can be listed")).expect("kubectl writes JSON");
        list["items"].as_array().expect("a list has items").iter().map(|pod| Pod::of(pod, workload)).collect()
    }

    /// The uids of what the objects topic tells of.
    pub fn objects(&self) -> BTreeSet<String> {
        let records = records(&*self.log, OBJECTS.name).into_iter().flatten().filter_map(|record| record.value);
        records.map(|value| ObjectRecord::decode(&value).expect("ours can be read").uid.to_string()).collect()
    }

    pub fn start_program(&self, arguments: &[&str]) -> Life {
        Life::start(self.command(arguments))
    }

    /// Writes messages in one transaction.
    pub fn write(&self, messages: Vec<Message>) {
        write(&*self.log, "telemetry", messages);
    }

    /// Waits until something is so.
    #[track_caller]
    pub fn until<T>(&self, what: &str, so: impl Fn() -> Option<T>) -> T {
        let began = self.clock.monotonic();
        loop {
            if let Some(found) = so() {
                return found;
            }
            if self.clock.monotonic() - began >= PATIENCE {
                println!("{}", self.done(&["commands", "list"]));
                panic!("not within {PATIENCE:?}: {what}");
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

/// Writes messages in one transaction.
pub fn write(log: &dyn Log, producer: &str, messages: Vec<Message>) {
    let mut producer = log.producer(producer).expect("a producer can be opened");
    for chunk in messages.chunks(2_000) {
        producer.begin().expect("no transaction is open");
        chunk.iter().for_each(|message| producer.send(message.clone()).expect("the topic is there"));
        producer.commit(&[], None).expect("the log can be written");
    }
}
