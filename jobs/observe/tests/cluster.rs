//! What is told of a real control plane's objects, under exactly the account that the manifests make.

use engine::clock::SystemClock;
use engine::log::{CleanupPolicy, Limit, Log, TimestampSource, TopicPartition, TopicSpec, memory};
use engine::metrics::Metrics;
use engine::runtime::Stopping;
use observe::{Config, manifests};
use rig::kubernetes::{Fault, Kubernetes, Proxy, Rule};
use schemas::{ObjectRecord, Record as _};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use topics::declared::OBJECTS;

struct Site {
    kubernetes: Kubernetes,
    proxy: Proxy,
    log: Arc<dyn Log>,
    clock: Arc<SystemClock>,
    config: Config,
    running: Vec<(Stopping, JoinHandle<()>)>,
}

impl Site {
    fn start() -> Self {
        let kubernetes = Kubernetes::start().expect("a control plane starts");
        let mut config = Config { cluster: "prod".to_owned(), ..Config::default() };
        for manifest in manifests::all(&config, "bellbuoy") {
            kubernetes.apply(&manifest.to_string()).expect("the API server takes what we ship");
        }
        let token = kubernetes.token("bellbuoy", manifests::ACCOUNT).expect("the account has tokens");
        let proxy = Proxy::before(&kubernetes).expect("a proxy starts");
        config.kubeconfig = Some(kubernetes.kubeconfig_through(&proxy, &token).expect("a file can be written"));
        let clock = Arc::new(SystemClock::new());
        let log = memory::open(&memory::Disk::default(), clock.clone()).expect("a log in memory opens");
        let spec = TopicSpec {
            name: OBJECTS.name.to_owned(),
            partitions: 1,
            retention_ms: None,
            retention_bytes: None,
            timestamps: TimestampSource::LogAppendTime,
            cleanup: CleanupPolicy::Compact,
        };
        log.create_topic(&spec).expect("a topic can be made");
        kubernetes.kubectl(&["create", "namespace", "shop"]).expect("it can be made");
        Site { kubernetes, proxy, log, clock, config, running: Vec::new() }
    }

    fn observe(&mut self) {
        let stopping = Stopping::default();
        let (config, log, clock, told) = (self.config.clone(), self.log.clone(), self.clock.clone(), stopping.clone());
        let thread = std::thread::spawn(move || {
            observe::run(&config, log, clock, &Metrics::new("test"), &told).expect("the observer goes on");
        });
        self.running.push((stopping, thread));
    }

    fn stop(&mut self) {
        for (stopping, thread) in self.running.drain(..) {
            stopping.stop();
            thread.join().expect("the observer has not panicked");
        }
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubernetes.kubectl(arguments).expect("the administrator may")
    }

    fn deployment(&self, name: &str, replicas: u32) {
        let replicas = format!("--replicas={replicas}");
        self.kubectl(&["create", "deployment", name, "--image=app:1", &replicas, "--namespace=shop"]);
        self.rolled_out(name);
    }

    fn rolled_out(&self, name: &str) {
        self.kubectl(&["rollout", "status", &format!("deployment/{name}"), "--namespace=shop", "--timeout=60s"]);
    }

