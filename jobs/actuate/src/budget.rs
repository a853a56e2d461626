//! What may still be done, counted from the ledger in the cluster: a restart forgets nothing.

use crate::actions::Refusal;
use crate::config::Config;
use crate::ledger::{Entry, Phase};
use schemas::{Command, RefusalRule, RiskClass, Target};

/// Refuses what would be too much, too soon, or of no use.
pub(crate) fn check(command: &Command<'_>, entries: &[Entry], config: &Config, now: i64) -> Result<(), Refusal> {
    // What only looks or leaves a note keeps nothing else waiting, and nothing else keeps it.
    let alike = |other: &Command<'_>| match command.risk <= RiskClass::R1 {
        true => other.action.name == command.action.name,
        false => other.risk > RiskClass::R1,
    };
    let counts = |entry: &&Entry| entry.phase.counts() && entry.command().id != command.id && alike(&entry.command());
    let others: Vec<&Entry> = entries.iter().filter(counts).collect();
    breaker(&others, config)?;
    cooldown(command, &others, config, now)?;
    let budgets = &config.budgets;
    let recent = |fits: &dyn Fn(&Command<'_>) -> bool| {
        let window = now - budgets.window.millis();
        others.iter().filter(|entry| entry.claimed_at > window && fits(&entry.command())).count()
    };
    let namespace = &command.target.namespace;
    let in_force = others.iter().filter(|entry| entry.phase.in_force()).count();
    for (what, count, allowed) in [
        ("actions of the cluster", recent(&|_| true), budgets.per_cluster),
        (
            "actions of the namespace",
            if namespace.is_empty() { 0 } else { recent(&|other| other.target.namespace == *namespace) },
            budgets.per_namespace,
        ),
        ("actions of the lock domain", recent(&|other| other.lock_domain == command.lock_domain), budgets.per_workload),
        ("actions in force", in_force, budgets.in_force),
    ] {
        if count >= allowed as usize {
            let sentence = format!("{count} {what} within {}; allowed are {allowed}", budgets.window);
            let refusal = Refusal::new(RefusalRule::Budget, sentence).with(what, count as f64);
            return Err(refusal.with("allowed", f64::from(allowed)));
        }
    }
    Ok(())
}

fn cooldown(command: &Command<'_>, others: &[&Entry], config: &Config, now: i64) -> Result<(), Refusal> {
    let same = others.iter().filter(|entry| is_same(&entry.command().target, &command.target));
    let Some(last) = same.map(|entry| entry.claimed_at).max() else { return Ok(()) };
    let (passed, rest) = (now - last, config.cooldown.millis());
    if passed >= rest {
        return Ok(());
    }
    let sentence =
        format!("the object was acted on {} s ago; allowed is once every {}", passed / 1_000, config.cooldown);
    let refusal = Refusal::new(RefusalRule::Cooldown, sentence).with("since the last, ms", passed as f64);
    Err(refusal.with("allowed from, ms", rest as f64))
}

/// Whether two commands are about one object: the uid tells where both say it, and else the name.
fn is_same(one: &Target<'_>, other: &Target<'_>) -> bool {
    if one.uid.is_empty() || other.uid.is_empty() {
        return !one.name.is_empty()
            && (&one.kind, &one.namespace, &one.name) == (&other.kind, &other.namespace, &other.name);
    }
    one.uid == other.uid
}

/// Stops everything where too many of the latest actions were in vain. That one is undone by now does not make it better.
fn breaker(others: &[&Entry], config: &Config) -> Result<(), Refusal> {
    let in_vain = |entry: &Entry| entry.phase == Phase::Failed || entry.helped == Some(false);
    let mut latest: Vec<&&Entry> = others.iter().filter(|entry| in_vain(entry) || entry.helped.is_some()).collect();
    latest.sort_by_key(|entry| std::cmp::Reverse(entry.claimed_at));
    latest.truncate(config.breaker.of as usize);
    let failed = latest.iter().filter(|entry| in_vain(entry)).count();
    if failed < config.breaker.failed as usize {
        return Ok(());
    }
    let sentence = format!(
        "{failed} of the latest {} actions failed or did not help; allowed are fewer than {}: people must look, and remove their records",
        latest.len(),
        config.breaker.failed
    );
    Err(Refusal::new(RefusalRule::Quality, sentence).with("failed", failed as f64).with("of", latest.len() as f64))
}
