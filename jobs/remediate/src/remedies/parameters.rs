//! Parameters of remedies: what a policy may set, what is allowed, and the default.
//!
//! Invariant: a remedy sees allowed values only.

use std::collections::BTreeMap;

/// One parameter a policy may set.
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What it does, one clause.
    pub doc: &'static str,
    /// Its value where the policy says nothing.
    pub default: &'static str,
    /// What is allowed, for a person.
    pub allowed: &'static str,
    /// True for an allowed value.
    pub fits: fn(&str) -> bool,
}

/// The parameters in force: the policy's, and the defaults of all others.
pub struct Parameters(BTreeMap<&'static str, String>);

impl Parameters {
    pub(super) fn new(settings: &[Setting], given: &BTreeMap<String, String>) -> Self {
        let value = |setting: &Setting| given.get(setting.name).cloned().unwrap_or_else(|| setting.default.to_owned());
        Parameters(settings.iter().map(|setting| (setting.name, value(setting))).collect())
    }

    /// The value of a parameter of the remedy's own list.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).expect("a remedy asks only for what is in its list of settings")
    }

    /// A parameter that is a whole number.
    pub fn number(&self, name: &str) -> i64 {
        self.get(name).parse().expect("the value was checked to be a whole number")
    }
}

pub(super) fn check(settings: &[Setting], given: &BTreeMap<String, String>) -> Result<(), (String, String)> {
    for (name, value) in given {
        let Some(setting) = settings.iter().find(|setting| setting.name == name) else {
            let known: Vec<_> = settings.iter().map(|setting| setting.name).collect();
            let allowed = if known.is_empty() { "it has none".to_owned() } else { known.join(", ") };
            return Err((name.clone(), format!("the remedy has no such parameter; allowed: {allowed}")));
        };
        if !(setting.fits)(value) {
            return Err((name.clone(), format!("`{value}` is not allowed; allowed is {}", setting.allowed)));
        }
    }
    Ok(())
}

/// True for `true` and `false`.
pub(super) fn is_truth(value: &str) -> bool {
    matches!(value, "true" | "false")
}

/// True for a share of the whole, `1%` to `100%`.
pub(super) fn is_share(value: &str) -> bool {
    value.strip_suffix('%').is_some_and(|number| is_number(number, 1, 100))
}

/// True for a whole number within bounds, written as such.
pub(super) fn is_number(value: &str, least: i64, most: i64) -> bool {
    value.bytes().all(|byte| byte.is_ascii_digit())
        && value.parse().is_ok_and(|number: i64| (least..=most).contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_outside_what_is_allowed_are_refused() {
        assert!(is_share("25%") && !is_share("0%") && !is_share("101%") && !is_share("25"));
        assert!(is_number("3", 1, 5) && !is_number("+3", 1, 5) && !is_number("6", 1, 5) && !is_number("", 0, 5));
        let settings = [Setting { name: "dns", doc: "", default: "false", allowed: "true or false", fits: is_truth }];
        let given = |value: &str| BTreeMap::from([("dns".to_owned(), value.to_owned())]);
        assert_eq!(check(&settings, &given("true")), Ok(()));
        assert_eq!(check(&settings, &given("yes")).unwrap_err().1, "`yes` is not allowed; allowed is true or false");
        assert_eq!(Parameters::new(&settings, &BTreeMap::new()).get("dns"), "false");
    }
}
