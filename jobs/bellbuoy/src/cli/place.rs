//! Places in a topic, as people write them.

use super::time;
use std::str::FromStr;

/// A place in a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// The first record there is.
    Earliest,
    /// Behind the last record.
    Latest,
    /// This offset, in every partition.
    Offset(i64),
    /// The first record at or after this time, milliseconds.
    Time(i64),
}

impl FromStr for Where {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "earliest" => Ok(Where::Earliest),
            "latest" => Ok(Where::Latest),
            text if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map(Where::Offset).map_err(|e| e.to_string())
            }
            text => time(text).map(Where::Time).map_err(|said| format!("{said}, earliest, latest, or an offset")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_word_an_offset_or_a_time() {
        assert_eq!("earliest".parse(), Ok(Where::Earliest));
        assert_eq!("42".parse(), Ok(Where::Offset(42)));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Where::Time(1_000)));
        assert!("yesterday".parse::<Where>().is_err());
    }
}
