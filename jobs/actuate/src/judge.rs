//! What is to become of a command, as far as it can be told without looking at the cluster.
//!
//! Invariant: a command is never lifted above the mode it came with, and never carried out outside its time.

use crate::actions::{self, Kind, Refusal};
use crate::config::{Config, Level};
use crate::consent::Consent;
use schemas::signing::VerifyingKey;
use schemas::{ApprovalGiven, Command, Intent, Mode, RefusalRule, signing};

/// How far a command's time may lie ahead of ours.
const AHEAD: i64 = 120_000;
/// Longest time a command may wait.
const LONGEST: i64 = 15 * 60_000;

/// What is to become of a command.
pub(crate) enum Verdict {
    /// Count it, say nothing.
    Observe,
    /// Tell people.
    Recommend,
    /// It waits for its time or for so many more people.
    Wait(usize),
    /// No.
    Refuse(Refusal),
    /// Carry it out, with these consents.
    Go(&'static Kind, Vec<ApprovalGiven<'static>>),
}

/// Judges a command.
pub(crate) fn judge(
    command: &Command<'_>,
    consent: &Consent,
    keys: &[VerifyingKey],
    config: &Config,
    now: i64,
) -> Verdict {
    match refusal(command, consent, keys, config, now) {
        Some(refusal) => Verdict::Refuse(refusal),
        None => admitted(command, consent, config, now),
    }
}

/// Why it is not obeyed at all.
fn refusal(
    command: &Command<'_>,
    consent: &Consent,
    keys: &[VerifyingKey],
    config: &Config,
    now: i64,
) -> Option<Refusal> {
    let refuse = |rule: RefusalRule, sentence: String| Some(Refusal::new(rule, sentence));
    if let Err(error) = signing::verify(command, keys) {
        return refuse(RefusalRule::BadSignature, error.to_string());
    }
    let (tenant, cluster) = (command.tenant.as_str(), command.cluster.as_str());
    if tenant != config.tenant || cluster != config.cluster {
        let sentence = format!("it is for {tenant}/{cluster}, this is {}/{}", config.tenant, config.cluster);
        return refuse(RefusalRule::DeniedScope, sentence);
    }
    if command.issued_at > now + AHEAD {
        let ahead = (command.issued_at - now) as f64;
        let refusal = Refusal::new(RefusalRule::NotYet, "it was issued in the future; allowed are 2 minutes");
        return Some(refusal.with("ahead, ms", ahead).with("allowed, ms", AHEAD as f64));
    }
    if command.expires_at - command.issued_at > LONGEST {
        return refuse(RefusalRule::Unsupported, "it would wait longer than 15 minutes; no command may".to_owned());
    }
    if now >= command.expires_at {
        return Some(expired(command, consent, config, now));
    }
    if !config.policies.is_empty() && !config.policies.iter().any(|hash| *hash == command.policy.hash.as_str()) {
        let sentence =
            format!("its policy {} ({}) is not among those obeyed here", command.policy.id, command.policy.hash);
        return refuse(RefusalRule::DeniedScope, sentence);
    }
    if command.intent != Intent::Execute {
        let sentence = "only orders to do something are taken; what was done is undone by itself, or by people";
        return refuse(RefusalRule::Unsupported, sentence.to_owned());
    }
    if actions::by_name(&command.action.name).is_none() {
        let known: Vec<&str> = actions::ALL.iter().map(|kind| kind.name).collect();
        let sentence = format!("there is no action `{}` here; allowed are {}", command.action.name, known.join(", "));
        return refuse(RefusalRule::Unsupported, sentence);
    }
    None
}

fn expired(command: &Command<'_>, consent: &Consent, config: &Config, now: i64) -> Refusal {
    let late = (now - command.expires_at) as f64;
    let given = consent.given(command).len();
    if level(command, config) == Level::Approve && given < needed(command) {
        let sentence = format!("{given} of {} people consented before it expired", needed(command));
        let refusal = Refusal::new(RefusalRule::ApprovalMissing, sentence).with("consents", given as f64);
        return refusal.with("needed", needed(command) as f64);
    }
    Refusal::new(RefusalRule::Expired, "its time is over").with("late, ms", late)
}

fn admitted(command: &Command<'_>, consent: &Consent, config: &Config, now: i64) -> Verdict {
    let level = level(command, config);
    match level {
        Level::Observe => return Verdict::Observe,
        Level::Recommend => return Verdict::Recommend,
        Level::Approve | Level::Enforce => {}
    }
    if let Some(person) = consent.refused(command) {
        return Verdict::Refuse(Refusal::new(RefusalRule::ApprovalDenied, format!("{person} refused it")));
    }
    let given = consent.given(command);
    if level == Level::Approve && given.len() < needed(command) {
        return Verdict::Wait(needed(command) - given.len());
    }
    let target = &command.target;
    let (tenant, cluster, namespace) = (&command.tenant, &command.cluster, &target.namespace);
    if let Some(switch) = consent.switches.stopping(now, tenant, cluster, namespace, &target.entity) {
        let sentence = format!("the kill switch is on, by {}; a new order is needed when it is off", switch.author);
        return Verdict::Refuse(
            Refusal::new(RefusalRule::Killed, sentence).with("on for, ms", (now - switch.at) as f64),
        );
    }
    if now < command.not_before {
        return Verdict::Wait(0);
    }
    let kind = actions::by_name(&command.action.name).expect("an unknown action was refused before");
    Verdict::Go(kind, given)
}

/// How far it may go: what it says, at most what is allowed here.
fn level(command: &Command<'_>, config: &Config) -> Level {
    let said = match command.mode {
        Mode::Observe | Mode::Other => Level::Observe,
        Mode::Recommend => Level::Recommend,
        Mode::Approve => Level::Approve,
        Mode::Enforce => Level::Enforce,
    };
    let irreversible = actions::by_name(&command.action.name).is_some_and(|kind| kind.risk == schemas::RiskClass::R4);
    let most = if irreversible { Level::Approve } else { Level::Enforce };
    said.min(config.level(&command.action.name)).min(most)
}

/// How many people must consent: what it says, and two where nothing can be undone.
fn needed(command: &Command<'_>) -> usize {
    let irreversible = actions::by_name(&command.action.name).is_some_and(|kind| kind.risk == schemas::RiskClass::R4);
    let least = if irreversible { 2 } else { 1 };
    usize::try_from(command.approvals).unwrap_or(0).max(least)
}
