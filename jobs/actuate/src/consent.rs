//! What people say on the control topic: kill switches, consent and refusal.
//!
//! Invariant: consent counts for one digest, so for one exact command; of one person the last word counts.

use crate::config::Config;
use crate::error::ActuateError;
use engine::log::{Log, TopicReader};
use schemas::glob::glob;
use schemas::{ApprovalGiven, Command, Control, ControlKind, Record as _};
use std::collections::BTreeMap;
use topics::Switches;
use topics::declared::CONTROL;

/// The switch of this name also stops the undoing of what has expired.
pub const UNDO_SWITCH: &str = "undo";

/// Everything people have said so far.
#[derive(Debug)]
pub(crate) struct Consent {
    /// What stops orders.
    pub(crate) switches: Switches,
    /// What stops undoing, too.
    pub(crate) undo_switches: Switches,
    /// By digest and person.
    answers: BTreeMap<(String, String), Answer>,
    control: TopicReader,
}

impl Default for Consent {
    fn default() -> Self {
        let (switches, undo_switches) = (Switches::default(), Switches::default());
        Consent { switches, undo_switches, answers: BTreeMap::new(), control: TopicReader::new(CONTROL.name) }
    }
}

#[derive(Clone, Debug)]
struct Answer {
    yes: bool,
    id: String,
    at: i64,
}

impl Consent {
    /// Reads on to the end of the topic; an error leaves what is known as it is.
    pub(crate) fn read_on(&mut self, log: &dyn Log, config: &Config) -> Result<(), ActuateError> {
        let (switches, undo_switches, answers) = (&mut self.switches, &mut self.undo_switches, &mut self.answers);
        self.control.read_on(log, |_, record| {
            // What cannot be read is nobody's word; it is not ours to dead-letter.
            match record.value.as_ref().map(|value| Control::decode(value)) {
                Some(Ok(control)) => take(switches, undo_switches, answers, &control, config),
                Some(Err(error)) => tracing::warn!("a control record cannot be read: {error}"),
                None => {}
            }
            Ok(())
        })
    }

    /// Who has consented to a command.
    pub(crate) fn given(&self, command: &Command<'_>) -> Vec<ApprovalGiven<'static>> {
        let answers = self.of(command).filter(|(_, answer)| answer.yes);
        let given = answers.map(|(person, answer)| ApprovalGiven {
            id: answer.id.clone().into(),
            author: person.to_owned().into(),
            at: answer.at,
        });
        given.collect()
    }

    /// Who has refused it.
    pub(crate) fn refused(&self, command: &Command<'_>) -> Option<String> {
        self.of(command).find(|(_, answer)| !answer.yes).map(|(person, _)| person.to_owned())
    }

    fn of(&self, command: &Command<'_>) -> impl Iterator<Item = (&str, &Answer)> {
        let digest = command.digest.to_string();
        let from = (digest.clone(), String::new());
        self.answers
            .range(from..)
            .take_while(move |((of, _), _)| *of == digest)
            .map(|((_, person), a)| (person.as_str(), a))
    }
}

fn take(
    switches: &mut Switches,
    undo_switches: &mut Switches,
    answers: &mut BTreeMap<(String, String), Answer>,
    control: &Control<'_>,
    config: &Config,
) {
    switches.observe(control);
    if control.id == UNDO_SWITCH {
        undo_switches.observe(control);
    }
    if !matches!(control.kind, ControlKind::Approval | ControlKind::Rejection) {
        return;
    }
    let person = control.author.as_str();
    if person.is_empty() || !config.approvers.iter().any(|pattern| glob(pattern, person)) {
        tracing::warn!(person, "consent of somebody who may not give it is not counted");
        return;
    }
    let key = (control.value.to_string(), person.to_owned());
    let answer = Answer { yes: control.kind == ControlKind::Approval, id: control.id.to_string(), at: control.at };
    // Of one moment the refusal counts.
    let older = answers.get(&key).is_none_or(|known| (known.at, !known.yes) <= (answer.at, !answer.yes));
    if older {
        answers.insert(key, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &[(ControlKind, &'static str, &'static str, i64)]) -> Consent {
        let mut consent = Consent::default();
        for (kind, digest, person, at) in words {
            let (author, value) = ((*person).into(), (*digest).into());
            let control = Control { kind: *kind, value, author, at: *at, ..Control::default() };
            let config = Config { approvers: vec!["ops-*".to_owned()], ..Config::default() };
            take(&mut consent.switches, &mut consent.undo_switches, &mut consent.answers, &control, &config);
        }
        consent
    }

    #[test]
    fn consent_counts_for_one_digest_once_a_person_and_of_those_who_may() {
        use ControlKind::{Approval, Rejection};
        let command = |digest: &'static str| Command { digest: digest.into(), ..Command::default() };
        let consent = said(&[
            (Approval, "d1", "ops-ada", 10),
            (Approval, "d1", "ops-ada", 20),
            (Approval, "d1", "mallory", 20),
            (Approval, "d1", "", 20),
            (Approval, "d2", "ops-bob", 20),
            (Rejection, "d3", "ops-bob", 20),
            (Approval, "d3", "ops-bob", 20),
            (Rejection, "d4", "ops-bob", 20),
            (Approval, "d4", "ops-bob", 30),
        ]);
        assert_eq!(consent.given(&command("d1")).iter().map(|a| a.author.as_str()).collect::<Vec<_>>(), ["ops-ada"]);
        assert_eq!(consent.given(&command("d")).len(), 0, "a digest is taken whole");
        assert_eq!(consent.refused(&command("d3")).as_deref(), Some("ops-bob"), "of one moment the refusal counts");
        assert_eq!((consent.refused(&command("d4")), consent.given(&command("d4")).len()), (None, 1));
    }
}
