//! The quality of the detectors on labelled data, pinned: a change of these figures is a change of semantics.
//!
//! `BELLBUOY_DATA` names a folder with the archives `nab`, `kpi_train` and `smd_dev`, packed or unpacked. Without it the
//! tests are skipped and say so; with `BELLBUOY_DATA_REQUIRED=1` they fail instead.

mod data;
mod scorers;

use detect::detectors::entity::channels::Channels;
use detect::detectors::univariate::series::Series;
use scorers::{delay, events, nab, ranking};

#[test]
fn nab_scores_as_designed() {
    let Some(folder) = data::folder("nab") else { return };
    let files: Vec<nab::File> = data::nab(&folder)
        .into_iter()
        .map(|file| {
            let mut series = Series::new();
            let scores = file.times.iter().zip(&file.values).map(|(&t, &x)| series.push(t, x).alert).collect();
            nab::File { scores, windows: file.windows }
        })
        .collect();
    assert_eq!(files.iter().map(|file| file.windows.len()).sum::<usize>(), 116);
    for (profile, expected) in nab::PROFILES.into_iter().zip([75.0, 67.5, 79.6]) {
        near(&format!("NAB, {}", profile.0), nab::in_sample(&files, profile), expected, 0.3);
    }
}

#[test]
fn kpi_scores_as_designed() {
    let Some(folder) = data::folder("kpi_train") else { return };
    let series = data::kpi(&folder);
    let results = data::in_parallel(&series, |one| {
        let mut baseline = Series::new();
        let scores: Vec<_> = one.times.iter().zip(&one.values).map(|(&t, &x)| baseline.push(t, x)).collect();
        let alerts: Vec<f32> = scores.iter().map(|score| score.alert).collect();
        let states: Vec<f64> = scores.iter().map(|score| f64::from(score.state)).collect();
        let vus = ranking::vus_pr(&one.labels, &states, ranking::buffer(&one.values));
        (delay::Curve::new(&one.times, &one.labels, &alerts), vus)
    });
    let (curves, vus): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    near("KPI delay-F1, threshold of the other half", delay::other_half(&curves), 0.771, 0.005);
    near("KPI delay-F1, in sample", delay::in_sample(&curves), 0.774, 0.005);
    near("KPI VUS-PR", vus.iter().sum::<f64>() / vus.len() as f64, 0.482, 0.005);
}

#[test]
fn smd_scores_as_designed() {
    let Some(folder) = data::folder("smd_dev") else { return };
    let machines = data::smd(&folder);
    for (warmed, expected_vus, expected_hits) in [(true, 0.748, 0.797), (false, 0.754, 0.800)] {
        let results = data::in_parallel(&machines, |machine| {
            let mut channels = Channels::default();
            if warmed {
                for row in &machine.train {
                    channels.push(row);
                }
            }
            let mut scores = Vec::new();
            let mut hits = Vec::new();
            for (row, values) in machine.test.iter().enumerate() {
                scores.push(f64::from(channels.push(values).score));
                for (_, _, causes) in machine.causes.iter().filter(|(_, end, _)| *end == row + 1) {
                    let weights: Vec<f32> = channels.channels().iter().map(|channel| channel.cause).collect();
                    hits.push(events::hit_rate(&weights, causes));
                }
            }
            let first: Vec<f64> = machine.test.iter().map(|row| row[0]).collect();
            (ranking::vus_pr(&machine.labels, &scores, ranking::buffer(&first)), hits)
        });
        let vus = results.iter().map(|(vus, _)| vus).sum::<f64>() / results.len() as f64;
        let hits: Vec<f64> = results.into_iter().flat_map(|(_, hits)| hits).collect();
        let name = if warmed { "SMD warmed" } else { "SMD alone" };
        near(&format!("{name}, VUS-PR"), vus, expected_vus, 0.005);
        near(&format!("{name}, HitRate"), hits.iter().sum::<f64>() / hits.len() as f64, expected_hits, 0.005);
    }
}

fn near(what: &str, found: f64, expected: f64, tolerance: f64) {
    println!("{what}: {found:.4}, designed {expected}");
    assert!((found - expected).abs() <= tolerance, "{what}: {found:.4}, expected {expected} ± {tolerance}");
}
