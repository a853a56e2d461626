//! What checkpoints promise: whole or refused, named by what they hold, kept by logic.

use engine::checkpoint::CheckpointStore;
use engine::clock::TaskClock;
use engine::error::CheckpointError;
use engine::output::Digest;
use engine::state::memory::MemoryStores;
use engine::state::{Marker, Snapshot, StateStores};
use engine::task::TaskId;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStoreExt, memory::InMemory};
use schemas::Logic;
use std::sync::Arc;

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn marker(partition: u32, offset: i64, revision: i32) -> Marker {
    Marker {
        task: TaskId { job: "detect".to_owned(), topic: "signals".to_owned(), partition },
        topic_id: 1,
        offset,
        first_offset: 0,
        out_seq: 3,
        digest: Digest::default(),
        clock: TaskClock::default(),
        logic: Logic { semantics: 2, revision, hash: -1 },
    }
}

fn snapshot(marker: &Marker, entries: &[(&[u8], &[u8])]) -> Box<dyn Snapshot> {
    let mut store = MemoryStores::default().open(&marker.task).unwrap();
    store.flush(&mut |put| entries.iter().for_each(|(key, value)| put(key, value)), marker).unwrap();
    store.snapshot().unwrap()
}

fn offsets(store: &CheckpointStore, marker: &Marker) -> Vec<i64> {
    store.list(&marker.task).unwrap().iter().map(|info| info.offset).collect()
}

fn in_memory() -> (Arc<InMemory>, CheckpointStore) {
    let objects = Arc::new(InMemory::new());
    let store = CheckpointStore::over("memory:///".to_owned(), objects.clone(), ObjectPath::default()).unwrap();
    (objects, store)
}

/// Runs a call of the object store itself.
fn now<T>(call: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(call)
}

#[test]
fn what_is_written_is_read_back_in_a_folder_and_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("new").join("checkpoints");
    let under = CheckpointStore::over("memory:///".to_owned(), Arc::new(InMemory::new()), "some/prefix".into());
    let stores = [
        CheckpointStore::open(inside.to_str().unwrap()).unwrap(),
        CheckpointStore::open("memory:///").unwrap(),
        under.unwrap(),
    ];
    let large = vec![9; 100_000];
    let entries: [(&[u8], &[u8]); 3] = [(b"", b""), (b"a", b"1"), (b"b", &large)];
    for store in stores {
        let marker = marker(0, 42, 1);
        let name = store.write(&marker, snapshot(&marker, &entries)).unwrap();
        let mut found = Entries::new();
        let verified = store.read(&name, &mut |key, value| found.push((key, value))).unwrap();
        assert_eq!((verified.marker, verified.entries), (marker.clone(), 3));
        assert_eq!(found, entries.map(|(key, value)| (key.to_vec(), value.to_vec())));
        let listed = store.list(&marker.task).unwrap();
        assert_eq!(listed.iter().map(|info| (&info.name, info.offset)).collect::<Vec<_>>(), [(&name, 42)]);
        let (candidates, damaged) = store.candidates(&marker.task).unwrap();
        assert_eq!((candidates.len(), damaged.len()), (1, 0));
        assert_eq!(candidates[0].marker, marker);
    }
}

#[test]
fn a_name_says_job_logic_partition_and_offset() {
    let (_, store) = in_memory();
    let marker = marker(11, 9_000_000_123, 7);
    let name = store.write(&marker, snapshot(&marker, &[])).unwrap();
    assert_eq!(name, "detect/2.7.ffffffffffffffff/signals-11/9000000123.snap");
}

#[test]
fn a_folder_holds_a_checkpoint_under_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(folder.path().to_str().unwrap()).unwrap();
    let marker = marker(0, 5, 1);
    let name = store.write(&marker, snapshot(&marker, &[])).unwrap();
    assert!(folder.path().join(name).is_file());
}

