//! `state inspect`: what tasks have stored.

use crate::cli::State;
use crate::error::Error;
use crate::listing;
use crate::settings::Settings;
use crate::wiring;
use engine::state::Marker;
use engine::task::TaskId;
use serde_json::json;
use std::path::Path;

pub(super) fn execute(settings: &Settings, command: &State) -> Result<(), Error> {
    let State::Inspect { job, partition, key, json } = command;
    let mut tasks = tasks(&settings.state.folder)?;
    tasks.retain(|task| job.as_ref().is_none_or(|job| *job == task.job));
    tasks.retain(|task| partition.is_none_or(|partition| partition == task.partition));
    let found = inspect(settings, &tasks, key.as_deref())?;
    if *json {
        listing::json(&found.iter().map(Inspected::json).collect::<Vec<_>>())
    } else {
        show(&found, key.is_some())
    }
}

/// One task's store as found.
pub(super) struct Inspected {
    pub(super) task: TaskId,
    pub(super) marker: Option<Marker>,
    entries: u64,
    bytes: u64,
    listed: Vec<(String, usize)>,
}

/// The tasks that have a folder, by job, topic and partition.
pub(super) fn tasks(folder: &Path) -> Result<Vec<TaskId>, Error> {
    let mut tasks = Vec::new();
    for job in subfolders(folder)? {
        for place in subfolders(&folder.join(&job))? {
            if let Some((topic, partition)) = place.rsplit_once('-')
                && let Ok(partition) = partition.parse()
            {
                tasks.push(TaskId { job: job.clone(), topic: topic.to_owned(), partition });
            }
        }
    }
    tasks.sort();
    Ok(tasks)
}

/// Opens and counts the stores of tasks.
pub(super) fn inspect(settings: &Settings, tasks: &[TaskId], key: Option<&str>) -> Result<Vec<Inspected>, Error> {
    let stores = wiring::stores(settings);
    let mut found = Vec::new();
    for task in tasks {
        let store = stores.open(task)?;
        let (mut entries, mut bytes, mut listed) = (0, 0, Vec::new());
        store.snapshot()?.entries(&mut |name, value| {
            if key.is_none_or(|beginning| name.starts_with(beginning.as_bytes())) {
                entries += 1;
                bytes += (name.len() + value.len()) as u64;
                if key.is_some() {
                    listed.push((name.escape_ascii().to_string(), value.len()));
                }
            }
        })?;
        found.push(Inspected { task: task.clone(), marker: store.marker()?, entries, bytes, listed });
    }
    Ok(found)
}

impl Inspected {
    fn json(&self) -> serde_json::Value {
        let listed: Vec<_> = self.listed.iter().map(|(key, bytes)| json!({"key": key, "bytes": bytes})).collect();
        json!({
            "task": self.task,
            "marker": self.marker,
            "entries": self.entries,
            "bytes": self.bytes,
            "keys": listed,
        })
    }
}

fn show(found: &[Inspected], keys: bool) -> Result<(), Error> {
    let mut rows = Vec::new();
    for at in found {
        let marker = |of: &dyn Fn(&Marker) -> String| at.marker.as_ref().map_or("-".to_owned(), of);
        rows.push(vec![
            at.task.to_string(),
            marker(&|m| m.offset.to_string()),
            marker(&|m| m.out_seq.to_string()),
            marker(&|m| crate::moment::format(m.clock.now())),
            marker(&|m| format!("{}.{}.{:016x}", m.logic.semantics, m.logic.revision, m.logic.hash)),
            listing::count(at.entries),
            listing::bytes(at.bytes),
        ]);
        if keys {
            for (key, bytes) in &at.listed {
                let mut row = vec![String::new(); 7];
                (row[0], row[6]) = (format!("  {key}"), listing::bytes(*bytes as u64));
                rows.push(row);
            }
        }
    }
    listing::table(&["TASK", "OFFSET", "OUTPUTS", "CLOCK", "LOGIC", "ENTRIES", "BYTES"], &[1, 2, 5, 6], &rows)
}

/// Names of the folders in a folder; none where it is not there.
fn subfolders(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file(folder, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::file(folder, error))?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}
