//! What a shipper does beside the control plane: each new line of the audit log goes to Kafka, wrapped as a Collector wraps
//! it.

use crate::installation::collected;
use crate::site::{Site, write};
use crate::telemetry::{self, Behaviour, Pod, SCRAPE};
use engine::clock::{SystemClock, WallClock as _};
use engine::log::{Log, Message};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Time between two looks at the audit log.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Telemetry that goes on by itself. Dropping it ends it.
pub struct Shipping {
    shared: Arc<Mutex<Shared>>,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads are told.
struct Shared {
    stopped: bool,
    /// What the pods of the cart do, and which of them talks to the pool.
    behaviour: Behaviour,
    mining: Option<Pod>,
    /// The pod that the network lets nothing through of.
    isolated: Option<Pod>,
}

impl Shipping {
    /// Goes on where the history ended: every scrape at its time, every line of the audit log from here on.
    /// The audit log only where no Collector reads it.
    pub fn start(site: &Site, pods: Vec<Pod>, database: Pod, next: i64, since: i64, audit: bool) -> Self {
        let shared = Arc::new(Mutex::new(Shared {
            stopped: false,
            behaviour: Behaviour::Ordinary,
            mining: None,
            isolated: None,
        }));
        let (log, of_metrics) = (site.log.clone(), shared.clone());
        let metrics = move || ship_telemetry(&*log, &of_metrics, pods, &database, next, since);
        let mut threads = vec![std::thread::spawn(metrics)];
        if audit {
            let (log, of_audit, file) = (site.log.clone(), shared.clone(), site.kubernetes.audit_log());
            let from = std::fs::metadata(&file).map_or(0, |file| file.len());
            threads.push(std::thread::spawn(move || ship_audit(&*log, &of_audit, file, from)));
        }
        Shipping { shared, threads }
    }

    /// From now on the cart works for somebody else, and this pod of it talks to them.
    pub fn take_over(&self, pod: &Pod) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        (shared.behaviour, shared.mining) = (Behaviour::TakenOver, Some(pod.clone()));
    }

    /// What the network would do with a pod in quarantine: nothing of it gets through.
    pub fn isolate(&self, pod: &Pod) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        (shared.behaviour, shared.mining, shared.isolated) = (Behaviour::Ordinary, None, Some(pod.clone()));
    }

    /// Everything is as before.
    pub fn calm(&self) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).isolated = None;
    }
}

impl Drop for Shipping {
    fn drop(&mut self) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).stopped = true;
        let failed = self.threads.drain(..).map(JoinHandle::join).filter(Result::is_err).count();
        assert!(failed == 0 || std::thread::panicking(), "a shipper failed, its log says why");
    }
}

fn ship_telemetry(
    log: &dyn Log,
    shared: &Mutex<Shared>,
    mut pods: Vec<Pod>,
    database: &Pod,
    mut next: i64,
    since: i64,
) {
    let clock = SystemClock::new();
    loop {
        let (behaviour, mining, isolated) = {
            let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            if shared.stopped {
                return;
            }
            (shared.behaviour, shared.mining.clone(), shared.isolated.clone())
        };
        if clock.now_millis() < next {
            std::thread::sleep(LOOK_EVERY);
            continue;
        }
        let mut messages = vec![telemetry::scrape(&mut pods, next, since, "cart", behaviour)];
        messages.extend(telemetry::flows(&pods, database, next, mining.as_ref(), isolated.as_ref()));
        write(log, "telemetry", messages);
        next += SCRAPE;
    }
}

fn ship_audit(log: &dyn Log, shared: &Mutex<Shared>, file: PathBuf, from: u64) {
    let clock = SystemClock::new();
    let mut file = std::fs::File::open(file).expect("the API server writes an audit log");
    file.seek(SeekFrom::Start(from)).expect("a file can be read from anywhere");
    let mut rest = Vec::new();
    while !shared.lock().unwrap_or_else(PoisonError::into_inner).stopped {
        file.read_to_end(&mut rest).expect("the audit log can be read");
        // A line may be half written yet.
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = rest.drain(..whole).collect();
        let lines = String::from_utf8(lines).expect("the API server writes UTF-8");
        let messages: Vec<Message> = lines
            .lines()
            .map(|line| Message {
                topic: "k8s-audit".into(),
                value: Some(collected(line)),
                timestamp: Some(clock.now_millis()),
                ..Message::default()
            })
            .collect();
        if !messages.is_empty() {
            write(log, "audit", messages);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
