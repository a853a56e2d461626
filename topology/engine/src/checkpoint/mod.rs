//! Checkpoints: one snapshot object per task and offset, in a local folder or any object store.
//!
//! Name: `{job}/{logic}/{topic}-{partition}/{offset}.snap`; content: `snapshot.rs`.
//!
//! A checkpoint is a cache only while the log reaches back far enough; beyond retention it is primary data.

mod snapshot;
mod writer;

use crate::error::CheckpointError;
use crate::recovery::{Candidate, Place};
use crate::state::{Marker, Snapshot};
use crate::task::TaskId;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use std::sync::Arc;
use tokio::runtime::Runtime;

pub use writer::{Background, Inline};

/// Reads and writes checkpoints. Calls block; the store's own input and output runs on a small runtime inside.
#[derive(Clone)]
pub struct CheckpointStore {
    url: String,
    store: Arc<dyn ObjectStore>,
    prefix: ObjectPath,
    runtime: Arc<Runtime>,
}

/// Checkpoints as a lane uses them.
pub trait Checkpoints: Send + Sync {
    /// Starts writing a snapshot; a failure is logged and counted, and the next one tried in its time.
    fn start(&self, marker: Marker, snapshot: Box<dyn Snapshot>) -> Result<(), CheckpointError>;
    /// The task's checkpoints as recovery candidates, and what is wrong with those left out.
    fn candidates(&self, task: &TaskId) -> Result<(Vec<Candidate>, Vec<CheckpointError>), CheckpointError>;
    /// Reads a whole checkpoint and checks it, giving each entry.
    fn read(&self, name: &str, put: &mut dyn FnMut(Vec<u8>, Vec<u8>)) -> Result<Verified, CheckpointError>;
    /// Deletes every checkpoint of a task: a person has given up what they hold.
    fn discard(&self, task: &TaskId) -> Result<(), CheckpointError>;
    /// Waits until everything started has been written.
    fn finish(&self);
}

/// A checkpoint as listed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CheckpointInfo {
    /// Object name.
    pub name: String,
    /// Size, bytes.
    pub bytes: u64,
    /// Input offset, from the name.
    pub offset: i64,
    /// When it was written, milliseconds.
    pub written_at: i64,
}

/// A snapshot's content as checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What it stands for.
    pub marker: Marker,
    /// Number of entries.
    pub entries: u64,
}

impl CheckpointStore {
    /// Opens a store by URL (`file:///…`, `s3://…`, `gs://…`, `az://…`, `memory:///`) or by folder.
    pub fn open(address: &str) -> Result<Self, CheckpointError> {
        let fail = |message: String| CheckpointError::Address { url: address.to_owned(), message };
        let url = if address.contains("://") {
            address.to_owned()
        } else {
            std::fs::create_dir_all(address).map_err(|e| fail(e.to_string()))?;
            let folder = std::fs::canonicalize(address).map_err(|e| fail(e.to_string()))?;
            format!("file://{}", folder.display())
        };
        let parsed = url.parse().map_err(|e| fail(format!("{e}")))?;
        let (store, prefix) =
            object_store::parse_url_opts(&parsed, std::env::vars()).map_err(|e| fail(e.to_string()))?;
        Self::over(url, Arc::from(store), prefix)
    }