    /// Every record that was ever written, in order.
    fn records(&self) -> Vec<ObjectRecord<'static>> {
        let at = TopicPartition::new(OBJECTS.name, 0);
        let start = self.log.bounds(&at).expect("it is there").start;
        let batch = self.log.read(&at, start, Limit { records: 100_000, bytes: 64 << 20 }).expect("it can be read");
        let values = batch.records.into_iter().filter_map(|record| record.value);
        // The test keeps them to its end.
        values.map(|value| ObjectRecord::decode(value.to_vec().leak()).expect("ours can be read")).collect()
    }

    /// The newest record of each object.
    fn objects(&self) -> BTreeMap<String, ObjectRecord<'static>> {
        self.records().into_iter().map(|record| (record.uid.to_string(), record)).collect()
    }

    /// Kind, namespace, name, uid and owners of what exists, as our topic says.
    fn ours(&self) -> BTreeSet<String> {
        let alive = self.objects().into_values().filter(|record| !record.deleted);
        let line = |record: ObjectRecord<'_>| {
            let owners: Vec<&str> = record.owners.iter().map(|owner| owner.uid.as_str()).collect();
            let ObjectRecord { kind, namespace, name, uid, node, ips, .. } = &record;
            let ips: Vec<&str> = ips.iter().map(schemas::Text::as_str).collect();
            // An address of a pod or node names it; of others there are many.
            let ips = if matches!(kind.as_str(), "Pod") { ips.join(",") } else { String::new() };
            format!("{kind} {namespace}/{name} {uid} [{}] {node} {ips}", owners.join(","))
        };
        alive.map(line).collect()
    }

    /// The same, as kubectl says.
    fn theirs(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for kind in observe::kinds::ALL {
            let resource =
                if kind.group.is_empty() { kind.plural.to_owned() } else { format!("{}.{}", kind.plural, kind.group) };
            let list = self.kubectl(&["get", &resource, "--all-namespaces", "--output=json"]);
            let list: Value = serde_json::from_str(&list).expect("kubectl writes JSON");
            for object in list["items"].as_array().expect("a list has items") {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let metadata = &object["metadata"];
                let owners: Vec<String> = metadata["ownerReferences"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|owner| text(&owner["uid"]))
                    .collect();
                let is_pod = kind.kind == "Pod";
                let ips = object["status"]["podIPs"].as_array().cloned().unwrap_or_default();
                let mut ips: Vec<String> = ips.iter().filter(|_| is_pod).map(|ip| text(&ip["ip"])).collect();
                ips.sort();
                let node = if is_pod { text(&object["spec"]["nodeName"]) } else { String::new() };
                let (namespace, name, uid) =
                    (text(&metadata["namespace"]), text(&metadata["name"]), text(&metadata["uid"]));
                all.insert(format!(
                    "{} {namespace}/{name} {uid} [{}] {node} {}",
                    kind.kind,
                    owners.join(","),
                    ips.join(",")
                ));
            }
        }
        all
    }

    /// Waits until our topic says what kubectl says; fails after a minute.
    #[track_caller]
    fn agrees(&self, when: &str) {
        let mut difference = Vec::new();
        for _ in 0..60 {
            let (ours, theirs) = (self.ours(), self.theirs());
            if ours == theirs {
                return;
            }
            difference = ours.symmetric_difference(&theirs).cloned().collect();
            std::thread::sleep(Duration::from_secs(1));
        }
        panic!("{when}: {difference:#?}");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for (stopping, thread) in self.running.drain(..) {
            stopping.stop();
            // Its panic was printed by its own thread.
            let _ = thread.join();
        }
    }
}

fn provided() -> bool {
    rig::provided(rig::kubernetes::available())
}

#[test]
fn the_topic_says_what_kubectl_says_through_rollouts_scale_drains_and_deletions() {
    if !provided() {
        return;
    }
    let mut site = Site::start();
    site.deployment("cart", 3);
    site.observe();
    site.agrees("at first sight");
    let carts = |site: &Site| -> BTreeSet<String> {
        let pods = site.objects().into_values().filter(|object| object.kind == "Pod" && !object.deleted);
        pods.filter(|pod| pod.name.starts_with("cart-")).map(|pod| pod.uid.to_string()).collect()
    };
    let before = carts(&site);
    assert_eq!(before.len(), 3);

    site.kubectl(&["set", "image", "deployment/cart", "app=app:2", "--namespace=shop"]);
    site.rolled_out("cart");
    site.agrees("after a rollout");
    assert!(before.is_disjoint(&carts(&site)), "they are other pods");
    for uid in &before {
        let gone = &site.objects()[uid];
        assert!(gone.deleted && gone.valid_from <= gone.valid_to && gone.created_at <= gone.valid_from, "{gone:?}");
    }
    site.kubectl(&["scale", "deployment/cart", "--replicas=5", "--namespace=shop"]);
    site.rolled_out("cart");
    site.agrees("after a scale");
    let node = site.kubectl(&["get", "nodes", "--output=jsonpath={.items[0].metadata.name}"]);
    site.kubectl(&["drain", &node, "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=60s"]);
    site.rolled_out("cart");
    site.agrees("after a drain");
    site.kubectl(&["delete", "node", &node]);
    site.kubectl(&["delete", "deployment", "cart", "--namespace=shop"]);
    site.agrees("after deletions");
    assert!(carts(&site).is_empty());

    // Of one name one after the other: each has its own uid and its own time.
    let bare = ["run", "alone", "--image=app:1", "--namespace=shop"];
    site.kubectl(&bare);
    site.agrees("with a bare pod");
    site.kubectl(&["delete", "pod", "alone", "--namespace=shop", "--now"]);
    site.kubectl(&bare);
    site.agrees("with another of its name");
    let mut alone: Vec<_> = site.objects().into_values().filter(|object| object.name == "alone").collect();
    alone.sort_by_key(|pod| pod.created_at);
    assert_eq!(alone.iter().map(|pod| pod.deleted).collect::<Vec<_>>(), [true, false]);
    assert_ne!(alone[0].uid, alone[1].uid);
}

