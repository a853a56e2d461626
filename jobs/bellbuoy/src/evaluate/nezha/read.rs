//! One day of an application: its pods' metrics, its call edges, its faults.
//!
//! Invariant: time is the column `Time`, never `TimeStamp` (which is years off for one pod); an injection's time is what
//! `faults.csv` has.

use crate::evaluate::error::{EvaluateError, list};
use crate::evaluate::minutes::{Measured, Sides};
use crate::evaluate::table::Table;
use crate::moment;
use correlate::causes::Call;
use detect::onset::Floor;
use schemas::Family;
use std::path::Path;

/// A second in milliseconds.
pub(super) const SECOND: i64 = 1_000;

/// A tenth of the usual level is noise in every measure.
const RELATIVE: f64 = 0.1;
/// Half a hundredth of a second is noise in every latency: the histograms tell no less apart.
const LATENCY: f64 = 0.005;
const TRIFLE: f64 = 1e-9;

/// What callers see of the network between them and a service, as the labels call it.
const WIRE: &str = "NetworkP90(ms)";
/// What a service sees of its own latency.
const SERVER: &str = "server latency";

/// Columns of a pod that are evidence, the kind of evidence, and the name the labels have for it.
const COLUMNS: [(&str, Family, &str, &str); 12] = [
    ("CpuUsage(m)", Family::Saturation, "cpu", "CpuUsageRate(%)"),
    ("CpuUsageRate(%)", Family::Saturation, "cpu", "CpuUsageRate(%)"),
    ("MemoryUsage(Mi)", Family::Saturation, "memory", "MemoryUsageRate(%)"),
    ("MemoryUsageRate(%)", Family::Saturation, "memory", "MemoryUsageRate(%)"),
    ("SyscallRead", Family::Network, "", "SyscallRead"),
    ("SyscallWrite", Family::Network, "", "SyscallWrite"),
    ("NetworkReceiveBytes", Family::Network, "", "NetworkReceiveBytes"),
    ("NetworkTransmitBytes", Family::Network, "", "NetworkTransmitBytes"),
    ("PodServerLatencyP90(s)", Family::Latency, "", SERVER),
    ("PodServerLatencyP95(s)", Family::Latency, "", SERVER),
    ("PodServerLatencyP99(s)", Family::Latency, "", SERVER),
    ("PodWorkload(Ops)", Family::Network, "", "PodWorkload(Ops)"),
];

/// One day of an application.
#[derive(Debug)]
pub(super) struct Day {
    /// What it is called in reports.
    pub(super) set: &'static str,
    /// Every service, sorted.
    pub(super) services: Vec<String>,
    /// What is evidence: pods first, then call edges.
    pub(super) measures: Vec<Measured>,
    /// Every live column of the pods but the node's, for the floor.
    pub(super) plain: Vec<Measured>,
    /// Who calls whom.
    pub(super) calls: Vec<Call>,
    /// The injected faults, in order of time.
    pub(super) faults: Vec<Fault>,
    pods: usize,
}

/// One injected fault.
#[derive(Debug)]
pub(super) struct Fault {
    /// When, milliseconds.
    pub(super) at: i64,
    /// The culprit.
    pub(super) service: String,
    /// Type of fault.
    pub(super) kind: String,
    /// The metric that is the inner cause, where it is one.
    pub(super) metric: Option<String>,
}

impl Day {
    /// Reads a day's folder.
    pub(super) fn read(set: &'static str, folder: &Path) -> Result<Day, EvaluateError> {
        let metrics = folder.join("metric");
        let mut day = Day {
            set,
            services: Vec::new(),
            measures: Vec::new(),
            plain: Vec::new(),
            calls: Vec::new(),
            faults: faults(&folder.join("faults.csv"))?,
            pods: 0,
        };
        for file in list(&metrics)? {
            let Some(pod) = file.strip_suffix("_metric.csv") else { continue };
            let place = metrics.join(&file);
            let service = pod.rsplitn(3, '-').nth(2).ok_or_else(|| {
                EvaluateError::content(&place, 0, "a pod is named SERVICE-TEMPLATE-POD, its file POD_metric.csv")
            })?;
            day.pod(service, &place)?;
        }
        day.services.sort();
        day.pods = day.measures.len();
        if metrics.join("dependency.csv").is_file() {
            day.edges(&metrics)?;
        }
        Ok(day)
    }

    /// A day of one service, for tests.
    #[cfg(test)]
    pub(super) fn of(set: &'static str, measures: Vec<Measured>, faults: Vec<Fault>) -> Day {
        let services = vec!["a".to_owned()];
        Day { set, services, pods: measures.len(), measures, plain: Vec::new(), calls: Vec::new(), faults }
    }

    /// What the pods themselves measured.
    pub(super) fn of_pods(&self) -> Vec<Measured> {
        self.measures[..self.pods].to_vec()
    }

    fn pod(&mut self, service: &str, place: &Path) -> Result<(), EvaluateError> {
        let table = Table::read(place)?;
        let times = times(&table, "Time", place)?;
        let measured = |column, family, aspect, measure: &str| {
            let floor =
                Floor { relative: RELATIVE, absolute: if family == Family::Latency { LATENCY } else { TRIFLE } };
            table.numbers(column).map(|values| Measured {
                suspect: service.to_owned(),
                family,
                aspect,
                measure: measure.to_owned(),
                floor,
                sides: Sides::Both,
                times: times.clone(),
                values,
            })
        };
        for (name, family, aspect, measure) in COLUMNS {
            self.measures.push(measured(table.column(name)?, family, aspect, measure)?);
        }
        for (column, name) in table.heads().iter().enumerate() {
            if !matches!(name.as_str(), "Time" | "TimeStamp" | "PodName") && !name.starts_with("Node") {
                self.plain.push(measured(column, Family::Saturation, "", name)?);
            }
        }
        self.services.push(service.to_owned());
        Ok(())
    }

