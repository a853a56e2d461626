//! How much a pod works at a time: the day's rhythm, noise, garbage collection, and what the story does to it.
//!
//! Invariant: counters of a [`Meter`] never fall except through [`Meter::restart`].

use crate::calendar::{DAY, HOUR, MINUTE, time_of_day};
use crate::random::Random;
use crate::roster::{BACKED_UP, LEAKING, TAKEN_OVER, Workload};
use crate::story::Timetable;

const MIB: f64 = 1_048_576.0;

/// What a kubelet knows about one pod.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    /// Seconds of CPU since the container began.
    pub(crate) cpu_seconds: f64,
    /// Bytes received and sent since the pod began.
    pub(crate) received: i64,
    pub(crate) sent: i64,
    pub(crate) receive_errors: i64,
    pub(crate) page_faults: i64,
    pub(crate) working_set: i64,
    pub(crate) rss: i64,
    pub(crate) usage: i64,
    pub(crate) filesystem: i64,
    read_at: i64,
    began: i64,
    noise: f64,
    collection: f64,
    collection_period: f64,
}

/// What the story does to a pod.
#[derive(Clone, Copy, Debug)]
struct Effects {
    cpu_factor: f64,
    cpu_extra: f64,
    sent_extra: f64,
    traffic_factor: f64,
    memory_extra: f64,
    fault_factor: f64,
}

impl Meter {
    /// A meter of a container that began at `began` and has run `age` milliseconds like its workload does.
    pub(crate) fn new(random: &mut Random, workload: &Workload, began: i64, age: i64) -> Self {
        let seconds = age as f64 / 1_000.0;
        Meter {
            cpu_seconds: workload.cores * seconds,
            received: (workload.bytes.0 * seconds) as i64,
            sent: (workload.bytes.1 * seconds) as i64,
            receive_errors: 0,
            page_faults: (seconds * 40.0) as i64,
            working_set: 0,
            rss: 0,
            usage: 0,
            filesystem: (random.between(30.0, 180.0) * MIB) as i64,
            read_at: began + age,
            began,
            noise: 0.0,
            collection: random.unit(),
            collection_period: random.between(18.0, 42.0) * MINUTE as f64,
        }
    }

    /// The container began anew; its network namespace stays.
    pub(crate) fn restart(&mut self, at: i64) {
        (self.cpu_seconds, self.page_faults, self.read_at, self.began) = (0.0, 0, at, at);
    }

    /// Works until `now`.
    pub(crate) fn advance(
        &mut self,
        random: &mut Random,
        index: usize,
        workload: &Workload,
        share: f64,
        timetable: &Timetable,
        now: i64,
    ) {
        let elapsed = (now - self.read_at).max(0);
        let seconds = elapsed as f64 / 1_000.0;
        let first_scrape = self.read_at == self.began;
        self.read_at = now;
        self.noise = 0.7 * self.noise + 0.045 * random.bell();
        let effects = effects(index, timetable, now);
        let level = daily_level(now, workload.swing) * share * (1.0 + self.noise);

        let start_up = if first_scrape { 1.6 } else { 1.0 };
        let quick = 1.0 + 0.03 * random.bell();
        let cores = workload.cores * level * quick * start_up * effects.cpu_factor + effects.cpu_extra;
        self.cpu_seconds += cores.min(limit_cores(workload)) * seconds;

        let traffic = level * (1.0 + 0.04 * random.bell()) * effects.traffic_factor;
        self.received += (workload.bytes.0 * traffic * seconds) as i64;
        self.sent +=
            ((workload.bytes.1 * traffic + effects.sent_extra * (1.0 + 0.05 * random.bell())) * seconds) as i64;
        self.receive_errors += i64::from(random.poisson(0.02 * seconds / 60.0));
        self.page_faults +=
            ((40.0 + 25.0 * level) * (1.0 + 0.05 * random.bell()) * effects.fault_factor * seconds) as i64;
        self.filesystem += (random.between(0.0, 900.0) * seconds) as i64;

        // Memory climbs until the collector runs, then falls back: a saw-tooth of a quarter of the working set.
        self.collection = (self.collection + elapsed as f64 / self.collection_period).fract();
        let warm = (0.7 + (now - self.began) as f64 / (10.0 * MINUTE as f64)).min(1.0);
        let tooth = 0.86 + 0.22 * self.collection + 0.05 * (daily_level(now, workload.swing) - 1.0);
        let working_set = workload.memory * (tooth * warm + 0.006 * random.bell()) + effects.memory_extra;
        let working_set = working_set.min(limit_memory(workload) * 0.985);
        self.working_set = (working_set * MIB) as i64;
        self.rss = (working_set * 0.84 * MIB) as i64;
        self.usage = (working_set * 1.12 * MIB) as i64;
    }
}

