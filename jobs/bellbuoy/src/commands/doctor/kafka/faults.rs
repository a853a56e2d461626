//! The same fault in many places, told once.

use super::{Findings, Verdict};

/// More places than these are counted.
const NAMED: usize = 3;

/// Faults of one kind of thing, in the order they were found.
pub(super) struct Faults {
    what: &'static str,
    found: Vec<Fault>,
}

struct Fault {
    verdict: Verdict,
    seen: String,
    advice: String,
    places: Vec<String>,
}

impl Faults {
    pub(super) fn of(what: &'static str) -> Self {
        Faults { what, found: Vec::new() }
    }

    /// Takes in what was seen in one place.
    pub(super) fn add(&mut self, verdict: Verdict, seen: String, place: &str, advice: &str) {
        let known = self.found.iter_mut().find(|known| (known.verdict, &known.seen) == (verdict, &seen));
        let places = match known {
            Some(known) => &mut known.places,
            None => {
                self.found.push(Fault { verdict, seen, advice: advice.to_owned(), places: Vec::new() });
                let last = self.found.len() - 1;
                &mut self.found[last].places
            }
        };
        if !places.iter().any(|known| known == place) {
            places.push(place.to_owned());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Tells them.
    pub(super) fn tell(self, findings: &mut Findings) {
        for Fault { verdict, seen, advice, places } in self.found {
            let seen = format!("{seen}: {}", some(&places));
            match verdict {
                Verdict::Ok => findings.ok(self.what, seen),
                Verdict::Warn => findings.warn(self.what, seen, &advice),
                Verdict::Fail => findings.fail(self.what, seen, &advice),
            }
        }
    }
}

/// The first few of many names.
pub(super) fn some(names: &[String]) -> String {
    let (named, more) = names.split_at(names.len().min(NAMED));
    let named = named.join(", ");
    if more.is_empty() { named } else { format!("{named} and {} more", more.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_once_with_its_places() {
        let mut faults = Faults::of("x");
        for place in ["a", "b", "a", "c", "d"] {
            faults.add(Verdict::Warn, "broken".to_owned(), place, "mend it");
        }
        let mut findings = Findings::default();
        faults.tell(&mut findings);
        assert_eq!(findings.0.len(), 1);
        assert_eq!(findings.0[0].seen, "broken: a, b, c and 1 more");
    }
}