    /// A store over any object store, for tests.
    pub fn over(url: String, store: Arc<dyn ObjectStore>, prefix: ObjectPath) -> Result<Self, CheckpointError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("checkpoints")
            .enable_all()
            .build()
            .map_err(|e| CheckpointError::Store { url: url.clone(), message: e.to_string() })?;
        Ok(CheckpointStore { url, store, prefix, runtime: Arc::new(runtime) })
    }

    /// Writes a snapshot and reads it back; one that exists is left as it is, since its name says what it holds.
    pub fn write(&self, marker: &Marker, snapshot: Box<dyn Snapshot>) -> Result<String, CheckpointError> {
        let name = name_of(marker);
        let bytes = snapshot::encode(marker, snapshot).map_err(|message| self.fail(message))?;
        let location = self.location(&name);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = self.store.put_opts(&location, PutPayload::from(bytes), options);
        match self.runtime.block_on(put) {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(self.fail(error)),
        }
        self.verify(&name)?;
        Ok(name)
    }

    /// Every checkpoint of a task under any logic, oldest first.
    pub fn list(&self, task: &TaskId) -> Result<Vec<CheckpointInfo>, CheckpointError> {
        let folder = folder_of(task);
        let mut found = self.list_all()?;
        found.retain(|info| {
            let mut parts = info.name.rsplitn(3, '/');
            (parts.nth(1), parts.next().and_then(|rest| rest.split('/').next()))
                == (Some(folder.as_str()), Some(task.job.as_str()))
        });
        found.sort_by(|a, b| (a.offset, &a.name).cmp(&(b.offset, &b.name)));
        Ok(found)
    }

    /// Every checkpoint there is, by name.
    pub fn list_all(&self) -> Result<Vec<CheckpointInfo>, CheckpointError> {
        use futures_util::TryStreamExt;
        let list = self.store.list(Some(&self.prefix)).try_collect::<Vec<_>>();
        let objects = self.runtime.block_on(list).map_err(|e| self.fail(e))?;
        let base = self.prefix.as_ref();
        let mut found: Vec<CheckpointInfo> = objects
            .into_iter()
            .filter_map(|object| {
                let name = object.location.as_ref().strip_prefix(base)?.trim_start_matches('/').to_owned();
                let offset = name.rsplit('/').next()?.strip_suffix(".snap")?.parse().ok()?;
                let written_at = object.last_modified.timestamp_millis();
                Some(CheckpointInfo { name, bytes: object.size, offset, written_at })
            })
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The task's checkpoints as recovery candidates; one that cannot be read is left out and named in the second list.
    pub fn candidates(&self, task: &TaskId) -> Result<(Vec<Candidate>, Vec<CheckpointError>), CheckpointError> {
        let (mut candidates, mut damaged) = (Vec::new(), Vec::new());
        for info in self.list(task)? {
            match self.marker(&info.name) {
                Ok(marker) => candidates.push(Candidate { marker, place: Place::Checkpoint(info.name) }),
                Err(error @ CheckpointError::Damaged { .. }) => damaged.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok((candidates, damaged))
    }

    /// Reads a whole checkpoint and checks it, giving each entry.
    pub fn read(&self, name: &str, put: &mut dyn FnMut(Vec<u8>, Vec<u8>)) -> Result<Verified, CheckpointError> {
        let bytes = self.fetch(name, None)?;
        snapshot::decode(&bytes, put).map_err(|message| CheckpointError::Damaged { name: name.to_owned(), message })
    }

    /// Reads a whole checkpoint and checks it.
    pub fn verify(&self, name: &str) -> Result<Verified, CheckpointError> {
        self.read(name, &mut |_, _| ())
    }

    /// Deletes all but the newest `keep` checkpoints of a task under a logic.
    pub fn prune(&self, marker: &Marker, keep: usize) -> Result<usize, CheckpointError> {
        let folder = name_of(marker);
        let folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut mine = self.list(&marker.task)?;
        mine.retain(|info| info.name.rsplit_once('/').is_some_and(|(f, _)| f == folder));
        let excess = mine.len().saturating_sub(keep);
        self.delete(&mine[..excess])?;
        Ok(excess)
    }

    /// Deletes every checkpoint of a task under any logic.
    pub fn discard(&self, task: &TaskId) -> Result<(), CheckpointError> {
        self.delete(&self.list(task)?)
    }

    fn delete(&self, checkpoints: &[CheckpointInfo]) -> Result<(), CheckpointError> {
        for info in checkpoints {
            let location = self.location(&info.name);
            self.runtime.block_on(self.store.delete(&location)).map_err(|e| self.fail(e))?;
        }
        Ok(())
    }

    /// Where an object is; each part of its name is a part of the path, so that none of its slashes is escaped.
    fn location(&self, name: &str) -> ObjectPath {
        name.split('/').fold(self.prefix.clone(), ObjectPath::join)
    }

    fn marker(&self, name: &str) -> Result<Marker, CheckpointError> {
        let damaged = |message: String| CheckpointError::Damaged { name: name.to_owned(), message };
        // The marker is short; this reads it without the state behind it.
        let head = self.fetch(name, Some(64 << 10))?;
        let (marker, _) = snapshot::split_marker(&head).map_err(damaged)?;
        Ok(marker)
    }

    fn fetch(&self, name: &str, head: Option<u64>) -> Result<bytes::Bytes, CheckpointError> {
        let location = self.location(name);
        self.runtime
            .block_on(async {
                match head {
                    None => self.store.get(&location).await?.bytes().await,
                    Some(head) => {
                        let size = self.store.head(&location).await?.size;
                        self.store.get_range(&location, 0..size.min(head)).await
                    }
                }
            })
            .map_err(|e| self.fail(e))
    }

    fn fail(&self, error: impl std::fmt::Display) -> CheckpointError {
        CheckpointError::Store { url: self.url.clone(), message: error.to_string() }
    }
}

fn folder_of(task: &TaskId) -> String {
    format!("{}-{}", task.topic, task.partition)
}

fn name_of(marker: &Marker) -> String {
    let logic = marker.logic;
    format!(
        "{}/{}.{}.{:016x}/{}/{}.snap",
        marker.task.job,
        logic.semantics,
        logic.revision,
        logic.hash as u64,
        folder_of(&marker.task),
        marker.offset
    )
}
