//! Amounts of CPU and memory as Kubernetes writes them
//! (`https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/`), and shares of them.
//!
//! Invariant: a share of more than 100 % is never less than the amount itself.

/// What a suffix multiplies by, in thousandths.
const SUFFIXES: [(&str, i128); 13] = [
    ("Ki", 1_000 << 10),
    ("Mi", 1_000 << 20),
    ("Gi", 1_000 << 30),
    ("Ti", 1_000 << 40),
    ("Pi", 1_000 << 50),
    ("Ei", 1_000 << 60),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("", 1_000),
];

/// So many percent of an amount, in its own unit where that is exact, and else rounded up: to a whole for what has no
/// parts (bytes), or to a thousandth. None for what is no amount that is common.
pub(crate) fn percent(amount: &str, percent: i64, whole: bool) -> Option<String> {
    let (suffix, factor) = unit(amount)?;
    let share = thousandths(amount)?.checked_mul(i128::from(percent))?.checked_add(99)?.div_euclid(100);
    Some(match (share % factor, whole) {
        (0, _) => format!("{}{suffix}", share / factor),
        (_, true) => (share + 999).div_euclid(1_000).to_string(),
        (_, false) => format!("{share}m"),
    })
}

/// True for two texts of one amount.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    one == other || thousandths(one).is_some_and(|amount| thousandths(other) == Some(amount))
}

/// The suffix of an amount, and what it multiplies by, in thousandths.
fn unit(amount: &str) -> Option<(&'static str, i128)> {
    SUFFIXES.into_iter().find(|(suffix, _)| amount.ends_with(suffix))
}

fn thousandths(amount: &str) -> Option<i128> {
    let (suffix, factor) = unit(amount)?;
    let number = amount.strip_suffix(suffix)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) {
        return None;
    }
    let scale = 10_i128.pow(u32::try_from(part.len()).ok()?);
    let number: i128 = format!("{whole}{part}").parse().ok()?;
    Some(number.checked_mul(factor)?.div_euclid(scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_up_and_written_as_the_api_server_reads_them() {
        for (amount, share, whole, expected) in [
            ("128Mi", 150, true, "192Mi"),
            ("1Mi", 101, true, "1059062"),
            ("1.5Gi", 100, true, "1610612736"),
            ("1000001", 150, true, "1500002"),
            ("1G", 250, true, "2500000000"),
            ("500m", 150, false, "750m"),
            ("1", 150, false, "1500m"),
            ("2", 150, false, "3"),
            ("0.5", 150, false, "750m"),
        ] {
            assert_eq!(percent(amount, share, whole).as_deref(), Some(expected), "{amount}");
        }
        for wrong in ["", "Mi", "-1", "1e3", "1.2.3", "12x", "99999999999999999999"] {
            assert_eq!(percent(wrong, 150, true), None, "{wrong}");
        }
    }

    #[test]
    fn one_amount_may_be_written_in_two_ways() {
        assert!(is_same("192Mi", "201326592") && is_same("750m", "0.75") && is_same("2", "2000m"));
        assert!(!is_same("1Gi", "1G") && !is_same("x", "y"));
    }
}
