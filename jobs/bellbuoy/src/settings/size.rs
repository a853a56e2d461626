//! Amounts of memory, written with their unit.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// An amount of memory: `64KiB`, `512MiB`, `2GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

/// Units, the largest first; decimal ones are not offered, since `MB` is read both ways.
const UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Size {
    /// So many MiB.
    pub const fn mebibytes(count: u64) -> Self {
        Size(count << 20)
    }

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// In bytes, as this machine counts memory.
    pub fn memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor = UNITS.iter().find(|(name, _)| *name == unit.trim_start()).map(|(_, factor)| *factor);
        let bytes = factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor));
        bytes.map(Size).ok_or_else(|| {
            format!("`{text}` is no amount of memory; allowed is a whole number with B, KiB, MiB, GiB or TiB")
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor));
        let (unit, factor) = whole.unwrap_or(&UNITS[4]);
        write!(f, "{}{unit}", self.0 / factor)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_write_their_unit() {
        for (text, bytes) in
            [("0B", 0), ("1B", 1), ("1025B", 1025), ("64KiB", 65_536), ("512MiB", 512 << 20), ("2GiB", 2 << 30)]
        {
            assert_eq!(text.parse::<Size>().unwrap().bytes(), bytes);
            assert_eq!(Size(bytes).to_string(), text);
        }
        for text in ["", "512", "512MB", "1.5GiB", "-1MiB", "99999999999TiB"] {
            assert!(text.parse::<Size>().unwrap_err().contains("allowed is"), "{text}");
        }
    }
}
