//! SIGKILL on a real disk: whenever the program dies, what it published is what an undisturbed run publishes.
//!
//! The moments of death come from a seed and the machine's load: no two runs of this suite kill at the same places.

#[path = "../installation/mod.rs"]
mod installation;
mod signals;

use engine::lane::group_of;
use engine::log::{Message, TopicPartition};
use engine::state::StateStores as _;
use engine::state::rocks::RocksStores;
use engine::task::TaskId;
use estate::Plan;
use installation::{Configured, Installation, Seeded, texts};
use signals::Sources;
use std::sync::OnceLock;
use std::time::Duration;
use topics::declared::SIGNALS;

/// How often detect is killed.
const DETECT_KILLS: usize = 54;
/// How often ingest is killed.
const INGEST_KILLS: usize = 18;
/// Nothing of interest happens earlier in a process's life.
const EARLIEST_MILLIS: u64 = 20;

const INGEST: [&str; 4] = ["run", "ingest", "--until-complete", "--recorded"];
const DETECT: [&str; 3] = ["run", "detect", "--until-complete"];

/// A day of a small estate as raw records, with some that nobody can read among them.
fn raw() -> &'static Installation {
    static RAW: OnceLock<Installation> = OnceLock::new();
    RAW.get_or_init(|| {
        let plan = Plan { days: 1, workloads: 8, scrape_interval: Duration::from_secs(120), ..Plan::default() };
        let raw = Installation::of_estate(&plan, usize::MAX);
        let garbage = |number: u32| Message {
            topic: if number.is_multiple_of(2) { "k8s-audit".into() } else { "otlp_metrics".into() },
            partition: number % 4,
            value: Some(format!("nothing that anyone writes, number {number}").into_bytes()),
            timestamp: Some(plan.start_time + i64::from(number) * 1_000_000),
            ..Message::default()
        };
        raw.append((0..80).map(garbage));
        raw
    })
}

/// The same with the signals of an undisturbed ingest.
fn recorded() -> &'static Installation {
    static RECORDED: OnceLock<Installation> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let recorded = raw().copy();
        recorded.done(&INGEST);
        recorded
    })
}

#[test]
fn detect_killed_at_any_moment_publishes_the_same_bytes() {
    let undisturbed = recorded().copy();
    let usual = undisturbed.timed(&DETECT);
    let wanted = undisturbed.anomalies();
    wanted.assert_numbered_without_gaps();
    assert!(wanted.len() > 50, "a run that publishes {} records proves little", wanted.len());

    let mut seeded = Seeded::new(9);
    let (mut kills, mut rounds, mut amid) = (0, 0, 0);
    while kills < DETECT_KILLS {
        rounds += 1;
        let killed = recorded().copy();
        let mut history = Vec::new();
        loop {
            let configured = Configured {
                lanes: seeded.one_of(&[1, 2, 4]),
                flush_every: seeded.one_of(&["1s", "2s", "20s"]),
                checkpoint_every: seeded.one_of(&["1s", "2s", "5m"]),
                memory: seeded.one_of(&["64MiB", "512MiB"]),
                ..Configured::default()
            };
            killed.configure(&configured);
            let moment = Duration::from_millis(EARLIEST_MILLIS + seeded.below(usual.as_millis() as u64));
            let (dead, _) = killed.start(&DETECT).kill_after(moment);
            history.push(format!("{configured:?} {moment:?}"));
            if !dead {
                break;
            }
            kills += 1;
            let progress = killed.progress("detect", SIGNALS.name);
            amid += usize::from(progress.iter().any(|(at, end)| *at > 0 && at < end));
            if kills % 3 == 0 {
                killed.wipe("state");
            }
            if kills % 5 == 0 {
                killed.wipe("checkpoints");
            }
        }
        let how = format!("round {rounds} of {} lives: {history:#?}", history.len());
        killed.anomalies().assert_same(&wanted, &how);
    }
    assert!(amid * 4 > kills, "only {amid} of {kills} kills met a process amid its work");
    println!("{kills} kills in {rounds} rounds, {amid} of them amid the work; no byte differs");
}

#[test]
fn ingest_killed_at_any_moment_accounts_for_every_raw_record_once() {
    let undisturbed = raw().copy();
    let usual = undisturbed.timed(&INGEST);
    let wanted = Sources::of(&undisturbed);
    assert_eq!(wanted.letters.len(), 80, "every record that nobody can read is a dead letter");

    let mut seeded = Seeded::new(15);
    let (mut kills, mut rounds) = (0, 0);
    while kills < INGEST_KILLS {
        rounds += 1;
        let killed = raw().copy();
        loop {
            killed.configure(&Configured { lanes: seeded.one_of(&[1, 2, 4]), ..Configured::default() });
            let moment = Duration::from_millis(EARLIEST_MILLIS + seeded.below(usual.as_millis() as u64));
            // By the records' time or by the machine's: where ticks and transactions end is not what is compared.
            let arguments = if seeded.below(2) == 0 { &INGEST[..] } else { &INGEST[..3] };
            let (dead, _) = killed.start(arguments).kill_after(moment);
            if !dead {
                break;
            }
            kills += 1;
        }
        Sources::of(&killed).assert_same(&wanted);
    }
    println!("{kills} kills in {rounds} rounds; {} signals, each there once and in its order", wanted.len());
}

#[test]
fn a_process_asked_to_end_leaves_nothing_to_replay() {
    let site = recorded().copy();
    let usual = recorded().copy().timed(&DETECT);
    // Amid its work: what is processed is published and stored, the rest is left to the next.
    let life = site.start(&["run", "detect", "--until-complete", "--log-format", "json"]);
    std::thread::sleep(usual.mul_f64(0.5));
    life.terminate();
    let (_, output) = life.wait();
    assert_eq!(output.status.code(), Some(0), "{}", texts(&output).1);
    assert_nothing_to_replay(&site);

    // Waiting for more: everything is read.
    site.done(&DETECT);
    let life = site.start(&["run", "all"]);
    std::thread::sleep(Duration::from_secs(2));
    life.terminate();
    let (_, output) = life.wait();
    assert_eq!(output.status.code(), Some(0), "{}", texts(&output).1);
    for topic in ["otlp_metrics", "k8s-audit", "hubble-flows"] {
        assert!(site.progress("ingest", topic).iter().all(|(at, end)| at == end), "{topic} has been read to its end");
    }
    assert_nothing_to_replay(&site);
    site.done(&DETECT);
    assert!(site.progress("detect", SIGNALS.name).iter().all(|(at, end)| at == end), "no lag is left");
    site.anomalies().assert_numbered_without_gaps();
}

/// Fails if a task that starts now would read anything it has read before.
fn assert_nothing_to_replay(site: &Installation) {
    let log = site.log();
    let stores = RocksStores::new(&site.place("state"), 8 << 20);
    for partition in 0..installation::partitions(&*log, SIGNALS.name) {
        let input = TopicPartition::new(SIGNALS.name, partition);
        let committed = log.committed(&group_of("detect"), &input).expect("the topic is there");
        let task = TaskId { job: "detect".to_owned(), topic: SIGNALS.name.to_owned(), partition };
        let marker = stores.open(&task).and_then(|store| store.marker()).expect("the state can be read");
        assert_eq!(marker.map(|marker| marker.offset), committed.map(|committed| committed.offset), "{task}");
    }
}
