//! What stands between a proposal and a command, in the order it is asked.
//!
//! Invariant: a guard counts what the ledger holds, so after a restart it refuses what it would have refused before.

use crate::case::{Case, Suspect};
use crate::config::{Config, Guards, PolicyMode, PolicyRule};
use crate::ledger::{Issued, Ledger};
use crate::refusal::{Refusal, Rule, term};
use crate::remedies::{self, Kind, Proposal};
use crate::target;
use schemas::glob::glob;
use schemas::{Family, Notice, RiskClass, Term};
use topics::Switches;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// What is asked of the guards.
pub struct Question<'a> {
    /// The incident.
    pub case: &'a Case<'a>,
    /// Who is suspected.
    pub suspect: &'a Suspect<'a>,
    /// The rule of policy.
    pub rule: &'a PolicyRule,
    /// The remedy.
    pub kind: &'a Kind,
    /// What it proposes.
    pub proposal: &'a Proposal,
    /// The task's clock, milliseconds.
    pub now: i64,
}

/// What the guards answer.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// Order it.
    Order(Order),
    /// Count it only.
    Observe,
    /// It was ordered, and its time is not over: nothing to say until then, milliseconds.
    Wait(i64),
    /// No. With a time where it may be asked again, milliseconds.
    Refuse(Refusal, Option<i64>),
}

/// How a proposal is to be ordered.
#[derive(Debug, PartialEq)]
pub struct Order {
    /// How far the actuator may go.
    pub mode: PolicyMode,
    /// Why that is less than policy says.
    pub lowered: Vec<Refusal>,
    /// From 1.
    pub attempt: i32,
    /// Whether it only says that the remedy did not help.
    pub escalated: bool,
    /// The numbers behind the decision.
    pub terms: Vec<Term<'static>>,
}

/// Asks all guards.
pub fn judge(question: &Question<'_>, ledger: &Ledger, switches: &Switches, config: &Config) -> Verdict {
    let guards = config.guards.overridden(&question.rule.guards);
    if let Err((refusal, again)) = may_act(question, switches, config, &guards) {
        return Verdict::Refuse(refusal, again);
    }
    if question.rule.mode == PolicyMode::Observe {
        return Verdict::Observe;
    }
    let (incident, remedy, now) = (question.case.incident, question.kind.name, question.now);
    let target = target::key(&question.proposal.target);
    let asked = ledger.of(&incident.id, remedy, &target).map(|issued| issued.at).max();
    if let Some(at) = asked.filter(|_| question.kind.is_harmless()) {
        // Looking again shows nothing new, and a note says the same as before.
        return Verdict::Wait(at + DAY);
    }
    if let Some((until, refusal)) = cooldown(question.kind, ledger, &target, now, &guards) {
        // What this incident has ordered itself needs no word; what else keeps it waiting does.
        let own = ledger.of(&incident.id, remedy, &target).any(|issued| issued.at + DAY > now);
        return if own { Verdict::Wait(until) } else { Verdict::Refuse(refusal, Some(until)) };
    }
    let same = |issued: &Issued| issued.remedy == remedy && issued.target == target;
    let today: Vec<_> = ledger.since(now - DAY, same).collect();
    let tried = today.iter().filter(|issued| !issued.escalated).count();
    let too_often = tried >= guards.attempts_per_day as usize;
    if let Some(escalated) = today.iter().rfind(|issued| issued.escalated).filter(|_| too_often) {
        return Verdict::Refuse(attempts(tried, &guards), Some(escalated.at + DAY));
    }
    let spent = match budgets(question, ledger, now, &guards) {
        Ok(spent) => spent,
        Err((refusal, again)) => return Verdict::Refuse(refusal, Some(again)),
    };
    let (mut mode, mut lowered) = (question.rule.mode, Vec::new());
    if too_often {
        mode = PolicyMode::Recommend;
        lowered.push(attempts(tried, &guards));
    }
    lower_by_risk(question, ledger, config, &mut mode, &mut lowered);
    let attempt = 1 + ledger.of(&incident.id, remedy, &target).map(|issued| issued.attempt).max().unwrap_or(0);
    let mut terms = vec![
        term("severity", incident.severity, ""),
        term("families", question.suspect.families.len() as f64, ""),
        term("anomalies", incident.members_total as f64, ""),
        term("open for", (now - incident.opened_at) as f64, "ms"),
        term("tried today", tried as f64, ""),
    ];
    terms.extend(spent);
    Verdict::Order(Order { mode, lowered, attempt, escalated: too_often, terms })
}

