//! The numbers of a finding that a threshold of the configuration may be compared with.

use crate::found::{Anomaly, Incident};

/// One number, and the ends of the keys it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// What it is, for a person.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Ends of the keys whose values it is compared with.
    pub keys: &'static [&'static str],
}

/// Keys of the bands: what a detector's own number is compared with.
const BANDS: &[&str] = &[".unusual", ".sharp", ".novel"];
/// Keys of the length of a baseline.
const AGES: &[&str] = &[".mature_age", ".least_age", ".season_age"];
/// Keys of the observations behind a baseline.
const COUNTS: &[&str] = &[".mature_count", ".mature_rows"];

/// Numbers of an anomaly.
pub fn of_anomaly(anomaly: &Anomaly) -> Vec<Number> {
    let number = |name: &str, value, keys| Number { name: name.to_owned(), value, keys };
    let age = (anomaly.event_time - anomaly.baseline_since) as f64;
    let mut numbers = vec![
        // A detector that gives a probability has its bands on that, and its logarithm as its own number.
        match anomaly.p {
            Some(p) => number("p", p, BANDS),
            None => number("score of the detector", anomaly.raw, BANDS),
        },
        number("age of the baseline", age, AGES),
        number("observations of the baseline", anomaly.baseline_count as f64, COUNTS),
    ];
    for term in &anomaly.terms {
        let keys: &'static [&'static str] = match term.name.as_str() {
            "relative change" => &[".least_change"],
            "series" => &[".least_channels"],
            "chance of a new one (N1 + 0.5)/(N + 1)" => &[".always_new"],
            _ => continue,
        };
        numbers.push(number(&term.name, term.value, keys));
    }
    numbers
}

/// Numbers of an incident.
pub fn of_incident(incident: &Incident) -> Vec<Number> {
    let number = |name: &str, value, keys| Number { name: name.to_owned(), value, keys };
    vec![
        number("severity", incident.severity, &[".least_severity", ".always_from"]),
        number("duration", (incident.until - incident.onset) as f64, &[".minimum_duration"]),
    ]
}

/// A number for people: four significant digits, without needless zeros.
pub fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() || (1e-4..1e15).contains(&value.abs()) {
        let digits = match value.abs() {
            v if v >= 1000.0 => 0,
            v if v >= 100.0 => 1,
            v if v >= 10.0 => 2,
            v if v >= 1.0 => 3,
            _ => 6,
        };
        let text = format!("{value:.digits$}");
        return if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    }
    let text = format!("{value:.3e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            format!("{}e{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_not_wrong() {
        for (value, text) in
            [(4.0, "4"), (33.1049, "33.1"), (0.001, "0.001"), (1e-6, "1e-6"), (86_400_000.0, "86400000"), (0.0, "0")]
        {
            assert_eq!(short(value), text);
        }
    }
}
