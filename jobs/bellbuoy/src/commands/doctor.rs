//! `doctor`: looks at everything a run needs, and says what to change.

mod kafka;

use super::state;
use crate::error::Error;
use crate::settings::Settings;
use crate::site::{Site, has_log};
use crate::{listing, wiring};
use actuate::checkup::{self, Grade};
use engine::checkpoint::CheckpointStore;
use engine::lane::group_of;
use engine::log::TopicPartition;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Free space below which a disk is about to be full, bytes.
const LITTLE_SPACE: u64 = 2 << 30;
/// Checkpoints that must fit into the retention of what would have to be replayed.
const CHECKPOINTS_IN_RETENTION: i64 = 2;

/// What RocksDB says of a store that another process has open.
const LOCKED: &str = "lock file";

/// How a finding is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One thing looked at.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    verdict: Verdict,
    what: &'static str,
    seen: String,
    /// What to change; empty where nothing.
    advice: String,
}

/// Everything looked at so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, what: &'static str, seen: String) {
        self.0.push(Finding { verdict: Verdict::Ok, what, seen, advice: String::new() });
    }

    fn warn(&mut self, what: &'static str, seen: String, advice: &str) {
        self.0.push(Finding { verdict: Verdict::Warn, what, seen, advice: advice.to_owned() });
    }

    fn fail(&mut self, what: &'static str, seen: String, advice: &str) {
        self.0.push(Finding { verdict: Verdict::Fail, what, seen, advice: advice.to_owned() });
    }
}

pub(super) fn execute(settings: Settings, file: Option<&Path>, as_json: bool) -> Result<(), Error> {
    let mut findings = Findings::default();
    let source = file.map_or("defaults and environment".to_owned(), |file| file.display().to_string());
    findings.ok("configuration", source);
    folders(&settings, &mut findings);
    retention(&settings, &mut findings);
    if has_log(&settings.log) {
        match Site::open(settings.clone()) {
            Ok(site) => look_into(&site, &mut findings),
            Err(error) => {
                let advice = match &settings.log.kafka {
                    Some(_) => "check log.kafka: address, port, security settings, and that the brokers run",
                    None => "stop the process that uses it, or look at its disk",
                };
                findings.fail("log", error.to_string(), advice);
            }
        }
    } else {
        let seen = format!("{}: not created yet", settings.log.embedded.display());
        findings.warn("log", seen, "`bellbuoy topics apply` or `run` creates it");
    }
    if !settings.actuate.cluster.is_empty() {
        actuator(&settings, &mut findings);
    }
    for target in &settings.notify.targets {
        let named = |seen: String| format!("{}: {seen}", target.name);
        match notify::trial::look(target) {
            Ok(seen) => findings.ok("notify", named(seen)),
            Err(seen) => findings.warn("notify", named(seen), "`bellbuoy notify test` tries it"),
        }
    }
    show(&findings.0, as_json)?;
    match findings.0.iter().filter(|finding| finding.verdict == Verdict::Fail).count() {
        0 => Ok(()),
        count => Err(Error::Unwell(format!("{count} findings would stop a run"))),
    }
}

fn folders(settings: &Settings, findings: &mut Findings) {
    let mut folders = vec![("state folder", settings.state.folder.clone())];
    if settings.log.kafka.is_none() {
        folders.insert(0, ("log folder", settings.log.embedded.clone()));
    }
    match &settings.checkpoints.address {
        None => findings.warn(
            "checkpoints",
            "none are kept".to_owned(),
            "set checkpoints.address: what was learnt beyond the log's retention lives in them alone",
        ),
        Some(address) if address.contains("://") && !address.starts_with("file://") => {
            match CheckpointStore::open(address).and_then(|store| store.list_all()) {
                Ok(found) => findings.ok("checkpoints", format!("{address}: {} checkpoints", found.len())),
                Err(error) => {
                    findings.fail("checkpoints", error.to_string(), "check address, credentials and features")
                }
            }
        }
        Some(address) => {
            folders.push(("checkpoint folder", PathBuf::from(address.strip_prefix("file://").unwrap_or(address))));
        }
    }
    for (what, folder) in folders {
        // What does not exist yet will be created below the nearest folder that does.
        let Some(existing) = nearest(&folder) else {
            findings.fail(what, format!("{}: no folder above it exists", folder.display()), "name another");
            continue;
        };
        if let Err(error) = tempfile::tempfile_in(&existing) {
            let advice = "let the user of this process write there, or name another folder";
            findings.fail(what, format!("{}: {error}", existing.display()), advice);
            continue;
        }
        match rustix::fs::statvfs(&existing) {
            Ok(disk) => {
                let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                let seen = format!("{}: writable, {} free", folder.display(), listing::bytes(free));
                if free < LITTLE_SPACE {
                    findings.warn(what, seen, "free some space, or lower retention; a full disk stops the process");
                } else {
                    findings.ok(what, seen);
                }
            }
            Err(error) => findings.warn(what, format!("{}: {error}", folder.display()), "disk space is not known"),
        }
    }
}