#[test]
fn a_restart_writes_what_it_missed_and_nothing_else() {
    if !provided() {
        return;
    }
    let mut site = Site::start();
    site.deployment("cart", 2);
    site.observe();
    site.agrees("at first sight");
    site.stop();
    let before = site.records().len();
    site.observe();
    std::thread::sleep(Duration::from_secs(5));
    site.agrees("after a restart");
    assert_eq!(site.records().len(), before, "{:?}", &site.records()[before..]);
    site.stop();
    site.kubectl(&["delete", "deployment", "cart", "--namespace=shop"]);
    site.deployment("web", 2);
    site.observe();
    site.agrees("after what happened meanwhile");
    // Two that observe the same cluster tell the same.
    site.observe();
    site.kubectl(&["scale", "deployment/web", "--replicas=3", "--namespace=shop"]);
    site.rolled_out("web");
    site.agrees("with two observers");
}

#[test]
fn a_way_to_the_api_server_that_breaks_cuts_and_forgets_loses_nothing() {
    if !provided() {
        return;
    }
    let mut site = Site::start();
    let always = |path, fault, times| Rule { method: "GET", path, dry_run: None, after: 0, times, fault };
    // Lists that are refused, answered badly or late at first.
    site.proxy.set([
        always("/pods?", Fault::Answer { status: 500, retry_after: None }, 1),
        always("/replicasets?", Fault::Answer { status: 429, retry_after: Some(1) }, 1),
        always("/deployments?", Fault::Refuse, 1),
        always("/nodes?", Fault::Slow(Duration::from_secs(1)), 1),
    ]);
    site.observe();
    site.deployment("cart", 2);
    site.agrees("after lists that failed");
    let met = site.proxy.met().len();
    assert!(met >= 4, "{met} faults met");
    // Watches that end without a word, or whose place the server has forgotten.
    site.proxy.set([
        always("/pods?", Fault::Answer { status: 410, retry_after: None }, 1),
        always("watch", Fault::Cut(Duration::from_secs(1)), 40),
    ]);
    site.stop();
    site.observe();
    for replicas in [4, 1, 3] {
        site.kubectl(&["scale", "deployment/cart", &format!("--replicas={replicas}"), "--namespace=shop"]);
        site.rolled_out("cart");
    }
    site.agrees("through watches that were cut");
    assert!(site.proxy.met().len() > met + 10, "{} faults met", site.proxy.met().len());
}

#[test]
fn its_account_may_read_what_it_reads_and_nothing_else() {
    if !provided() {
        return;
    }
    let site = Site::start();
    let token = site.kubernetes.token("bellbuoy", manifests::ACCOUNT).expect("the account has tokens");
    let account = site.kubernetes.kubeconfig_of(&token).expect("a file can be written");
    let may = |verb: &str, what: &str| {
        let asked = ["auth", "can-i", verb, what, "--all-namespaces"];
        // `no` leaves with 1.
        site.kubernetes.kubectl_as(&account, &asked).is_ok_and(|said| said.trim() == "yes")
    };
    for kind in observe::kinds::ALL {
        let what =
            if kind.group.is_empty() { kind.plural.to_owned() } else { format!("{}.{}", kind.plural, kind.group) };
        assert!(may("list", &what) && may("watch", &what), "{what}");
        assert!(["create", "patch", "update", "delete"].iter().all(|verb| !may(verb, &what)), "{what}");
    }
    for what in ["secrets", "configmaps", "serviceaccounts"] {
        assert!(!may("get", what) && !may("list", what), "{what}");
    }
    for part in ["exec", "log", "proxy", "portforward"] {
        let asked = ["auth", "can-i", "get", "pods", &format!("--subresource={part}"), "--all-namespaces"];
        assert!(site.kubernetes.kubectl_as(&account, &asked).is_err(), "pods/{part}");
    }
}