#[test]
fn a_task_lists_its_own_in_order_of_offset() {
    let (_, store) = in_memory();
    for (partition, offset, revision) in [(0, 100, 1), (0, 9, 1), (1, 50, 1), (0, 20, 2), (10, 1, 1)] {
        let marker = marker(partition, offset, revision);
        store.write(&marker, snapshot(&marker, &[])).unwrap();
    }
    assert_eq!(offsets(&store, &marker(0, 0, 1)), [9, 20, 100]);
    assert_eq!(offsets(&store, &marker(1, 0, 1)), [50]);
    assert_eq!(offsets(&store, &marker(2, 0, 1)), [0; 0]);
    assert_eq!(store.list_all().unwrap().len(), 5);
}

#[test]
fn pruning_keeps_the_newest_of_each_logic() {
    let (_, store) = in_memory();
    for (offset, revision) in [(10, 1), (200, 1), (30, 1), (40, 2), (50, 2)] {
        let marker = marker(0, offset, revision);
        store.write(&marker, snapshot(&marker, &[])).unwrap();
    }
    assert_eq!(store.prune(&marker(0, 0, 1), 2).unwrap(), 1);
    assert_eq!(offsets(&store, &marker(0, 0, 1)), [30, 40, 50, 200]);
    assert_eq!(store.prune(&marker(0, 0, 2), 3).unwrap(), 0);
}

#[test]
fn an_existing_checkpoint_is_left_as_it_is() {
    let (_, store) = in_memory();
    let marker = marker(0, 5, 1);
    let name = store.write(&marker, snapshot(&marker, &[(b"a", b"first")])).unwrap();
    assert_eq!(store.write(&marker, snapshot(&marker, &[(b"a", b"second")])).unwrap(), name);
    let mut found = Entries::new();
    store.read(&name, &mut |key, value| found.push((key, value))).unwrap();
    assert_eq!(found, [(b"a".to_vec(), b"first".to_vec())]);
}

#[test]
fn every_flipped_byte_and_every_truncation_is_found() {
    let (objects, store) = in_memory();
    let marker = marker(0, 5, 1);
    let name = store.write(&marker, snapshot(&marker, &[(b"a", b"1"), (b"b", b"2")])).unwrap();
    let location = ObjectPath::from(name.as_str());
    let whole = now(async { objects.get(&location).await.unwrap().bytes().await.unwrap() }).to_vec();
    let flipped = (0..whole.len()).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        (format!("byte {at} flipped"), bytes)
    });
    let truncated = (0..whole.len()).map(|length| (format!("cut to {length}"), whole[..length].to_vec()));
    let extended = [("a byte more".to_owned(), [&whole[..], &[0]].concat())];
    for (what, bytes) in flipped.chain(truncated).chain(extended) {
        now(objects.put(&location, bytes.into())).unwrap();
        let result = store.verify(&name);
        assert!(matches!(&result, Err(CheckpointError::Damaged { name: n, .. }) if *n == name), "{what}: {result:?}");
    }
    now(objects.put(&location, whole.into())).unwrap();
    assert_eq!(store.verify(&name).unwrap().entries, 2);
}

#[test]
fn a_damaged_checkpoint_is_no_candidate_and_is_named() {
    let (objects, store) = in_memory();
    for offset in [5, 6] {
        let marker = marker(0, offset, 1);
        store.write(&marker, snapshot(&marker, &[])).unwrap();
    }
    let name = store.list(&marker(0, 0, 1).task).unwrap()[1].name.clone();
    now(objects.put(&ObjectPath::from(name.as_str()), vec![0; 10].into())).unwrap();
    let (candidates, damaged) = store.candidates(&marker(0, 0, 1).task).unwrap();
    assert_eq!(candidates.iter().map(|c| c.marker.offset).collect::<Vec<_>>(), [5]);
    assert!(damaged[0].to_string().contains(&name), "{}", damaged[0]);
}

#[test]
fn an_address_that_is_none_is_refused_with_what_is_allowed() {
    let error = CheckpointStore::open("nowhere://bucket").err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("nowhere://bucket") && error.contains("allowed are a folder"), "{error}");
}