fn nearest(folder: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(folder).ok()?;
    absolute.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned)
}

fn retention(settings: &Settings, findings: &mut Findings) {
    let topic = topics::declared::SIGNALS;
    let declared = match topic.cleanup {
        topics::Cleanup::Delete { retention } => i64::try_from(retention.as_millis()).unwrap_or(i64::MAX),
        topics::Cleanup::Compact => i64::MAX,
    };
    let kept = settings.topics.get(topic.name).and_then(|t| t.retention).map_or(declared, |span| span.millis());
    let every = settings.checkpoints.every;
    let seen = format!("signals are kept {}, a checkpoint every {every}", listing::span(kept));
    if kept < every.millis().saturating_mul(CHECKPOINTS_IN_RETENTION) {
        let advice = "lengthen the retention of the signals topic or shorten checkpoints.every: a checkpoint that fails \
                      would leave a gap that cannot be replayed";
        findings.fail("retention", seen, advice);
    } else {
        findings.ok("retention", seen);
    }
}

/// What only the cluster can tell that commands are for.
fn actuator(settings: &Settings, findings: &mut Findings) {
    match checkup::look(&settings.actuate) {
        Ok(found) => found.into_iter().for_each(|finding| match finding.grade {
            Grade::Good => findings.ok("actuator", finding.seen),
            Grade::Doubtful => findings.warn("actuator", finding.seen, finding.advice),
            Grade::Bad => findings.fail("actuator", finding.seen, finding.advice),
        }),
        Err(error) => findings.fail("actuator", error.to_string(), "check actuate.kubeconfig"),
    }
}

/// What only the log can tell.
fn look_into(site: &Site, findings: &mut Findings) {
    let alone = if site.settings.log.kafka.is_some() { "a broker answers" } else { "no other process uses it" };
    findings.ok("log", format!("{}: opened, {alone}", site.place()));
    if let Some(kafka) = &site.settings.log.kafka {
        kafka::look(site, kafka, findings);
        // What is not allowed would only be met again, after long waits.
        if findings.0.iter().any(|finding| finding.what == kafka::PERMISSIONS && finding.verdict == Verdict::Fail) {
            return;
        }
    }
    if let Err(error) = topics(site, findings).and_then(|()| offsets(site, findings)) {
        findings.fail("log", error.to_string(), "nothing further can be looked at before this is so no longer");
    }
}

fn topics(site: &Site, findings: &mut Findings) -> Result<(), Error> {
    let differences = site.differences()?;
    if differences.is_empty() {
        findings.ok("topics", "as declared".to_owned());
    }
    for difference in differences {
        let advice =
            if difference.spec.is_some() { "`bellbuoy topics apply`" } else { "decide yourself, see topics list" };
        findings.warn("topics", difference.text, advice);
    }
    Ok(())
}

/// Newest offset by input topic and partition.
type Newest = BTreeMap<(String, u32), i64>;