/// Whether there is a storm; its numbers where there is.
pub fn storm(ledger: &Ledger, config: &Config, now: i64) -> Option<Refusal> {
    let storm = config.storm;
    let (open, commands) =
        (ledger.open.len(), ledger.since(now - storm.window.millis(), |issued| !is_harmless(&issued.remedy)).count());
    if open <= storm.open_incidents as usize && commands < storm.commands as usize {
        return None;
    }
    let sentence = format!(
        "{open} incidents are open and {commands} commands were issued in {}; allowed are {} and fewer than {} before only people may act",
        storm.window, storm.open_incidents, storm.commands
    );
    let refusal = Refusal::new(Rule::Storm, sentence).with("open incidents", open as f64, "");
    Some(refusal.with("commands", commands as f64, ""))
}

/// What must hold whatever was ordered before.
fn may_act(
    question: &Question<'_>,
    switches: &Switches,
    config: &Config,
    guards: &Guards,
) -> Result<(), (Refusal, Option<i64>)> {
    let (incident, suspect, now) = (question.case.incident, question.suspect, question.now);
    let namespace = question.proposal.target.namespace.as_str();
    let refuse = |refusal: Refusal| Err((refusal, None));
    if let Some(switch) = switches.stopping(now, &incident.tenant, &incident.cluster, namespace, suspect.entity) {
        let sentence =
            format!("the kill switch is on, by {}; nothing is ordered until it is off", said_by(&switch.author));
        let refusal = Refusal::new(Rule::Killed, sentence).with("on for", (now - switch.at) as f64, "ms");
        return Err((refusal, Some(switch.expires_at).filter(|&at| at > 0)));
    }
    if let Some(pattern) = config.protected.iter().find(|pattern| !namespace.is_empty() && glob(pattern, namespace)) {
        let sentence =
            format!("namespace {namespace} is protected (`{pattern}`); allowed are all that `protected` does not list");
        return refuse(Refusal::new(Rule::DeniedScope, sentence));
    }
    quality(question, guards).or_else(refuse)?;
    let lasted = now - incident.opened_at;
    if lasted < guards.persist.millis() {
        let sentence = format!("the incident has been open for {lasted} ms; allowed is {} or longer", guards.persist);
        let refusal = Refusal::new(Rule::NotYet, sentence).with("open for", lasted as f64, "ms");
        let again = incident.opened_at + guards.persist.millis();
        return Err((refusal.with("allowed from", guards.persist.millis() as f64, "ms"), Some(again)));
    }
    Ok(())
}

/// Whether the evidence is good enough to act on.
fn quality(question: &Question<'_>, guards: &Guards) -> Result<(), Refusal> {
    let (incident, suspect) = (question.case.incident, question.suspect);
    let refuse = |sentence: String, name: &'static str, found: f64, least: f64| {
        Err(Refusal::new(Rule::Quality, sentence).with(name, found, "").with("allowed", least, ""))
    };
    if incident.unheard > 0 {
        let sentence =
            format!("{} tasks of detect were not heard when the incident was decided; allowed are 0", incident.unheard);
        return refuse(sentence, "tasks unheard", f64::from(incident.unheard), 0.0);
    }
    let doubtful = incident.members.iter().filter(|member| member.family == Family::DataQuality).count();
    if doubtful > 0 {
        let sentence = format!("{doubtful} anomalies say that data stopped or are doubtful; allowed are 0");
        return refuse(sentence, "doubtful", doubtful as f64, 0.0);
    }
    if incident.notice != Notice::Notify {
        let because = if incident.notice_reason.is_empty() { "no reason given" } else { &incident.notice_reason };
        let sentence = format!("nobody is told of the incident ({because}), so nothing is done about it either");
        return Err(Refusal::new(Rule::Quality, sentence));
    }
    if !matches!(incident.label.as_str(), "" | "true") {
        let sentence = format!("a person called the incident `{}`; allowed is `true`, or no label", incident.label);
        return Err(Refusal::new(Rule::Quality, sentence));
    }
    let (families, members) = (suspect.families.len(), incident.members_total);
    if families < guards.least_families {
        let sentence = format!(
            "{families} kinds of evidence speak against {}; {} are needed",
            suspect.entity.name, guards.least_families
        );
        return refuse(sentence, "families", families as f64, guards.least_families as f64);
    }
    if members < guards.least_members {
        let sentence = format!("the incident has {members} anomalies; {} are needed", guards.least_members);
        return refuse(sentence, "anomalies", members as f64, guards.least_members as f64);
    }
    Ok(())
}

