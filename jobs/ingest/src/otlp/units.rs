//! Units: UCUM and the usual misspellings in, canonical units out (s, By, {cpu}, 1).

use std::borrow::Cow;

/// A canonical unit and how to get there.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit<'a> {
    /// The canonical unit.
    pub name: Cow<'a, str>,
    /// What to multiply by, then …
    pub multiply: f64,
    /// … divide by. Two numbers, because dividing by 1000 is exact where multiplying by 0.001 is not.
    pub divide: f64,
}

impl Unit<'_> {
    /// A value in the canonical unit.
    pub fn convert(&self, value: f64) -> f64 {
        value * self.multiply / self.divide
    }

    /// Whether values change.
    pub fn scales(&self) -> bool {
        self.multiply != self.divide
    }
}

/// The canonical unit of a wire unit; `expected` is the catalogue's, empty where it has none.
///
/// The wire wins, unless it is empty or both only name what is counted (`1`, `{fault}`).
pub fn canonical<'a>(wire: &'a str, expected: &'static str) -> Unit<'a> {
    let unit = read(wire);
    if expected.is_empty() || unit.name == expected {
        return unit;
    }
    if wire.is_empty() || (is_count(&unit.name) && is_count(expected)) {
        return Unit { name: Cow::Borrowed(expected), ..unit };
    }
    unit
}

fn read(wire: &str) -> Unit<'_> {
    let (name, multiply, divide) = match wire {
        "" | "1" => ("1", 1.0, 1.0),
        "%" => ("1", 1.0, 100.0),
        "s" | "seconds" => ("s", 1.0, 1.0),
        "ms" | "milliseconds" => ("s", 1.0, 1e3),
        "us" | "µs" | "microseconds" => ("s", 1.0, 1e6),
        "ns" | "nanoseconds" => ("s", 1.0, 1e9),
        "min" => ("s", 60.0, 1.0),
        "h" => ("s", 3_600.0, 1.0),
        "d" => ("s", 86_400.0, 1.0),
        "By" | "bytes" | "B" => ("By", 1.0, 1.0),
        "bit" => ("By", 1.0, 8.0),
        "kBy" => ("By", 1e3, 1.0),
        "MBy" => ("By", 1e6, 1.0),
        "GBy" => ("By", 1e9, 1.0),
        "KiBy" => ("By", 1_024.0, 1.0),
        "MiBy" => ("By", 1_048_576.0, 1.0),
        "GiBy" => ("By", 1_073_741_824.0, 1.0),
        "{cpu}" | "{cpus}" | "cores" | "{core}" => ("{cpu}", 1.0, 1.0),
        "m{cpu}" | "{millicpu}" | "millicores" | "{millicore}" => ("{cpu}", 1.0, 1e3),
        "n{cpu}" | "nanocores" => ("{cpu}", 1.0, 1e9),
        other => return Unit { name: Cow::Borrowed(other), multiply: 1.0, divide: 1.0 },
    };
    Unit { name: Cow::Borrowed(name), multiply, divide }
}

fn is_count(unit: &str) -> bool {
    unit == "1" || (unit.starts_with('{') && unit != "{cpu}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_arrive_in_canonical_units() {
        for (wire, value, name, expected) in [
            ("ms", 1_500.0, "s", 1.5),
            ("us", 3.0, "s", 3e-6),
            ("MiBy", 2.0, "By", 2_097_152.0),
            ("bit", 16.0, "By", 2.0),
            ("m{cpu}", 250.0, "{cpu}", 0.25),
            ("%", 42.0, "1", 0.42),
            ("Cel", 20.0, "Cel", 20.0),
        ] {
            let unit = canonical(wire, "");
            assert_eq!((unit.name.as_ref(), unit.convert(value)), (name, expected), "{wire}");
        }
    }

    #[test]
    fn the_catalogue_fills_what_the_wire_leaves_open_and_no_more() {
        assert_eq!(canonical("", "{pod}").name, "{pod}");
        assert_eq!(canonical("1", "{fault}").name, "{fault}");
        assert_eq!(canonical("{page}", "{fault}").name, "{fault}");
        assert_eq!(canonical("By", "s").name, "By", "another unit is another series, not an error of ours");
        assert_eq!(canonical("1", "{cpu}").name, "1");
    }
}