/// The load of a time of day against its mean: 1 in the middle, highest in the early afternoon.
pub(crate) fn daily_level(now: i64, swing: f64) -> f64 {
    let turn = std::f64::consts::TAU * (time_of_day(now) - 8 * HOUR) as f64 / DAY as f64;
    1.0 + swing * (0.9 * libm::sin(turn) + 0.12 * libm::sin(2.0 * turn + 0.6))
}

/// Cores the container may use.
pub(crate) fn limit_cores(workload: &Workload) -> f64 {
    // Whole tenths, as people write them; room for five times the usual.
    (workload.cores * 60.0).ceil().max(3.0) / 10.0
}

/// MiB the container may use.
pub(crate) fn limit_memory(workload: &Workload) -> f64 {
    (workload.memory * 3.3 / 128.0).ceil() * 128.0
}

fn effects(index: usize, timetable: &Timetable, now: i64) -> Effects {
    let mut effects = Effects {
        cpu_factor: 1.0,
        cpu_extra: 0.0,
        sent_extra: 0.0,
        traffic_factor: 1.0,
        memory_extra: 0.0,
        fault_factor: 1.0,
    };
    match index {
        TAKEN_OVER if timetable.mines(now) => {
            // Four times the usual on top of the usual.
            effects.cpu_extra = 0.56;
            effects.sent_extra = 260.0 * 1024.0;
        }
        LEAKING => {
            if let Some(progress) = timetable.leak(now) {
                effects.memory_extra = 720.0 * (progress / 0.8).min(1.0);
                let saturation = ((progress - 0.5) / 0.15).clamp(0.0, 1.0);
                effects.cpu_factor = 1.0 + 7.0 * saturation;
                effects.traffic_factor = 1.0 - 0.5 * saturation;
                effects.fault_factor = 1.0 + 4.0 * saturation;
            }
        }
        BACKED_UP if backup_runs(now) => {
            effects.sent_extra = 900.0 * 1024.0;
            effects.cpu_extra = 0.08;
        }
        _ => {}
    }
    effects
}

/// True while the databases are backed up: twelve minutes from a quarter past two, at night and in the afternoon.
pub(crate) fn backup_runs(now: i64) -> bool {
    let begins = 2 * HOUR + 15 * MINUTE;
    let within = time_of_day(now).rem_euclid(12 * HOUR);
    (begins..begins + 12 * MINUTE).contains(&within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::roster;

    const START: i64 = 1_772_409_600_000;

    fn cores_over(index: usize, from: i64, minutes: i64) -> f64 {
        let roster = roster(8);
        let timetable = Timetable::new(START + 3 * DAY);
        let mut random = Random::new(1, "load");
        let mut meter = Meter::new(&mut random, &roster[index], from - DAY, DAY);
        let before = meter.cpu_seconds;
        for minute in 1..=minutes {
            meter.advance(&mut random, index, &roster[index], 1.0, &timetable, from + minute * MINUTE);
        }
        (meter.cpu_seconds - before) / (minutes * 60) as f64
    }

    #[test]
    fn the_day_is_busier_than_the_night_and_averages_one() {
        let mean = (0..1_440).map(|minute| daily_level(START + minute * MINUTE, 0.4)).sum::<f64>() / 1_440.0;
        assert!((mean - 1.0).abs() < 1e-6, "{mean}");
        assert!(daily_level(START + 14 * HOUR, 0.4) > daily_level(START + 2 * HOUR, 0.4) + 0.6);
    }

    #[test]
    fn the_miner_takes_four_to_six_times_the_usual_cpu() {
        let timetable = Timetable::new(START + 3 * DAY);
        let usual = cores_over(TAKEN_OVER, timetable.takeover.0 - DAY + HOUR, 60);
        let mined = cores_over(TAKEN_OVER, timetable.takeover.0 + HOUR, 60);
        assert!((4.0..6.0).contains(&(mined / usual)), "{}", mined / usual);
    }

    #[test]
    fn the_leak_ends_at_the_cpu_limit() {
        let timetable = Timetable::new(START + 3 * DAY);
        let pegged = cores_over(LEAKING, timetable.fault.1 - 30 * MINUTE, 20);
        assert!((pegged - limit_cores(&roster(8)[LEAKING])).abs() < 1e-9, "{pegged}");
    }
}