/// Until when a target rests, with the reason; none where it has rested.
fn cooldown(kind: &Kind, ledger: &Ledger, target: &str, now: i64, guards: &Guards) -> Option<(i64, Refusal)> {
    let today: Vec<_> = ledger.since(now - DAY, |issued| issued.target == target && alike(issued, kind)).collect();
    let last = today.last()?;
    let doublings = (today.len() - 1).min(20) as u32;
    let rest = guards.cooldown.millis().saturating_mul(1 << doublings).min(guards.longest_cooldown.millis());
    let until = last.at + rest;
    if now >= until {
        return None;
    }
    let sentence = format!(
        "{} was ordered for {target} {} s ago, command {} of the day; allowed is one every {} s",
        last.remedy,
        (now - last.at) / 1_000,
        today.len(),
        rest / 1_000
    );
    let refusal = Refusal::new(Rule::Cooldown, sentence).with("since the last", (now - last.at) as f64, "ms");
    Some((until, refusal.with("allowed from", rest as f64, "ms")))
}

/// What is spent of the three budgets; the first that is used up, and when it no longer is.
fn budgets(
    question: &Question<'_>,
    ledger: &Ledger,
    now: i64,
    guards: &Guards,
) -> Result<[Term<'static>; 3], (Refusal, i64)> {
    let (window, proposal) = (guards.window.millis(), question.proposal);
    let (domain, namespace) = (proposal.lock_domain.as_str(), proposal.target.namespace.as_str());
    let spent = |fits: &dyn Fn(&Issued) -> bool, what: &'static str, named: &str, allowed: u32| {
        let within: Vec<_> =
            ledger.since(now - window, |issued| fits(issued) && alike(issued, question.kind)).collect();
        let count = within.len();
        if count < allowed as usize {
            return Ok(term(what, count as f64, ""));
        }
        // A budget of none never frees itself.
        let oldest = within
            .get(count - (allowed as usize).min(count))
            .map_or(i64::MAX, |issued| issued.at.saturating_add(window));
        let sentence =
            format!("{count} commands were issued for {named} within {}; allowed are {allowed}", guards.window);
        let refusal =
            Refusal::new(Rule::Budget, sentence).with(what, count as f64, "").with("allowed", f64::from(allowed), "");
        Err((refusal, oldest))
    };
    let in_namespace = |issued: &Issued| !namespace.is_empty() && issued.namespace == namespace;
    Ok([
        spent(&|issued| issued.lock_domain == domain, "commands of the workload", domain, guards.per_workload)?,
        if namespace.is_empty() {
            term("commands of the namespace", 0.0, "")
        } else {
            spent(&in_namespace, "commands of the namespace", namespace, guards.per_namespace)?
        },
        spent(&|_| true, "commands of the cluster", "the cluster", guards.per_cluster)?,
    ])
}

/// What only looks or leaves a note keeps nothing else waiting, and nothing else keeps it.
fn alike(issued: &Issued, kind: &Kind) -> bool {
    if kind.is_harmless() { issued.remedy == kind.name } else { !is_harmless(&issued.remedy) }
}

fn is_harmless(remedy: &str) -> bool {
    remedies::by_name(remedy).is_some_and(Kind::is_harmless)
}

/// Lowers the mode where nobody should act by himself, or nobody at all.
fn lower_by_risk(
    question: &Question<'_>,
    ledger: &Ledger,
    config: &Config,
    mode: &mut PolicyMode,
    lowered: &mut Vec<Refusal>,
) {
    if *mode == PolicyMode::Enforce && question.kind.risk == RiskClass::R4 {
        *mode = PolicyMode::Approve;
        let sentence = format!("{} cannot simply be undone, so people must consent", question.kind.name);
        lowered.push(Refusal::new(Rule::Irreversible, sentence));
    }
    if *mode > PolicyMode::Recommend
        && let Some(refusal) = storm(ledger, config, question.now)
    {
        *mode = PolicyMode::Recommend;
        lowered.push(refusal);
    }
    let target = &question.proposal.target;
    if *mode > PolicyMode::Recommend && target.uid.is_empty() && !target::is_lasting(&target.kind) {
        *mode = PolicyMode::Recommend;
        let sentence = format!(
            "the uid of {} was not seen, and another object may have its name by now; a command that may be carried out names the uid",
            target::key(target)
        );
        lowered.push(Refusal::new(Rule::Identity, sentence));
    }
}

fn attempts(tried: usize, guards: &Guards) -> Refusal {
    let sentence = format!(
        "it was tried {tried} times within a day and did not help; allowed are {}, so people must look",
        guards.attempts_per_day
    );
    let refusal = Refusal::new(Rule::Attempts, sentence).with("tried today", tried as f64, "");
    refusal.with("allowed", f64::from(guards.attempts_per_day), "")
}

fn said_by(author: &str) -> &str {
    if author.is_empty() { "nobody named" } else { author }
}
