//! Configuration of the notifier: whom it tells, what, and how often at most.
//!
//! Invariant: the default tells nobody.

use crate::error::NotifyError;
use crate::targets::Kind;
use engine::span::Span;
use schemas::Selector;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Everything that can be configured about the notifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Its name, under which the notifications topic remembers what was told.
    pub name: String,
    /// Whom it tells.
    pub targets: Vec<Target>,
    /// Severities from which an incident is told as a warning, and as critical; below it is information.
    pub grades: Grades,
    /// How long it is remembered what was told of an incident that is over.
    pub remember: Span,
}

/// Somebody to tell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its name, under which it is remembered what it was told: a new name is a new target.
    pub name: String,
    /// What it is and where.
    pub to: Kind,
    /// Severity from which an incident is told, 0–100.
    #[serde(default)]
    pub least_severity: f64,
    /// Which entities an incident must touch, `namespace=payments`; empty for all.
    #[serde(default, rename = "match")]
    pub selector: Selector,
    /// Messages within `per`; what is over becomes one message for many.
    #[serde(default = "at_most")]
    pub at_most: u32,
    /// The time of which that is the limit.
    #[serde(default = "per")]
    pub per: Span,
}

fn at_most() -> u32 {
    20
}

fn per() -> Span {
    Span::minutes(10)
}

/// Severities from which an incident is told with a grade, 0–100.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grades {
    /// As a warning.
    pub warning: f64,
    /// As critical.
    pub critical: f64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            name: "notifier".to_owned(),
            targets: Vec::new(),
            grades: Grades::default(),
            remember: Span::hours(7 * 24),
        }
    }
}

impl Default for Grades {
    fn default() -> Self {
        Grades { warning: 40.0, critical: 80.0 }
    }
}

impl Config {
    /// Checks what the types cannot.
    pub fn check(&self) -> Result<(), NotifyError> {
        if self.name.is_empty() {
            return Err(NotifyError::field("name", "must not be empty"));
        }
        let Grades { warning, critical } = self.grades;
        if !(0.0..=100.0).contains(&warning) || !(warning..=100.0).contains(&critical) {
            return Err(NotifyError::field("grades", "both lie between 0 and 100, warning at most critical"));
        }
        if self.remember < Span::hours(1) {
            let message = "must be at least 1h: an incident may open again, and must not be told twice";
            return Err(NotifyError::field("remember", message));
        }
        let mut names = BTreeSet::new();
        for (at, target) in self.targets.iter().enumerate() {
            target.check(&mut names).map_err(|(field, message)| {
                let field = if field.is_empty() { String::new() } else { format!(".{field}") };
                NotifyError::field(format!("targets[{at}]{field}"), message)
            })?;
        }
        Ok(())
    }
}

impl Target {
    fn check<'a>(&'a self, names: &mut BTreeSet<&'a str>) -> Result<(), (String, String)> {
        let wrong = |field: &str, message: &str| Err((field.to_owned(), message.to_owned()));
        if self.name.is_empty() {
            return wrong("name", "must not be empty");
        }
        if !names.insert(&self.name) {
            return wrong("name", "another target has this name");
        }
        if !(0.0..=100.0).contains(&self.least_severity) {
            return wrong("least_severity", "allowed are 0 to 100");
        }
        if self.at_most == 0 {
            return wrong("at_most", "0 would tell nothing; at least 1 is allowed");
        }
        if self.per < Span::seconds(1) {
            return wrong("per", "must be at least 1s");
        }
        self.to.check().map_err(|(field, message)| (format!("to.{field}"), message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::webhook;

    fn target(name: &str) -> Target {
        Target {
            name: name.to_owned(),
            to: Kind::Webhook(webhook::Config { url: "http://localhost/".to_owned(), ..webhook::Config::default() }),
            least_severity: 0.0,
            selector: Selector::default(),
            at_most: at_most(),
            per: per(),
        }
    }

    #[test]
    fn the_default_is_allowed_and_tells_nobody() {
        let config = Config::default();
        config.check().unwrap();
        assert!(config.targets.is_empty());
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_field() {
        let fault = |change: fn(&mut Config)| {
            let mut config = Config { targets: vec![target("a"), target("b")], ..Config::default() };
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(fault(|c| c.targets[1].name = "a".to_owned()).starts_with("targets[1].name: "));
        assert!(fault(|c| c.targets[0].at_most = 0).starts_with("targets[0].at_most: "));
        assert!(fault(|c| c.targets[0].least_severity = 101.0).starts_with("targets[0].least_severity: "));
        assert!(fault(|c| c.grades.warning = 90.0).starts_with("grades: "));
        let bad_address = |c: &mut Config| {
            c.targets[0].to = Kind::Webhook(webhook::Config { url: "ftp://x".to_owned(), ..Default::default() });
        };
        assert!(fault(bad_address).starts_with("targets[0].to.webhook.url: "));
    }
}
