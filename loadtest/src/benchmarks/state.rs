//! Bytes that a numeric series takes after days of scrapes: packed, on disk, in memory.
//!
//! The floor is what a general compressor makes of the packed values: information that is there cannot be left out.

use super::say;
use crate::arguments::StateOptions;
use crate::report::{Better, Figure, Report};
use anyhow::Context;
use detect::{Baseline, Config, Counts};
use engine::output::Digest;
use engine::state::{Marker, StateStores};
use engine::task::TaskId;
use estate::Fleet;
use rocksdb::{ColumnFamilyDescriptor, DB, Options};
use schemas::OffsetRange;
use std::path::Path;
use topics::declared::SIGNALS;

const DAY: u64 = 86_400_000;
/// Flushes of everything before its size on disk is taken, so that compaction has something to do.
const FLUSHES: i64 = 5;
const LEVEL: i32 = 3;

/// Runs it.
pub(crate) fn run(options: &StateOptions) -> anyhow::Result<Report> {
    let mut report = Report::new("state", options)?;
    let plan = options.fleet.plan(2_000);
    let rounds = options.days * DAY / plan.interval as u64;
    let fleet = Fleet::new(plan.clone());
    let config = Config::default();
    let at = OffsetRange { topic: SIGNALS.name.into(), partition: 0, from: 0, to: 1 };
    let mut keys: Vec<String> = Vec::new();
    let mut baselines: Vec<Baseline> = Vec::new();
    let mut sizes: Vec<usize> = Vec::new();
    let (mut counts, mut found) = (Counts::default(), Vec::new());
    say(format_args!("{} series learn {rounds} rounds", plan.series));
    for round in 0..rounds {
        let mut index = 0;
        fleet.round(round, |key, signal| {
            if index == baselines.len() {
                baselines.push(Baseline::new());
                keys.push(format!("e{key}"));
                sizes.push(crate::scan::samples(signal) as usize);
            }
            baselines[index].observe(signal, &at, &config, None, &mut found, &mut counts);
            index += 1;
        });
        found.clear();
    }

    let packed: Vec<Vec<u8>> = baselines
        .iter()
        .map(|baseline| {
            let mut bytes = Vec::new();
            baseline.encode(&mut bytes);
            bytes
        })
        .collect();
    let per_series = |bytes: &dyn Fn(usize) -> usize| -> Vec<f64> {
        (0..sizes.len()).map(|index| bytes(index) as f64 / sizes[index].max(1) as f64).collect()
    };
    let mean = |bytes: usize| bytes as f64 / plan.series as f64;
    let packed_bytes: usize = packed.iter().map(Vec::len).sum();
    let compressed = zstd::encode_all(&packed.concat()[..], LEVEL)?.len();
    let floor = "the packed values under zstd";
    report.figures.push(
        Figure::new("packed value of a series", mean(packed_bytes), "B", Better::Lower)
            .floor(mean(compressed), floor)
            .spread(&per_series(&|index| packed[index].len()), "entities")
            .target(3_072.0, Some(1_536.0)),
    );
    let disk = on_disk(&keys, &packed)?;
    report.figures.push(
        Figure::new("a series on disk, after compaction", mean(disk.compacted as usize), "B", Better::Lower)
            .floor(mean(compressed), floor)
            .target(3_072.0, Some(1_536.0)),
    );
    let in_memory = |index: usize| size_of::<Baseline>() + baselines[index].heap_bytes();
    let memory: usize = (0..baselines.len()).map(in_memory).sum();
    report.figures.push(
        Figure::new("a series decoded, in memory", mean(memory), "B", Better::Lower)
            .floor(mean(packed_bytes), "the packed values")
            .spread(&per_series(&in_memory), "entities"),
    );
    report.detail(format!("on disk after {FLUSHES} flushes, before compaction"), mean(disk.written as usize), "B");
    report.detail("samples learned by each series", rounds as f64, "");
    report.detail("anomalies told meanwhile", counts.anomalies as f64, "");
    Ok(report)
}

struct OnDisk {
    written: u64,
    compacted: u64,
}

/// Stores every value several times, as flushes do, and lets RocksDB compact.
fn on_disk(keys: &[String], values: &[Vec<u8>]) -> anyhow::Result<OnDisk> {
    let folder = tempfile::tempdir()?;
    let stores = crate::site::stores(folder.path(), 1 << 30);
    let task = TaskId { job: "detect".to_owned(), topic: SIGNALS.name.to_owned(), partition: 0 };
    let mut store = stores.open(&task)?;
    for offset in 1..=FLUSHES {
        let marker = Marker {
            task: task.clone(),
            topic_id: 1,
            offset,
            first_offset: 0,
            out_seq: 0,
            digest: Digest::default(),
            clock: Default::default(),
            logic: Default::default(),
        };
        let mut fill = |put: &mut engine::state::Put<'_>| {
            keys.iter().zip(values).for_each(|(key, value)| put(key.as_bytes(), value));
        };
        store.flush(&mut fill, &marker)?;
    }
    drop(store);
    let place = stores.place(&task);
    let written = folder_bytes(&place)?;
    let options = || {
        let mut options = Options::default();
        options.set_compression_type(rocksdb::DBCompressionType::Lz4);
        options
    };
    let families = ["entries", "meta"].map(|name| ColumnFamilyDescriptor::new(name, options()));
    let db = DB::open_cf_descriptors(&options(), &place, families)?;
    let entries = db.cf_handle("entries").context("a store has its entries")?;
    db.compact_range_cf(entries, None::<&[u8]>, None::<&[u8]>);
    db.cancel_all_background_work(true);
    drop(db);
    let tables = std::fs::read_dir(&place)?.filter_map(Result::ok);
    let tables = tables.filter(|file| file.path().extension().is_some_and(|extension| extension == "sst"));
    let compacted = tables.map(|file| file.metadata().map_or(0, |metadata| metadata.len())).sum();
    Ok(OnDisk { written, compacted })
}

fn folder_bytes(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for file in std::fs::read_dir(folder)? {
        bytes += file?.metadata()?.len();
    }
    Ok(bytes)
}
