//! One page per incident, however often the notifier's process dies: SIGKILL of `bellbuoy run notify` on a real Kafka.

#[path = "../installation/mod.rs"]
mod installation;

use engine::clock::SystemClock;
use engine::log::kafka::Config;
use engine::log::{Log, Message};
use installation::{Life, binary};
use rig::kafka::{Brokers, Kafka};
use rig::receiver::Receiver;
use rig::{kafka, provided};
use schemas::{Entity, EntityKind, Incident, IncidentBody, IncidentRecord, IncidentState, Member, Record as _};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use topics::declared::INCIDENTS;

/// How often the process is killed.
const KILLS: usize = 24;
/// Incidents that open in each of its lives, and of which one ends in each.
const EACH: usize = 3;

#[test]
fn every_incident_is_paged_once_and_over_once_however_often_the_process_is_killed() {
    if !provided(kafka::available()) {
        return;
    }
    let kafka = Kafka::start(Brokers::One).expect("a broker starts");
    let receiver = Receiver::start().expect("a port is free");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    configure(folder.path(), &kafka, &receiver);
    let made = command(folder.path(), &["topics", "apply"]).output().expect("the program can be started");
    assert!(made.status.success(), "{}", installation::texts(&made).1);
    let log = engine::log::kafka::open(Config::new(kafka.bootstrap()), Arc::new(SystemClock::new()));
    let log = log.expect("the cluster answers");

    // The first life finds no history, and writes down that it has begun.
    let mut open: Vec<Incident<'static>> = Vec::new();
    let first = incident("first");
    publish(&*log, std::slice::from_ref(&first));
    let mut life = Life::start(command(folder.path(), &["run", "notify"]));
    life.until("the first is told", || told(&receiver).len() == 1);
    open.push(first);

    for kill in 0..KILLS {
        let new: Vec<_> = (0..EACH).map(|one| incident(&format!("i{kill:02}-{one}"))).collect();
        publish(&*log, &new);
        // Moments spread over reading, writing and sending, the same in each run.
        std::thread::sleep(Duration::from_millis(37 * kill as u64 % 400));
        open.extend(new);
        let over = close(&open.remove(0));
        publish(&*log, &[over]);
        let (killed, output) = life.kill_after(Duration::ZERO);
        assert!(killed, "{}", installation::texts(&output).1);
        life = Life::start(command(folder.path(), &["run", "notify"]));
        if kill % 3 != 0 {
            // Long enough to start; every third life is killed while it still does.
            std::thread::sleep(Duration::from_millis(700 + 53 * kill as u64 % 500));
        }
    }
    let (opened, closed) = (KILLS * EACH + 1, KILLS);
    life.until("all are told", || told(&receiver).len() == opened + closed);
    life.terminate();
    let (_, output) = life.wait();
    assert_eq!(output.status.code(), Some(0), "{}", installation::texts(&output).1);

    let told = told(&receiver);
    let of = |word: &str| told.keys().filter(|(kind, _)| kind.contains(word)).count();
    assert_eq!((of("opened"), of("closed")), (opened, closed));
    let twice = receiver.taken().len() - told.len();
    println!(
        "{opened} incidents opened, {closed} over, {KILLS} kills: {twice} messages came a second time, as the same"
    );
    assert!(twice <= KILLS, "a kill repeats at most the one message that was on its way");
    assert!(told.values().all(|ids| ids.len() == 1), "each telling has one identity: {told:?}");
}

/// The identities under which each telling came, by its type and incident.
fn told(receiver: &Receiver) -> BTreeMap<(String, String), std::collections::BTreeSet<String>> {
    let mut told: BTreeMap<_, std::collections::BTreeSet<_>> = BTreeMap::new();
    for request in receiver.taken() {
        let event: Value = serde_json::from_str(&request.text).expect("an event is JSON");
        let text = |name: &str| event[name].as_str().expect("every event has it").to_owned();
        told.entry((text("type"), text("subject"))).or_default().insert(text("id"));
    }
    told
}

fn configure(folder: &Path, kafka: &Kafka, receiver: &Receiver) {
    let text = format!(
        "log: {{kafka: {{bootstrap: \"{}\"}}}}\nhttp: {{address: null}}\n\
         notify: {{targets: [{{name: hook, to: {{webhook: {{url: \"{}\"}}}}, at_most: 10000}}]}}\n",
        kafka.bootstrap(),
        receiver.url(),
    );
    fs::write(folder.join("bellbuoy.yaml"), text).expect("the configuration can be written");
}

/// The program, untouched by the environment of the test.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BELLBUOY")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

fn incident(id: &str) -> Incident<'static> {
    let entity = Entity {
        kind: EntityKind::Workload,
        namespace: "shop".into(),
        workload_kind: "Deployment".into(),
        name: "cart".into(),
    };
    Incident {
        tenant: "acme".into(),
        cluster: "prod".into(),
        id: id.to_owned().into(),
        revision: 1,
        severity: 50.0,
        sentence: "the cart is not what it was".into(),
        members: vec![Member { entity, ..Member::default() }],
        ..Incident::default()
    }
}

fn close(incident: &Incident<'static>) -> Incident<'static> {
    Incident { state: IncidentState::Close, revision: 2, closed_at: 1, ..incident.clone() }
}

fn publish(log: &dyn Log, incidents: &[Incident<'static>]) {
    let partitions = installation::partitions(log, INCIDENTS.name);
    let mut producer = log.producer("test").expect("a producer opens");
    producer.begin().expect("a transaction opens");
    for incident in incidents {
        let body = IncidentBody::Incident(Box::new(incident.clone()));
        let record = IncidentRecord { body, ..IncidentRecord::default() };
        let key = topics::cluster_key("acme", "prod").into_bytes();
        let message = Message {
            topic: INCIDENTS.name.into(),
            partition: topics::partition_for(&key, partitions),
            key: Some(key),
            value: Some(record.encode().expect("it can be written")),
            ..Message::default()
        };
        producer.send(message).expect("a record is taken");
    }
    producer.commit(&[], None).expect("it is committed");
}
