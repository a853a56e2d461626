//! Anomaly ≠ incident ≠ alert: which incidents a person hears of.
//!
//! In this order: a silence (somebody's mute, a maintenance window), a severity too low to tell, classes that are never
//! dropped, a bound on false discoveries, the budget of the day. Whatever is not told stands in the incidents topic with
//! the reason and the numbers: that is the ledger.
//!
//! Invariant: in any day at most `budget + burst` incidents are told that are of no exempt class; what has been told once
//! stays told.

use crate::assessment::{Assessment, touched};
use crate::config::{Alerts, Always, Config, Maintenance, Transitions};
use crate::memory::{Case, Memory};
use schemas::Selector;
use schemas::{Band, Family, Notice};
use serde::{Deserialize, Serialize};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// What may still be told, per tenant and cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Alerts that may be told at once; absent before the first.
    tokens: Option<f64>,
    /// When that was so.
    at: i64,
    /// Tests made for the bound on false discoveries, and how many were positive.
    tests: u64,
    discoveries: u64,
}

/// Somebody's wish not to hear of something, as the control topic had it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mute {
    /// Which entities.
    pub selector: String,
    /// When it stops counting; 0 for never.
    pub expires_at: i64,
    /// Who.
    pub author: String,
    /// Why.
    pub reason: String,
}

/// Decides about an incident as it stands now.
pub fn decide(
    case: &Case,
    assessment: &Assessment,
    memory: &Memory,
    mutes: &[Mute],
    config: &Config,
) -> (Notice, String, Budget) {
    let mut budget = memory.budget.clone();
    if let Some(reason) = silence(case, memory, mutes, config) {
        return (Notice::Muted, reason, budget);
    }
    if case.notice == Notice::Notify && case.revision > 0 {
        return (Notice::Notify, String::new(), budget);
    }
    // Only what has become graver is looked at again, so that asking more often does not help.
    if case.notice == Notice::HeldBack && case.revision > 0 && assessment.severity <= case.peak {
        return (Notice::HeldBack, case.notice_reason.clone(), budget);
    }
    match budget.held_back(assessment, memory.now, &config.alerts) {
        Some(reason) => (Notice::HeldBack, reason, budget),
        None => (Notice::Notify, String::new(), budget),
    }
}

impl Budget {
    /// Why an incident is held back; nothing where it is told, which this pays for.
    fn held_back(&mut self, assessment: &Assessment, now: i64, alerts: &Alerts) -> Option<String> {
        let severity = assessment.severity;
        if severity < alerts.least_severity {
            return Some(format!(
                "its severity of {severity} is below {}, the least worth telling",
                alerts.least_severity
            ));
        }
        self.refill(now, alerts);
        let security = assessment.band == Band::Novel && assessment.families & (1 << Family::Novelty as u8) != 0;
        let exempt = severity >= alerts.always_from || (security && alerts.always_security == Always::Tell);
        if let Some(level) = alerts.false_discovery_rate.filter(|_| !exempt) {
            let (p, allowed) = self.test(assessment, level);
            if p > allowed {
                return Some(format!(
                    "p {p:.2e} is above {allowed:.2e}, what {} false alerts in a hundred allow",
                    level * 100.0
                ));
            }
        }
        if alerts.budget <= 0.0 {
            return None;
        }
        let tokens = self.tokens.unwrap_or(alerts.burst);
        if tokens < 1.0 && !exempt {
            let wait = (1.0 - tokens) / alerts.budget * DAY as f64 / MINUTE as f64;
            return Some(format!(
                "over the budget of {} a day; the next may be told in {wait:.0} minutes",
                alerts.budget
            ));
        }
        self.tokens = Some((tokens - 1.0).max(0.0));
        None
    }

    fn refill(&mut self, now: i64, alerts: &Alerts) {
        if let Some(tokens) = self.tokens {
            let earned = (now - self.at).max(0) as f64 / DAY as f64 * alerts.budget;
            self.tokens = Some((tokens + earned).min(alerts.burst));
        }
        self.at = self.at.max(now);
    }

    /// LOND (Javanmard and Montanari, 2015): the i-th test is allowed level · 6/(π² i²) · (discoveries + 1). The p-value of
    /// an incident is its strongest evidence, corrected for the number of families looked at (Bonferroni).
    fn test(&mut self, assessment: &Assessment, level: f64) -> (f64, f64) {
        self.tests += 1;
        let tested = self.tests as f64;
        let share = 6.0 / (std::f64::consts::PI * std::f64::consts::PI * tested * tested);
        let allowed = level * share * (self.discoveries as f64 + 1.0);
        let strongest = assessment.entities.first().map_or(0, |(_, weight)| *weight) as f64 / 1000.0;
        let p = (f64::from(assessment.families.count_ones()) * libm::pow(10.0, -strongest)).min(1.0);
        self.discoveries += u64::from(p <= allowed);
        (p, allowed)
    }
}

/// Why nobody wants to hear of an incident: every entity it touches must be meant.
fn silence(case: &Case, memory: &Memory, mutes: &[Mute], config: &Config) -> Option<String> {
    let entities: Vec<_> = touched(case, memory).into_iter().map(crate::entity::Named::to_entity).collect();
    let meant = |selector: &Selector| entities.iter().all(|entity| selector.matches(&memory.cluster, entity));
    let now = memory.now;
    let window = config.maintenance.iter().find(|window| {
        let at = match window.transitions {
            Transitions::Opened => case.opened_at,
            Transitions::Within => now,
        };
        contains(window, at) && meant(&window.selector)
    });
    if let Some(window) = window {
        return Some(format!("maintenance: {}", window.reason));
    }
    let mute = mutes.iter().find(|mute| {
        (mute.expires_at == 0 || now < mute.expires_at) && mute.selector.parse().is_ok_and(|selector| meant(&selector))
    });
    mute.map(|mute| format!("muted by {}: {}", mute.author, mute.reason))
}

