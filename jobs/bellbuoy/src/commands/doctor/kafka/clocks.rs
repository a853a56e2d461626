//! The brokers' clocks against ours: ticks are our time, records bear theirs.

use super::faults::Faults;
use super::{Findings, Verdict};
use engine::log::kafka::inspect::{BrokerClock, Inspection};

/// Differences that are told, and that stop, milliseconds.
const WARN_MS: u64 = 1_000;
const FAIL_MS: u64 = 10_000;

pub(super) fn judge(seen: &Inspection, findings: &mut Findings) {
    if seen.clocks.is_empty() {
        let seen = "not compared: no record could be written to a topic made for it and read back".to_owned();
        return findings.warn("clock", seen, "see permissions; keep brokers and this machine on the same time");
    }
    let mut faults = Faults::of("clock");
    let mut largest = 0;
    for BrokerClock { broker, ahead_ms } in &seen.clocks {
        let difference = ahead_ms.unsigned_abs();
        largest = difference.max(largest);
        let verdict = match difference {
            FAIL_MS.. => Verdict::Fail,
            WARN_MS.. => Verdict::Warn,
            _ => continue,
        };
        let direction = if *ahead_ms > 0 { "ahead of" } else { "behind" };
        let advice = "set the clocks by NTP: what is late, and what is the future, is decided by comparing them";
        faults.add(verdict, format!("{difference} ms {direction} ours"), &format!("broker {broker}"), advice);
    }
    if faults.is_empty() {
        let seen = format!("at most {largest} ms from ours, of {} brokers that took a record", seen.clocks.len());
        findings.ok("clock", seen);
    }
    faults.tell(findings);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{good, one, told};
    use super::*;

    fn with(ahead_ms: i64) -> Inspection {
        Inspection { clocks: vec![BrokerClock { broker: 2, ahead_ms }], ..good() }
    }

    #[test]
    fn a_clock_that_differs_by_seconds_is_told_and_by_many_stops() {
        assert!(told(&with(-999)).is_empty());
        assert_eq!(one(&with(1_000)), (Verdict::Warn, "1000 ms ahead of ours: broker 2".to_owned()));
        assert_eq!(one(&with(-10_000)), (Verdict::Fail, "10000 ms behind ours: broker 2".to_owned()));
    }

    #[test]
    fn clocks_that_were_not_compared_are_not_taken_for_right() {
        assert_eq!(one(&Inspection { clocks: vec![], ..good() }).0, Verdict::Warn);
    }
}
