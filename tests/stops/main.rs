//! Where the program stops rather than guess: exit code 1, words that say what to do, and what `--accept-reset` does.

#[path = "../installation/mod.rs"]
mod installation;

use engine::lane::group_of;
use engine::log::{Limit, OffsetCommit, Polled, TopicPartition};
use engine::state::rocks::RocksStores;
use engine::task::TaskId;
use estate::Plan;
use installation::{Configured, Installation, copy_folder, free_port, get, texts};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use topics::declared::SIGNALS;

const DETECT: [&str; 3] = ["run", "detect", "--until-complete"];
const ACCEPTED: [&str; 4] = ["run", "detect", "--until-complete", "--accept-reset"];

/// An installation that has learned: signals, anomalies, state and checkpoints.
fn learned() -> &'static Installation {
    static LEARNED: OnceLock<Installation> = OnceLock::new();
    LEARNED.get_or_init(|| {
        let plan = Plan { days: 1, workloads: 8, scrape_interval: Duration::from_secs(600), ..Plan::default() };
        let learned = Installation::of_estate(&plan, 5000);
        learned.configure(&frequent());
        learned.done(&["run", "all", "--until-complete", "--recorded"]);
        // Live ticks make every task move on while its checkpoints fall due.
        let mut life = learned.start(&["run", "all"]);
        life.until("every task has a checkpoint", || snapshots(learned.place("checkpoints")).len() >= 4);
        std::thread::sleep(Duration::from_millis(1500));
        life.terminate();
        assert_eq!(life.wait().1.status.code(), Some(0));
        // The last ticks may stand in the log with nobody having read them before the stop.
        learned.done(&DETECT);
        assert!(learned.progress("detect", SIGNALS.name).iter().all(|(at, end)| at == end), "everything is read");
        learned
    })
}

fn frequent() -> Configured {
    Configured { flush_every: "1s", checkpoint_every: "1s", ..Configured::default() }
}

/// Every checkpoint below a folder.
fn snapshots(folder: PathBuf) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            found.extend(snapshots(path));
        } else if path.extension().is_some_and(|kind| kind == "snap") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Stops with each of the words, goes on when the loss is accepted, and afterwards starts as if nothing had been.
