//! What every state store promises, held by the one in memory and the one on disk.

use engine::clock::TaskClock;
use engine::error::StateError;
use engine::output::Digest;
use engine::state::memory::MemoryStores;
use engine::state::rocks::RocksStores;
use engine::state::{Fill, Marker, StateStore, StateStores};
use engine::task::TaskId;
use std::panic::{AssertUnwindSafe, catch_unwind};

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn task(partition: u32) -> TaskId {
    TaskId { job: "job".to_owned(), topic: "signals".to_owned(), partition }
}

fn marker(offset: i64) -> Marker {
    Marker {
        task: task(0),
        topic_id: 1,
        offset,
        first_offset: 0,
        out_seq: offset,
        digest: Digest::default(),
        clock: TaskClock::default(),
        logic: Default::default(),
    }
}

fn flush(store: &mut dyn StateStore, entries: &[(&[u8], &[u8])], offset: i64) {
    store.flush(&mut |put| entries.iter().for_each(|(key, value)| put(key, value)), &marker(offset)).unwrap();
}

fn entries(store: &dyn StateStore) -> Entries {
    let mut found = Entries::new();
    store.snapshot().unwrap().entries(&mut |key, value| found.push((key.to_vec(), value.to_vec()))).unwrap();
    found
}

fn owned(entries: &[(&[u8], &[u8])]) -> Entries {
    entries.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

fn on_both(test: impl Fn(&dyn StateStores)) {
    println!("in memory");
    test(&MemoryStores::default());
    println!("on disk");
    let folder = tempfile::tempdir().unwrap();
    test(&RocksStores::new(folder.path(), 16 << 20));
}

#[test]
fn a_flush_stores_entries_and_marker_and_survives_reopening() {
    on_both(|stores| {
        let mut store = stores.open(&task(0)).unwrap();
        assert_eq!((store.marker().unwrap(), store.get(b"a").unwrap()), (None, None));
        flush(&mut *store, &[(b"a", b"1"), (b"b", b""), (b"", b"empty key")], 10);
        flush(&mut *store, &[(b"a", b"2")], 20);
        drop(store);
        let store = stores.open(&task(0)).unwrap();
        assert_eq!(store.marker().unwrap(), Some(marker(20)));
        assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"2"[..]));
        assert_eq!(entries(&*store), owned(&[(b"", b"empty key"), (b"a", b"2"), (b"b", b"")]));
    });
}

#[test]
fn a_flush_that_is_interrupted_stores_nothing() {
    on_both(|stores| {
        let mut store = stores.open(&task(0)).unwrap();
        flush(&mut *store, &[(b"a", b"1")], 10);
        let interrupted = catch_unwind(AssertUnwindSafe(|| {
            let fill: &mut Fill<'_> = &mut |put| {
                put(b"a", b"2");
                panic!("interrupted on purpose");
            };
            let _ = store.flush(fill, &marker(20));
        }));
        assert!(interrupted.is_err());
        drop(store);
        let store = stores.open(&task(0)).unwrap();
        assert_eq!(store.marker().unwrap(), Some(marker(10)));
        assert_eq!(entries(&*store), owned(&[(b"a", b"1")]));
    });
}

#[test]
fn stores_of_two_tasks_do_not_meet() {
    on_both(|stores| {
        let (mut one, two) = (stores.open(&task(0)).unwrap(), stores.open(&task(1)).unwrap());
        flush(&mut *one, &[(b"a", b"1")], 10);
        assert_eq!((two.marker().unwrap(), two.get(b"a").unwrap()), (None, None));
        drop((one, two));
        stores.remove(&task(0)).unwrap();
        stores.remove(&task(0)).unwrap();
        assert_eq!(stores.open(&task(0)).unwrap().marker().unwrap(), None);
    });
}

#[test]
fn a_restore_replaces_everything() {
    on_both(|stores| {
        let mut store = stores.open(&task(0)).unwrap();
        flush(&mut *store, &[(b"old", b"1"), (&[0xff; 100], b"beyond most"), (b"a", b"1")], 30);
        let mut given = owned(&[(b"a", b"9"), (b"new", b"2")]).into_iter();
        store.restore(&mut || given.next(), &marker(20)).unwrap();
        assert_eq!(store.marker().unwrap(), Some(marker(20)));
        assert_eq!(entries(&*store), owned(&[(b"a", b"9"), (b"new", b"2")]));
    });
}

