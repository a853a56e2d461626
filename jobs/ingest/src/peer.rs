//! Outside peers as bounded classes: a domain, a network, or the world.
//!
//! The rule for domains is simple on purpose: the last two labels, or the last three where the last is a country and
//! the one before it a usual second level (`example.co.uk`). A public suffix list would change under our feet, and two
//! machines with different lists would disagree about the same record.

use std::net::IpAddr;

/// Second levels under which countries register names.
const SECOND_LEVELS: [&str; 11] = ["ac", "co", "com", "edu", "go", "gob", "gov", "ne", "net", "or", "org"];

/// The registered domain of a name, lower-case; `None` for what is no domain.
pub fn domain(name: &str) -> Option<String> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let labels: Vec<&str> = name.split('.').collect();
    let valid = |label: &&str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let last = labels.last()?;
    if labels.len() < 2 || name.len() > 253 || !labels.iter().all(valid) || name.parse::<IpAddr>().is_ok() {
        return None;
    }
    let second = labels.get(labels.len() - 2)?;
    let country = last.len() == 2 && SECOND_LEVELS.contains(second);
    let kept = if country { 3 } else { 2 };
    Some(labels.get(labels.len().saturating_sub(kept)..)?.join("."))
}

/// The network of an address: 24 bits of IPv4, 48 of IPv6; `None` for what is no address.
pub fn network(address: &str) -> Option<String> {
    match address.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Some(format!("{a}.{b}.{c}.0/24"))
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Some(format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)))
        }
    }
}

/// Whether an address is of a private network.
pub fn is_private(address: &str) -> bool {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.is_private() || address.is_link_local() || address.is_loopback(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || matches!(address.segments()[0], 0xfc00..=0xfdff | 0xfe80),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_their_registered_domain() {
        for (name, expected) in [
            ("api.example.com.", Some("example.com")),
            ("example.com", Some("example.com")),
            ("A.B.Example.CO.UK", Some("example.co.uk")),
            ("x.y.io", Some("y.io")),
            ("localhost", None),
            ("10.0.0.1", None),
            ("a..b", None),
            ("bad name.com", None),
            ("", None),
        ] {
            assert_eq!(domain(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn addresses_become_their_network() {
        assert_eq!(network("198.51.100.20").as_deref(), Some("198.51.100.0/24"));
        assert_eq!(network("::ffff:198.51.100.20").as_deref(), Some("198.51.100.0/24"));
        assert_eq!(network("2001:db8:1:2::3").as_deref(), Some("2001:db8:1::/48"));
        assert_eq!(network("example.com"), None);
        assert!(is_private("10.1.2.3") && is_private("fd00::1") && !is_private("198.51.100.20"));
    }
}
