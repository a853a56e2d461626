//! Why a remedy is refused, or a command lowered: the rule, its numbers, and a sentence.
//!
//! Invariant: a refusal always says what was found and what is allowed.

use schemas::Term;

/// The rules; the names are those of the actuator's refusals where the same thing is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Tried too often on one target in a day: people must look.
    Attempts,
    /// The blast radius is used up.
    Budget,
    /// Too soon after the last command on the target.
    Cooldown,
    /// The target is outside what may be touched.
    DeniedScope,
    /// The object's uid was not seen, so no other than a person may act on it.
    Identity,
    /// The action cannot be undone, so nobody may do it without consent.
    Irreversible,
    /// The kill switch is on.
    Killed,
    /// The incident has not lasted long enough.
    NotYet,
    /// The evidence is not good enough to act on.
    Quality,
    /// Too much is anomalous at once.
    Storm,
    /// The remedy cannot be had here.
    Unsupported,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 11] = [
        Rule::Attempts,
        Rule::Budget,
        Rule::Cooldown,
        Rule::DeniedScope,
        Rule::Identity,
        Rule::Irreversible,
        Rule::Killed,
        Rule::NotYet,
        Rule::Quality,
        Rule::Storm,
        Rule::Unsupported,
    ];

    /// The word used in metrics and policy tests.
    pub fn as_str(self) -> &'static str {
        match self {
            Rule::Attempts => "attempts",
            Rule::Budget => "budget",
            Rule::Cooldown => "cooldown",
            Rule::DeniedScope => "denied_scope",
            Rule::Identity => "identity",
            Rule::Irreversible => "irreversible",
            Rule::Killed => "killed",
            Rule::NotYet => "not_yet",
            Rule::Quality => "quality",
            Rule::Storm => "storm",
            Rule::Unsupported => "unsupported",
        }
    }
}

/// One refusal.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The rule.
    pub rule: Rule,
    /// The numbers it compared.
    pub numbers: Vec<Term<'static>>,
    /// What was found and what is allowed, one sentence.
    pub sentence: String,
}

impl Refusal {
    /// By a rule, with a sentence.
    pub fn new(rule: Rule, sentence: String) -> Self {
        Refusal { rule, numbers: Vec::new(), sentence }
    }

    /// With one more number.
    pub fn with(mut self, name: &'static str, value: f64, unit: &'static str) -> Self {
        self.numbers.push(term(name, value, unit));
        self
    }
}

/// A number with its name and unit.
pub(crate) fn term(name: &'static str, value: f64, unit: &'static str) -> Term<'static> {
    Term { name: name.into(), value, unit: unit.into() }
}
