//! `checkpoint`: which copies of task state there are, and whether they are whole.

use crate::cli::Checkpoint;
use crate::error::Error;
use crate::settings::Settings;
use crate::{listing, moment};
use engine::checkpoint::CheckpointStore;
use engine::error::CheckpointError;
use serde_json::json;
use std::path::Path;

pub(super) fn execute(settings: &Settings, command: &Checkpoint) -> Result<(), Error> {
    let address = settings.checkpoints.address.as_deref();
    let address = address.ok_or_else(|| Error::Usage("checkpoints.address is null: there are none".to_owned()))?;
    // A folder that is not there is an empty one; looking must not create it.
    let empty = !address.contains("://") && !Path::new(address).exists();
    let store = if empty { None } else { Some(CheckpointStore::open(address)?) };
    match command {
        Checkpoint::List(listed) => list(store.as_ref(), listed.json),
        Checkpoint::Verify { names, all, json } => verify(store.as_ref(), names, *all, *json),
    }
}

fn list(store: Option<&CheckpointStore>, as_json: bool) -> Result<(), Error> {
    let found = store.map_or_else(|| Ok(Vec::new()), CheckpointStore::list_all)?;
    if as_json {
        return listing::json(&found);
    }
    let row = |info: &engine::checkpoint::CheckpointInfo| {
        vec![info.name.clone(), info.offset.to_string(), listing::bytes(info.bytes), moment::format(info.written_at)]
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    listing::table(&["CHECKPOINT", "OFFSET", "SIZE", "WRITTEN"], &[1, 2], &rows)
}

fn verify(store: Option<&CheckpointStore>, names: &[String], all: bool, as_json: bool) -> Result<(), Error> {
    let Some(store) = store else {
        let missing = names.first().map(|name| Error::Unwell(format!("there is no checkpoint {name}")));
        return missing.map_or(Ok(()), Err);
    };
    let names = if all { store.list_all()?.into_iter().map(|info| info.name).collect() } else { names.to_vec() };
    let (mut damaged, mut values, mut rows) = (0, Vec::new(), Vec::new());
    let progress = crate::demo::progress_bar(names.len() as u64, "checkpoints");
    for name in names {
        let row = match store.verify(&name) {
            Ok(verified) => {
                values.push(json!({"name": name, "ok": true, "entries": verified.entries, "marker": verified.marker}));
                vec![name, "whole".to_owned(), format!("{} entries", listing::count(verified.entries))]
            }
            Err(error @ (CheckpointError::Damaged { .. } | CheckpointError::Store { .. })) => {
                damaged += 1;
                values.push(json!({"name": name, "ok": false, "error": error.to_string()}));
                vec![name, "DAMAGED".to_owned(), error.to_string()]
            }
            Err(error) => return Err(error.into()),
        };
        rows.push(row);
        progress.inc(1);
    }
    progress.finish_and_clear();
    if as_json {
        listing::json(&values)?;
    } else {
        listing::table(&["CHECKPOINT", "STATE", "DETAIL"], &[], &rows)?;
    }
    match damaged {
        0 => Ok(()),
        count => Err(Error::Unwell(format!("{count} checkpoints cannot be used; recovery leaves them out"))),
    }
}
