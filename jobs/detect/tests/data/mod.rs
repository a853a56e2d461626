//! The labelled data sets, from a folder with their archives.

mod archive;

pub use archive::folder;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One series of NAB: rows and windows.
pub struct NabFile {
    pub times: Vec<i64>,
    pub values: Vec<f64>,
    pub windows: Vec<(usize, usize)>,
}

/// One labelled series.
pub struct Labelled {
    pub times: Vec<i64>,
    pub values: Vec<f64>,
    pub labels: Vec<u8>,
}

/// One host of many channels.
pub struct Machine {
    pub train: Vec<Vec<f64>>,
    pub test: Vec<Vec<f64>>,
    pub labels: Vec<u8>,
    /// First row, one past the last, and the channels at fault.
    pub causes: Vec<(usize, usize, Vec<usize>)>,
}

/// Applies a function to all items on two threads; results in the order of the items.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(item) =
                    items.get(next.load(Ordering::Relaxed)).map(|_| next.fetch_add(1, Ordering::Relaxed))
                {
                    let Some(one) = items.get(item) else { break };
                    let result = work(one);
                    done.lock().expect("no worker panics while it holds the lock").push((item, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no worker panics while it holds the lock");
    done.sort_by_key(|(item, _)| *item);
    done.into_iter().map(|(_, result)| result).collect()
}

/// All files of NAB that have an entry in the list of windows, by name.
pub fn nab(folder: &Path) -> Vec<NabFile> {
    let windows: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&text(&folder.join("labels/combined_windows.json"))).expect("windows are JSON");
    let mut names: Vec<&String> = windows.keys().collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let (mut times, mut values) = (Vec::new(), Vec::new());
            for line in text(&folder.join("data").join(name)).lines().skip(1) {
                let (time, value) = line.split_once(',').expect("two columns");
                times.push(seconds(time));
                values.push(number(value));
            }
            let row = |time: &serde_json::Value| {
                let second = seconds(time.as_str().expect("a time"));
                times.iter().position(|&t| t == second).expect("a window begins and ends at a row")
            };
            let list = windows[name].as_array().expect("a list of windows");
            let windows = list.iter().map(|window| (row(&window[0]), row(&window[1]))).collect();
            NabFile { windows, times, values }
        })
        .collect()
}

/// All series of the KPI challenge, in the order of its index.
pub fn kpi(folder: &Path) -> Vec<Labelled> {
    text(&folder.join("index.csv"))
        .lines()
        .skip(1)
        .map(|line| {
            let name = line.split(',').next().expect("a name");
            let mut series = Labelled { times: Vec::new(), values: Vec::new(), labels: Vec::new() };
            for line in text(&folder.join(format!("series/{name}.csv"))).lines().skip(1) {
                let mut columns = line.split(',');
                let mut column = || columns.next().expect("three columns");
                series.times.push(column().parse().expect("seconds"));
                series.values.push(number(column()));
                series.labels.push(column().trim().parse().expect("0 or 1"));
            }
            series
        })
        .collect()
}

/// The four hosts.
pub fn smd(folder: &Path) -> Vec<Machine> {
    ["1-6", "1-7", "2-1", "2-7"]
        .map(|name| {
            let file = |part: &str| text(&folder.join(format!("machine-{name}_{part}")));
            let matrix = |part: &str| -> Vec<Vec<f64>> {
                file(part).lines().skip(1).map(|line| line.split(',').map(number).collect()).collect()
            };
            let causes = file("causes.txt")
                .lines()
                .filter(|line| !line.trim().is_empty())
                .map(|line| {
                    let (rows, channels) = line.split_once(':').expect("rows: channels");
                    let (start, end) = rows.split_once('-').expect("start-end");
                    let row = |text: &str| text.trim().parse::<usize>().expect("a row");
                    (row(start), row(end), channels.split(',').map(|channel| row(channel) - 1).collect())
                })
                .collect();
            let label_of = |line: &str| number(line.rsplit(',').next().expect("a label")) as u8;
            let labels = file("label.csv").lines().skip(1).map(label_of).collect();
            Machine { train: matrix("train.csv"), test: matrix("test.csv"), labels, causes }
        })
        .into()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn number(text: &str) -> f64 {
    text.trim().parse().expect("a number")
}

/// Seconds since 1970 of `2014-02-14 14:30:00` and the like.
fn seconds(time: &str) -> i64 {
    let part = |from: usize, to: usize| time[from..to].parse::<i64>().expect("a time");
    let (year, month, day) = (part(0, 4), part(5, 7), part(8, 10));
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = y * 365 + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (m * 153 + 2) / 5 + day - 719_469;
    days * 86400 + part(11, 13) * 3600 + part(14, 16) * 60 + part(17, 19)
}