fn stops_until_accepted(site: &Installation, words: &[&str]) {
    let said = site.stopped(&DETECT);
    for word in words.iter().chain(&["--accept-reset"]) {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
    assert_eq!(site.stopped(&DETECT), said, "it stops again, in the same words");
    let (_, log) = site.done(&ACCEPTED);
    assert!(log.contains("accepted reset, given up: "), "what is given up is said: {log}");
    let (_, log) = site.done(&DETECT);
    assert!(!log.contains("given up"), "once is enough: {log}");
    assert!(site.progress("detect", SIGNALS.name).iter().all(|(at, end)| at == end), "everything is read");
}

/// Commits another position for a partition of the signals topic, in the name of detect.
fn commit(site: &Installation, partition: u32, offset: i64) {
    let log = site.log();
    let input = TopicPartition::new(SIGNALS.name, partition);
    let group = group_of("detect");
    let metadata = log.committed(&group, &input).expect("the topic is there").expect("detect has run").metadata;
    let mut consumer = log.consumer(&group, "somebody", &[SIGNALS.name]).expect("the group can be joined");
    let polled = consumer.poll(Limit { records: 1, bytes: 1 }, Duration::ZERO).expect("the log can be read");
    assert!(matches!(polled, Polled::Assignment { .. }));
    let mut producer = log.producer("somebody").expect("a producer can be opened");
    producer.begin().expect("no transaction is open");
    let commits = [OffsetCommit { partition: input, offset, metadata }];
    producer.commit(&commits, Some(&consumer.membership())).expect("the offset can be committed");
}

#[test]
fn a_log_truncated_below_the_state_stops() {
    let site = learned().copy();
    site.wipe("state");
    site.wipe("checkpoints");
    {
        let log = site.log();
        let topics = log.topics().expect("the log can be read");
        let mut spec = topics.into_iter().find(|t| t.spec.name == SIGNALS.name).expect("it is there").spec;
        spec.retention_bytes = Some(1000);
        log.alter_topic(&spec).expect("retention may change");
        assert!(log.enforce_retention(0).expect("retention can be enforced") > 0);
    }
    let before = site.anomalies();
    stops_until_accepted(&site, &["detect on bellbuoy.signals.v1/0", "the log starts at", "what was learned"]);
    let after = site.anomalies();
    after.assert_numbered_without_gaps();
    assert!(before.0.iter().all(|(task, outputs)| after.0[task].starts_with(outputs)), "nothing is published twice");
}

#[test]
fn raw_records_that_retention_took_after_they_were_read_do_not_stop_ingest() {
    let site = learned().copy();
    {
        let log = site.log();
        for topic in log.topics().expect("the log can be read") {
            if topics::find(&topic.spec.name).is_none() {
                let mut spec = topic.spec;
                spec.retention_bytes = Some(1000);
                log.alter_topic(&spec).expect("retention may change");
            }
        }
        assert!(log.enforce_retention(0).expect("retention can be enforced") > 0);
    }
    site.done(&["run", "all", "--until-complete", "--recorded"]);
}

#[test]
fn a_committed_offset_that_is_gone_stops() {
    let site = learned().copy();
    let input = TopicPartition::new(SIGNALS.name, 1);
    site.log().forget_committed(&group_of("detect"), &input).expect("an offset can be forgotten");
    stops_until_accepted(&site, &["detect on bellbuoy.signals.v1/1", "no committed offset", "give up the state"]);
}

#[test]
fn a_committed_offset_that_was_moved_back_stops() {
    let site = learned().copy();
    commit(&site, 2, 3);
    stops_until_accepted(&site, &["detect on bellbuoy.signals.v1/2", "moved it back", "give up the newer state"]);
}

#[test]
fn a_committed_offset_beyond_the_end_stops() {
    let site = learned().copy();
    commit(&site, 2, 1 << 40);
    stops_until_accepted(&site, &["detect on bellbuoy.signals.v1/2", "beyond the log's end", "start over"]);
}

#[test]
fn the_state_of_another_task_stops() {
    let site = learned().copy();
    let folder = |partition: u32| site.place("state").join("detect").join(format!("{}-{partition}", SIGNALS.name));
    fs::remove_dir_all(folder(1)).expect("the state can be removed");
    copy_folder(&folder(0), &folder(1));
    let owner = "the state belongs to detect on bellbuoy.signals.v1/0";
    stops_until_accepted(&site, &["detect on bellbuoy.signals.v1/1: ", owner, "state.folder"]);
}

#[test]
fn an_input_topic_created_anew_stops() {
    let site = learned().copy();
    {
        let log = site.log();
        let topics = log.topics().expect("the log can be read");
        let spec = topics.into_iter().find(|t| t.spec.name == SIGNALS.name).expect("it is there").spec;
        log.delete_topic(SIGNALS.name).expect("a topic can be deleted");
        log.create_topic(&spec).expect("a topic can be created");
    }
    stops_until_accepted(&site, &["created anew", "what was learned from the old one is given up"]);
}

#[test]
fn output_of_a_newer_logic_stops_and_cannot_be_accepted() {
    let site = learned().copy();
    site.configure(&Configured { revision: 2, ..frequent() });
    let (_, log) = site.done(&DETECT);
    assert!(log.contains("continues under another logic"), "{log}");
    site.configure(&Configured { revision: 1, ..frequent() });
    for arguments in [&DETECT[..], &ACCEPTED] {
        let said = site.stopped(arguments);
        assert!(said.contains("newer logic") && said.contains("run the newer program"), "{said}");
    }
    site.configure(&Configured { revision: 2, ..frequent() });
    site.done(&DETECT);
    site.anomalies().assert_numbered_without_gaps();
}

#[test]
fn a_damaged_marker_stops_until_the_state_is_removed() {
    let site = learned().copy();
    let task = TaskId { job: "detect".to_owned(), topic: SIGNALS.name.to_owned(), partition: 3 };
    let place = RocksStores::new(&site.place("state"), 8 << 20).place(&task);
    {
        let options = rocksdb::Options::default();
        let families = ["default", "entries", "meta"];
        let db = rocksdb::DB::open_cf(&options, &place, families).expect("the state can be opened");
        let meta = db.cf_handle("meta").expect("it is there");
        db.put_cf(meta, b"marker", b"{\"task\": ").expect("it can be overwritten");
    }
    let before = site.anomalies();
    let said = site.stopped(&ACCEPTED);
    assert!(said.contains("is damaged: its marker cannot be read") && said.contains("remove the folder"), "{said}");
    fs::remove_dir_all(place).expect("the state can be removed");
    site.done(&DETECT);
    site.anomalies().assert_same(&before, "recovered from a checkpoint");
}

#[test]
fn a_damaged_checkpoint_is_left_out() {
    let site = learned().copy();
    site.wipe("state");
    let all = snapshots(site.place("checkpoints"));
    for (number, path) in all.iter().enumerate() {
        let mut bytes = fs::read(path).expect("a checkpoint can be read");
        let at = if number % 2 == 0 { bytes.len() - 40 } else { 3 };
        bytes[at] ^= 0x55;
        fs::write(path, bytes).expect("a checkpoint can be written");
    }
    let output = site.run(&["checkpoint", "verify", "--all"]);
    assert_eq!(output.status.code(), Some(1), "{}", texts(&output).0);
    let before = site.anomalies();
    let (_, log) = site.done(&DETECT);
    assert!(log.contains("left out") && log.contains("is damaged"), "{log}");
    site.anomalies().assert_same(&before, "replayed from the log");
}

#[test]
fn a_folder_that_another_process_has_open_is_refused() {
    let site = learned().copy();
    let port = free_port();
    site.configure(&Configured { port: Some(port), ..frequent() });
    let mut life = site.start(&["run", "all"]);
    // It answers once it has the log. Asking for the log itself would take it away from a process that is starting.
    life.until("it has the log", || get(port, "/livez").is_some());
    site.configure(&frequent());
    let said = site.stopped(&DETECT);
    assert!(said.contains("another process has this folder open"), "{said}");
    life.terminate();
    assert_eq!(life.wait().1.status.code(), Some(0));
    site.done(&DETECT);
}

#[test]
fn a_full_disk_stops_and_costs_nothing() {
    let whole = learned().copy();
    whole.wipe("state");
    whole.wipe("checkpoints");
    let plan = Plan { seed: 2, days: 1, workloads: 8, scrape_interval: Duration::from_secs(600), ..Plan::default() };
    let estate = estate::Estate::new(plan).expect("the plan is within its limits");
    whole.append(estate.records().take(6000).map(installation::message));
    let full = whole.copy();
    whole.done(&["run", "all", "--until-complete", "--recorded"]);

    let Some(disk) = Disk::of(&full, 10) else {
        println!("skipped, because no file system of a few megabytes can be mounted here");
        return;
    };
    let output = full.run(&["run", "all", "--until-complete", "--recorded"]);
    let (_, said) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    disk.grow();
    full.done(&["run", "all", "--until-complete", "--recorded"]);
    full.anomalies().assert_same(&whole.anomalies(), "after there was space again");
    drop(disk);
}

/// A small file system in memory, with an installation's data in it.
struct Disk {
    place: PathBuf,
}

impl Disk {
    /// Moves an installation's data into a file system with this many megabytes to spare.
    fn of(site: &Installation, spare: u64) -> Option<Self> {
        let place = site.path().join("bellbuoy-data");
        let aside = site.path().join("aside");
        fs::rename(&place, &aside).expect("a folder can be renamed");
        fs::create_dir(&place).expect("a folder can be made");
        let used: u64 = fs::read_dir(aside.join("log"))
            .expect("the log can be read")
            .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
            .sum();
        let size = format!("size={}m", (used >> 20) + spare);
        let target = place.display().to_string();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs", &target]).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            return None;
        }
        let disk = Disk { place };
        copy_folder(&aside, &disk.place);
        Some(disk)
    }

    /// Gives it plenty of space: RocksDB sets tens of megabytes aside for the write-ahead log of each task.
    fn grow(&self) {
        let place = self.place.display().to_string();
        let status = Command::new("mount").args(["-o", "remount,size=2500m", &place]).status();
        assert!(status.is_ok_and(|status| status.success()), "the file system cannot be enlarged");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What cannot be unmounted now goes with the machine.
        let _ = Command::new("umount").arg("--lazy").arg(&self.place).status();
    }
}