#[test]
fn an_interrupted_restore_leaves_an_empty_store() {
    on_both(|stores| {
        let mut store = stores.open(&task(0)).unwrap();
        flush(&mut *store, &[(b"old", b"1")], 30);
        let mut given = 0u32;
        let interrupted = catch_unwind(AssertUnwindSafe(|| {
            // Enough to have been written in part.
            let next = &mut || {
                given += 1;
                assert!(given < 40, "interrupted on purpose");
                Some((given.to_be_bytes().to_vec(), vec![7; 1 << 20]))
            };
            let _ = store.restore(next, &marker(20));
        }));
        assert!(interrupted.is_err());
        drop(store);
        let store = stores.open(&task(0)).unwrap();
        assert_eq!(store.marker().unwrap(), None);
        assert_eq!(store.get(b"old").unwrap(), None);
        assert_eq!(entries(&*store), Entries::new());
    });
}

#[test]
fn a_snapshot_does_not_see_later_flushes() {
    on_both(|stores| {
        let mut store = stores.open(&task(0)).unwrap();
        let keys: Vec<Vec<u8>> = (0..2_000u32).map(|key| key.to_be_bytes().to_vec()).collect();
        let all = |value: &'static [u8]| keys.iter().map(|key| (&key[..], value)).collect::<Vec<_>>();
        flush(&mut *store, &all(b"1"), 10);
        let snapshot = store.snapshot().unwrap();
        flush(&mut *store, &all(b"2"), 20);
        flush(&mut *store, &[(b"another", b"3")], 30);
        let reader = std::thread::spawn(move || {
            let mut found = Entries::new();
            snapshot.entries(&mut |key, value| found.push((key.to_vec(), value.to_vec()))).unwrap();
            found
        });
        assert_eq!(reader.join().unwrap(), owned(&all(b"1")), "sorted, and as it was");
        assert_eq!(store.get(b"another").unwrap().as_deref(), Some(&b"3"[..]));
        // One that nobody reads does not keep the store open.
        drop(store.snapshot().unwrap());
        store.clear().unwrap();
        assert_eq!(entries(&*store), Entries::new());
    });
}

#[test]
fn a_cleared_store_is_empty_also_after_reopening() {
    on_both(|stores| {
        let mut store = stores.open(&task(0)).unwrap();
        store.clear().unwrap();
        flush(&mut *store, &[(b"a", b"1"), (&[0xff; 100], b"beyond most")], 10);
        store.clear().unwrap();
        assert_eq!((store.marker().unwrap(), entries(&*store)), (None, Entries::new()));
        drop(store);
        let mut store = stores.open(&task(0)).unwrap();
        assert_eq!((store.marker().unwrap(), entries(&*store)), (None, Entries::new()));
        flush(&mut *store, &[(b"b", b"2")], 5);
        assert_eq!(entries(&*store), owned(&[(b"b", b"2")]));
    });
}

#[test]
fn a_damaged_marker_is_an_error_not_a_fresh_start() {
    let folder = tempfile::tempdir().unwrap();
    let stores = RocksStores::new(folder.path(), 16 << 20);
    let mut store = stores.open(&task(0)).unwrap();
    flush(&mut *store, &[(b"a", b"1")], 10);
    drop(store);
    let families = ["entries", "meta"];
    let database = rocksdb::DB::open_cf(&rocksdb::Options::default(), stores.place(&task(0)), families).unwrap();
    let meta = database.cf_handle("meta").unwrap();
    database.put_cf(meta, b"marker", b"{\"task\":").unwrap();
    drop(database);
    match stores.open(&task(0)) {
        Err(StateError::Damaged { place, .. }) => assert!(place.ends_with("signals-0"), "{place}"),
        other => panic!("expected damage, found {:?}", other.map(|_| "a store")),
    }
}

#[test]
fn a_folder_that_is_not_a_store_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let stores = RocksStores::new(folder.path(), 16 << 20);
    let place = stores.place(&task(0));
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(&place, "not a folder").unwrap();
    assert!(matches!(stores.open(&task(0)), Err(StateError::Storage { place, .. }) if place.ends_with("signals-0")));
    // A database of somebody else.
    let place = stores.place(&task(1));
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    drop(rocksdb::DB::open_cf(&options, &place, ["theirs"]).unwrap());
    assert!(matches!(stores.open(&task(1)), Err(StateError::Storage { place, .. }) if place.ends_with("signals-1")));
}