/// Committed offsets against the log's bounds, state and checkpoints: what recovery will meet.
fn offsets(site: &Site, findings: &mut Findings) -> Result<(), Error> {
    let existing: Vec<_> =
        site.log.topics()?.into_iter().map(|topic| (topic.spec.name, topic.spec.partitions)).collect();
    for job in wiring::JOBS {
        let (mut states, checkpoints) = (states(site, job, findings)?, checkpoints(site, job, findings));
        let (mut committed_count, mut lag, mut troubles) = (0, 0, 0);
        for (topic, partitions) in
            existing.iter().filter(|(name, _)| wiring::inputs(job, &site.settings).contains(name))
        {
            for number in 0..*partitions {
                let partition = TopicPartition::new(topic.as_str(), number);
                let bounds = site.log.bounds(&partition)?;
                let key = (topic.clone(), number);
                let state = states.remove(&key);
                let committed = site.log.committed(&group_of(job), &partition)?.map(|committed| committed.offset);
                let newest = state.max(checkpoints.get(&key).copied());
                let before = troubles;
                let mut trouble = |seen: String, advice: &str| {
                    troubles += 1;
                    findings.fail("offsets", format!("{job} on {partition}: {seen}"), advice);
                };
                match (committed, newest) {
                    (None, Some(newest)) => trouble(
                        format!("state at offset {newest}, but nothing is committed"),
                        "the log is another one than the state's; point at the right one, or accept a reset",
                    ),
                    (Some(at), _) if at > bounds.end => trouble(
                        format!("committed {at} is beyond the log's end {}", bounds.end),
                        "the log was replaced or restored; point at the right one",
                    ),
                    (Some(at), _) if state.is_some_and(|state| state > at) => trouble(
                        format!("state at {} is ahead of committed {at}", state.unwrap_or_default()),
                        "the log is older than the state; point at the right one, or accept a reset",
                    ),
                    // On a cluster the state may be with another process; only what is seen is judged.
                    (Some(_), None) if site.settings.log.kafka.is_some() => {}
                    (Some(at), newest) if job != "ingest" && bounds.start > newest.unwrap_or(0).min(at) => trouble(
                        format!("the log starts at {}, after the newest state {}", bounds.start, newest.unwrap_or(0)),
                        "restore a newer checkpoint, or `run --accept-reset` and learn anew",
                    ),
                    _ => {}
                }
                if troubles == before
                    && let Some(at) = committed
                {
                    committed_count += 1;
                    lag += (bounds.end - at).max(0);
                }
            }
        }
        if troubles == 0 {
            let lag = listing::count(u64::try_from(lag).unwrap_or(0));
            findings
                .ok("offsets", format!("{job}: {committed_count} partitions committed, {lag} offsets behind the end"));
        }
    }
    Ok(())
}

fn states(site: &Site, job: &str, findings: &mut Findings) -> Result<Newest, Error> {
    let mut tasks = state::tasks(&site.settings.state.folder)?;
    tasks.retain(|task| task.job == job);
    let stores = wiring::stores(&site.settings);
    let (mut states, mut locked) = (Newest::new(), 0);
    for task in tasks {
        match stores.open(&task).and_then(|store| store.marker()) {
            Ok(Some(marker)) if marker.task != task => {
                let seen = format!("the folder of {task} holds the state of {}", marker.task);
                findings.fail("state", seen, "move the folder back to where it belongs, or delete it");
            }
            Ok(Some(marker)) => drop(states.insert((task.topic, task.partition), marker.offset)),
            Ok(None) => {}
            // Of the embedded log the same process has the log, too, and doctor does not come this far.
            Err(error) if site.settings.log.kafka.is_some() && error.to_string().contains(LOCKED) => locked += 1,
            Err(error) => findings.fail("state", error.to_string(), "delete the folder to recover from a checkpoint"),
        }
    }
    if locked > 0 {
        findings.ok("state", format!("{job}: {locked} tasks are a running process's, and not looked into"));
    }
    Ok(states)
}

fn checkpoints(site: &Site, job: &str, findings: &mut Findings) -> Newest {
    let Some(address) = &site.settings.checkpoints.address else { return Newest::new() };
    if !address.contains("://") && !Path::new(address).exists() {
        return Newest::new();
    }
    let listed = CheckpointStore::open(address).and_then(|store| store.list_all());
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) => {
            findings.fail("checkpoints", error.to_string(), "check the address");
            return Newest::new();
        }
    };
    let mut newest = Newest::new();
    for info in listed {
        // {job}/{logic}/{topic}-{partition}/{offset}.snap
        let parts: Vec<&str> = info.name.split('/').collect();
        let [of, _, place, _] = parts[..] else { continue };
        let Some((topic, Ok(partition))) = place.rsplit_once('-').map(|(t, p)| (t, p.parse())) else { continue };
        if of == job {
            let known = newest.entry((topic.to_owned(), partition)).or_insert(info.offset);
            *known = info.offset.max(*known);
        }
    }
    newest
}

fn show(findings: &[Finding], as_json: bool) -> Result<(), Error> {
    if as_json {
        return listing::json(&findings);
    }
    let mut out = String::new();
    for finding in findings {
        let word = match finding.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        out.push_str(&format!("{word:<5} {:<18} {}\n", finding.what, finding.seen));
        if !finding.advice.is_empty() {
            out.push_str(&format!("{:<24} → {}\n", "", finding.advice));
        }
    }
    listing::text(&out)
}