/// True when a time lies within a recurring window.
fn contains(window: &Maintenance, at: i64) -> bool {
    let today = at.div_euclid(DAY);
    // A window of yesterday may reach into today.
    [today, today - 1].into_iter().any(|day| {
        // The first day of Unix time was a Thursday.
        let weekday = (day + 3).rem_euclid(7) as u8;
        let from = day * DAY + i64::from(window.from_minute) * MINUTE;
        let on = window.days.is_empty() || window.days.contains(&weekday);
        on && (from..from + i64::from(window.minutes) * MINUTE).contains(&at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::Named;
    use crate::evidence::Episode;
    use schemas::EntityKind;

    fn assessment(severity: f64) -> Assessment {
        Assessment { severity, entities: vec![(1, 4_000)], families: 1, ..Assessment::default() }
    }

    /// A cluster with one incident on `shop/cart`, opened at a time.
    fn memory(opened_at: i64, now: i64) -> (Memory, Case) {
        let cart = Named {
            kind: EntityKind::Workload,
            namespace: "shop".into(),
            workload_kind: "Deployment".into(),
            name: "cart".into(),
        };
        let episode = Episode { entity: cart, ..Episode::default() };
        let memory = Memory { now, episodes: [(7, episode)].into(), ..Memory::default() };
        let case = Case { opened_at, episodes: [7].into(), ..Case::default() };
        (memory, case)
    }

    #[test]
    fn a_day_tells_no_more_than_its_budget_and_burst_but_never_drops_the_grave() {
        let alerts = Alerts { budget: 4.0, burst: 2.0, ..Alerts::default() };
        let mut budget = Budget::default();
        let told = |budget: &mut Budget, severity, now| budget.held_back(&assessment(severity), now, &alerts).is_none();
        let of_day = (0..96).filter(|quarter| told(&mut budget, 50.0, quarter * 15 * MINUTE)).count();
        assert_eq!(of_day, 2 + 3, "the burst, and one every six hours");
        assert!(told(&mut budget, 90.0, DAY), "an exempt one is told whatever is left");
        let reason = budget.held_back(&assessment(50.0), DAY, &alerts).unwrap();
        assert!(reason.starts_with("over the budget of 4 a day; the next may be told in"), "{reason}");
    }

    #[test]
    fn what_is_below_the_least_severity_costs_nothing() {
        let mut budget = Budget::default();
        let reason = budget.held_back(&assessment(3.0), 0, &Alerts::default()).unwrap();
        assert_eq!(reason, "its severity of 3 is below 15, the least worth telling");
        assert_eq!(budget.tokens, None);
    }

    #[test]
    fn the_bound_on_false_discoveries_tightens_with_tests_and_loosens_with_discoveries() {
        let mut budget = Budget::default();
        let (_, first) = budget.test(&assessment(50.0), 0.1);
        let (_, second) = budget.test(&assessment(50.0), 0.1);
        assert!((first - 0.0607).abs() < 1e-3 && (second - first / 4.0 * 2.0).abs() < 1e-9, "{first} {second}");
    }

    #[test]
    fn a_window_recurs_on_its_days_and_may_reach_over_midnight() {
        let night = Maintenance { days: vec![5], from_minute: 23 * 60, minutes: 120, ..Maintenance::default() };
        let saturday = 2 * DAY;
        assert!(contains(&night, saturday + 23 * 60 * MINUTE));
        assert!(contains(&night, saturday + DAY + 59 * MINUTE));
        assert!(!contains(&night, saturday + DAY + 60 * MINUTE));
        assert!(!contains(&night, saturday - 60 * MINUTE));
        assert!(contains(&night, saturday + 7 * DAY + 23 * 60 * MINUTE));
    }

    #[test]
    fn a_window_silences_what_opened_in_it_to_the_end_or_only_while_it_lasts() {
        let window = |transitions| Config {
            maintenance: vec![Maintenance {
                reason: "backup".into(),
                selector: "namespace=shop".parse().unwrap(),
                minutes: 60,
                transitions,
                ..Maintenance::default()
            }],
            ..Config::default()
        };
        let notice = |opened_at, now, transitions| {
            let (memory, case) = memory(opened_at, now);
            decide(&case, &assessment(50.0), &memory, &[], &window(transitions)).0
        };
        assert_eq!(notice(10 * MINUTE, 90 * MINUTE, Transitions::Opened), Notice::Muted);
        assert_eq!(notice(10 * MINUTE, 90 * MINUTE, Transitions::Within), Notice::Notify);
        assert_eq!(notice(90 * MINUTE, 90 * MINUTE, Transitions::Opened), Notice::Notify);
    }

    #[test]
    fn a_mute_silences_only_what_is_meant_as_a_whole_and_until_it_expires() {
        let mute = |selector: &str| {
            vec![Mute { selector: selector.into(), expires_at: 100, author: "ann".into(), reason: "known".into() }]
        };
        let notice = |selector: &str, now| {
            let (memory, case) = memory(0, now);
            decide(&case, &assessment(50.0), &memory, &mute(selector), &Config::default())
        };
        assert_eq!(notice("namespace=shop", 99).1, "muted by ann: known");
        assert_eq!(notice("namespace=shop", 100).0, Notice::Notify);
        assert_eq!(notice("namespace=other", 0).0, Notice::Notify);
    }
}
