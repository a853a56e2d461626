//! The same records give the same output: again, on another machine, in other portions, on other lanes.

#[path = "../installation/mod.rs"]
mod installation;
mod live;

use estate::Plan;
use installation::{Configured, Installation, binary, texts};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Turns off what newer processors have: the C library then takes other paths. Two spellings, as its versions differ.
const MASK: &str = "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX2_Usable,-FMA_Usable,-AVX512F";

#[test]
fn the_same_seed_gives_the_same_bytes_and_the_same_digest() {
    let first = demo(None);
    let second = demo(None);
    assert_eq!(first.wait(), second.wait());
}

#[test]
fn a_processor_without_avx2_and_fma_gives_the_same_bytes() {
    if !mask_is_known() {
        println!("skipped, because this C library has no tunable glibc.cpu.hwcaps to mask AVX2 and FMA with");
        return;
    }
    let masked = demo(Some(MASK));
    let usual = demo(None);
    assert_eq!(masked.wait(), usual.wait());
}

#[test]
fn one_two_and_four_lanes_give_the_same_anomalies() {
    let plan = Plan { days: 1, workloads: 8, scrape_interval: Duration::from_secs(300), ..Plan::default() };
    let recorded = Installation::of_estate(&plan, 20_000);
    recorded.done(&["run", "ingest", "--until-complete", "--recorded"]);
    let published = |lanes: usize| {
        let site = recorded.copy();
        site.configure(&Configured { lanes, ..Configured::default() });
        site.done(&["run", "detect", "--until-complete"]);
        site.anomalies()
    };
    let one = published(1);
    one.assert_numbered_without_gaps();
    for lanes in [2, 4] {
        published(lanes).assert_same(&one, &format!("{lanes} lanes"));
    }
}

#[test]
fn a_backlog_of_an_hour_gives_the_same_anomalies_as_the_same_records_read_as_they_came() {
    let estate = live::estate();
    let backlog = live::found(&estate, live::Reading::AtOnce);
    assert!(backlog.len() > 20, "{} anomalies prove little", backlog.len());
    for step in [Duration::from_millis(500), Duration::from_secs(10)] {
        let came = live::found(&estate, live::Reading::AsTheyCame { step });
        let missing: Vec<_> = backlog.difference(&came).collect();
        let besides: Vec<_> = came.difference(&backlog).collect();
        assert!(
            missing.is_empty() && besides.is_empty(),
            "{step:?}: not when live {missing:#?}\nonly live {besides:#?}"
        );
    }
}

/// A demo that runs.
struct Demo {
    life: installation::Life,
}

fn demo(tunables: Option<&str>) -> Demo {
    let mut command = Command::new(binary());
    command.args(["demo", "--json", "--days", "1", "--seed", "7"]).stdin(Stdio::null());
    if let Some(tunables) = tunables {
        command.env("GLIBC_TUNABLES", tunables);
    }
    Demo { life: installation::Life::start(command) }
}

impl Demo {
    /// Its summary as text, without the seconds it took; with a digest.
    fn wait(self) -> String {
        let (_, output) = self.life.wait();
        let (out, error) = texts(&output);
        assert!(output.status.success(), "{error}");
        let mut summary: Value = serde_json::from_str(&out).expect("the last line is a summary");
        let fields = summary.as_object_mut().expect("a summary is an object");
        assert!(fields.remove("seconds").is_some(), "a summary says how long it took");
        assert!(summary["digest"].as_str().is_some_and(|digest| digest.len() == 64), "a summary has a digest");
        summary.to_string()
    }
}

/// True where the loader knows the tunable and the mask shows in what it says of the processor.
fn mask_is_known() -> bool {
    let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-x86-64.so.2"];
    let Some(loader) = loaders.iter().find(|path| std::path::Path::new(path).exists()) else { return false };
    let output = Command::new(loader).arg("--list-tunables").output();
    output.is_ok_and(|output| texts(&output).0.contains("glibc.cpu.hwcaps"))
}