    fn edges(&mut self, metrics: &Path) -> Result<(), EvaluateError> {
        let place = metrics.join("dependency.csv");
        let table = Table::read(&place)?;
        let (source, target) = (table.column("Source")?, table.column("Target")?);
        let known = |name: &String| self.services.binary_search(name).is_ok();
        for row in table.rows.iter().filter(|row| known(&row[source]) && known(&row[target])) {
            self.calls.push(Call { caller: row[source].clone(), callee: row[target].clone() });
        }
        for (file, measure) in [("source_50.csv", WIRE), ("destination_50.csv", SERVER)] {
            let place = metrics.join(file);
            let table = Table::read(&place)?;
            let times = times(&table, "time", &place)?;
            for (column, edge) in table.heads().iter().enumerate() {
                let Some((_, callee)) = edge.split_once('_') else { continue };
                self.measures.push(Measured {
                    suspect: callee.to_owned(),
                    family: Family::Latency,
                    aspect: "",
                    measure: measure.to_owned(),
                    floor: Floor { relative: RELATIVE, absolute: LATENCY },
                    sides: Sides::Both,
                    times: times.clone(),
                    values: table.numbers(column)?,
                });
            }
        }
        Ok(())
    }
}

fn times(table: &Table, column: &str, place: &Path) -> Result<Vec<i64>, EvaluateError> {
    // Go's time string: the first 19 characters are the time in UTC.
    let read = |text: &str| moment::parse(&format!("{}Z", text.get(..19)?));
    let times = table.each(table.column(column)?, read, "a time such as 2022-08-22 03:51:19")?;
    match times.iter().zip(times.iter().skip(1)).position(|(a, b)| b < a) {
        Some(row) => {
            Err(EvaluateError::content(place, row + 3, "earlier than the line before; rows go forwards in time"))
        }
        None => Ok(times),
    }
}

fn faults(place: &Path) -> Result<Vec<Fault>, EvaluateError> {
    let table = Table::read(place)?;
    let at = table.each(table.column("inject_unix")?, |text| text.parse::<i64>().ok(), "Unix seconds")?;
    let names = ["service", "type", "cause_kind", "cause"].map(|name| table.column(name));
    let [service, kind, cause_kind, cause] = names;
    let (service, kind, cause_kind, cause) = (service?, kind?, cause_kind?, cause?);
    let fault = |(row, at): (&Vec<String>, i64)| Fault {
        at: at * SECOND,
        service: row[service].clone(),
        kind: row[kind].clone(),
        metric: (row[cause_kind] == "metric").then(|| row[cause].clone()),
    };
    let mut faults: Vec<Fault> = table.rows.iter().zip(at).map(fault).collect();
    faults.sort_by_key(|fault| fault.at);
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "Time,TimeStamp,PodName,CpuUsage(m),CpuUsageRate(%),MemoryUsage(Mi),MemoryUsageRate(%),SyscallRead,\
        SyscallWrite,NetworkReceiveBytes,NetworkTransmitBytes,PodServerLatencyP90(s),PodServerLatencyP95(s),\
        PodServerLatencyP99(s),PodWorkload(Ops),NodeCpuUsageRate(%)";

    fn day(times: [&str; 2]) -> Result<Day, EvaluateError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let metrics = folder.path().join("metric");
        std::fs::create_dir(&metrics).expect("a new folder");
        let row = |time: &str| format!("{time} +0000 UTC m=+0.1,9,x,1,2,3,4,5,6,7,8,,0.1,0.1,9,1\n");
        let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).expect("writable");
        write("metric/cart-service-5f-abc_metric.csv", format!("{POD}\n{}{}", row(times[0]), row(times[1])));
        write("metric/web-5f-abc_metric.csv", format!("{POD}\n{}{}", row(times[0]), row(times[1])));
        write("metric/dependency.csv", "Source,Target,Weight\nweb,cart-service,1\nweb,33.33.33.80,1\n".to_owned());
        for edge in ["source_50.csv", "destination_50.csv"] {
            write(&format!("metric/{edge}"), "time,timestamp,web_cart-service\n".to_owned());
        }
        let faults = "fault_id,inject_unix,pod,service,type,cause_kind,cause\n\
            2,60,p,cart-service,cpu_contention,metric,CpuUsageRate(%)\n1,30,p,web,return,log_region,a_b\n";
        write("faults.csv", faults.to_owned());
        Day::read("d", folder.path())
    }

    #[test]
    fn a_day_is_read_by_service_and_time() {
        let day = day(["1970-01-01 00:00:10", "1970-01-01 00:01:10"]).expect("sound");
        assert_eq!(day.services, ["cart-service", "web"]);
        assert_eq!(day.calls, [Call { caller: "web".to_owned(), callee: "cart-service".to_owned() }]);
        assert_eq!(day.measures[0].times, [10_000, 70_000]);
        assert_eq!((day.of_pods().len(), day.measures.len()), (24, 26));
        assert!(day.plain.iter().all(|measured| !measured.measure.starts_with("Node")));
        let faults: Vec<(i64, Option<&str>)> = day.faults.iter().map(|f| (f.at, f.metric.as_deref())).collect();
        assert_eq!(faults, [(30_000, None), (60_000, Some("CpuUsageRate(%)"))]);
    }

    #[test]
    fn rows_that_go_back_in_time_are_refused() {
        let error = day(["1970-01-01 00:01:10", "1970-01-01 00:00:10"]).expect_err("backwards");
        assert!(error.to_string().contains("_metric.csv:3: earlier"), "{error}");
    }
}
