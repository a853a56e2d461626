//! Silences as Alertmanager has them: which labels somebody does not want to hear of.
//!
//! Matching is Alertmanager's (`pkg/labels`): every matcher must hold, a regular expression matches whole values, and a
//! label that is missing has the empty value.

use crate::alert::{self, label};
use regex::Regex;
use schemas::Selector;
use schemas::notification::Notice;
use serde::{Deserialize, Serialize};

/// One condition on a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Matcher {
    /// The label's name.
    pub name: String,
    /// What its value is compared with.
    pub value: String,
    /// Whether that is a regular expression.
    pub is_regex: bool,
    /// Whether it must match, or must not.
    #[serde(default = "yes")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

/// One silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Its identifier at the Alertmanager.
    pub id: String,
    /// All must hold.
    pub matchers: Vec<Matcher>,
    /// Who made it.
    pub author: String,
    /// Why.
    pub comment: String,
}

impl Silence {
    /// True for what it silences. One whose expressions cannot be read silences nothing.
    pub fn matches(&self, notice: &Notice<'_>) -> bool {
        !self.matchers.is_empty() && self.matchers.iter().all(|matcher| matcher.holds(label(notice, &matcher.name)))
    }

    /// Why it keeps something from being told.
    pub fn reason(&self) -> String {
        format!("silenced by {} at the Alertmanager ({}): {}", self.author, self.id, self.comment)
    }
}

impl Matcher {
    fn holds(&self, value: &str) -> bool {
        if !self.is_regex {
            return (self.value == value) == self.is_equal;
        }
        match Regex::new(&format!("^(?s:{})$", self.value)) {
            Ok(regex) => regex.is_match(value) == self.is_equal,
            Err(_) => false,
        }
    }
}

/// The matchers of a mute's selector: `None` where it is none that is understood, and then it mutes nothing.
pub(crate) fn matchers(tenant: &str, selector: &str) -> Option<Vec<Matcher>> {
    let selector: Selector = selector.parse().ok()?;
    let equal = |name: &str, value: &str| Matcher {
        name: name.to_owned(),
        value: value.to_owned(),
        is_regex: false,
        is_equal: true,
    };
    let mut matchers = vec![equal("alertname", alert::NAME)];
    if !tenant.is_empty() {
        matchers.push(equal("tenant", tenant));
    }
    for (key, wanted) in selector.conditions() {
        let name = match key {
            "kind" => "entity_kind",
            "name" => "entity",
            other => other,
        };
        matchers.push(match wanted.strip_suffix('*') {
            Some(start) => Matcher { value: format!("{}.*", regex::escape(start)), is_regex: true, ..equal(name, "") },
            None => equal(name, wanted),
        });
    }
    Some(matchers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::notification::NoticeLabel;

    fn notice() -> Notice<'static> {
        let labels = [("alertname", alert::NAME), ("namespace", "shop"), ("workload", "cart")];
        let labels = labels.map(|(name, value)| NoticeLabel { name: name.into(), value: value.into() });
        Notice { labels: labels.into(), ..Notice::default() }
    }

    fn silences(matchers: Vec<Matcher>) -> bool {
        let (id, author, comment) = (String::new(), String::new(), String::new());
        Silence { id, matchers, author, comment }.matches(&notice())
    }

    fn matcher(name: &str, value: &str, is_regex: bool, is_equal: bool) -> Matcher {
        Matcher { name: name.to_owned(), value: value.to_owned(), is_regex, is_equal }
    }

    #[test]
    fn every_matcher_must_hold_and_expressions_match_whole_values() {
        assert!(silences(vec![matcher("namespace", "shop", false, true)]));
        assert!(!silences(vec![matcher("namespace", "sho", true, true)]));
        assert!(silences(vec![matcher("namespace", "sho|shop", true, true)]));
        assert!(silences(vec![matcher("namespace", "sh.*", true, true), matcher("workload", "web", false, false)]));
        assert!(silences(vec![matcher("team", "", false, true)]), "a missing label has the empty value");
        assert!(!silences(vec![matcher("namespace", "(", true, false)]), "what cannot be read silences nothing");
        assert!(!silences(Vec::new()));
    }

    #[test]
    fn a_mute_becomes_matchers_of_the_same_meaning() {
        assert!(silences(matchers("", "namespace=shop,workload=ca*").unwrap()));
        assert!(!silences(matchers("", "namespace=other").unwrap()));
        assert!(silences(matchers("", "").unwrap()), "an empty selector is about everything of ours");
        assert!(!silences(matchers("acme", "").unwrap()), "another tenant's mute is not about this one");
        assert_eq!(matchers("", "pod=x"), None);
    }
}
