//! How numbers, spans and entities read in a sentence.

use schemas::{Entity, EntityKind};

/// A value with its unit: `2.1 cores`, `1.9 GiB`, `340 KiB/s`.
pub fn quantity(value: f64, unit: &str) -> String {
    let (base, per) = match unit.strip_suffix("/s") {
        Some(base) => (base, "/s"),
        None => (unit, ""),
    };
    match base {
        "By" => format!("{}{per}", bytes(value)),
        "{cpu}" => format!("{} cores{per}", number(value)),
        "" | "1" => format!("{}{per}", number(value)),
        word => {
            let word = word.trim_matches(['{', '}']);
            let plural = if unit.starts_with('{') && value != 1.0 { "s" } else { "" };
            format!("{} {word}{plural}{per}", number(value))
        }
    }
}

/// Three significant digits, thousands separated.
pub fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        s if !s.is_finite() => "nothing".to_owned(),
        0.0 => "0".to_owned(),
        s if s >= 1e15 => format!("{value:.2e}"),
        s if s >= 1000.0 => thousands(value),
        s if s >= 100.0 => trim(format!("{value:.0}")),
        s if s >= 10.0 => trim(format!("{value:.1}")),
        s if s >= 1.0 => trim(format!("{value:.2}")),
        s if s >= 0.1 => trim(format!("{value:.3}")),
        s if s >= 0.001 => trim(format!("{value:.5}")),
        _ => format!("{value:.2e}"),
    }
}

/// Length of a span: `3.0 days`, `5.5 h`, `12 min`.
pub fn span(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) as f64 / 1000.0;
    match seconds {
        s if s >= 2.0 * 86400.0 => format!("{:.1} days", s / 86400.0),
        s if s >= 2.0 * 3600.0 => format!("{:.1} h", s / 3600.0),
        s if s >= 120.0 => format!("{:.0} min", s / 60.0),
        s => format!("{s:.0} s"),
    }
}

/// What a person calls an entity: ``deployment `shop/web` ``, ``service account `ci` ``.
pub fn entity(entity: &Entity<'_>) -> String {
    if entity.kind == EntityKind::Principal {
        return match principal(entity).strip_prefix("system:serviceaccount:") {
            Some(account) => format!("service account `{}`", account.replacen(':', "/", 1)),
            None => format!("`{}`", entity.name),
        };
    }
    let kind = if entity.workload_kind.is_empty() {
        entity.kind.as_str().to_owned()
    } else {
        entity.workload_kind.to_lowercase()
    };
    match entity.namespace.as_str() {
        "" => format!("{kind} `{}`", entity.name),
        namespace => format!("{kind} `{namespace}/{}`", entity.name),
    }
}

/// Part of an entity, where there is one: ``container `app` of deployment `shop/web` ``.
pub fn part(whole: &Entity<'_>, scope: &str) -> String {
    if scope.is_empty() { entity(whole) } else { format!("container `{scope}` of {}", entity(whole)) }
}

/// The user name of a principal, as the API server writes it.
pub fn principal(entity: &Entity<'_>) -> String {
    if entity.namespace.is_empty() || entity.name.starts_with("system:") {
        entity.name.as_str().to_owned()
    } else {
        format!("system:serviceaccount:{}:{}", entity.namespace, entity.name)
    }
}

/// A count with its thousands separated.
pub fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut out = String::from(if value < 0.0 { "-" } else { "" });
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn bytes(value: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut scaled = value;
    let mut unit = 0;
    while scaled.abs() >= 1024.0 && unit + 1 < units.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{} {}", number(scaled), units[unit])
}

fn trim(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_well() {
        assert_eq!(quantity(2.104, "{cpu}"), "2.1 cores");
        assert_eq!(quantity(2_040_109_466.0, "By"), "1.9 GiB");
        assert_eq!(quantity(348_160.0, "By/s"), "340 KiB/s");
        assert_eq!(quantity(48120.0, "1"), "48,120");
        assert_eq!(quantity(3.0, "{instance}"), "3 instances");
        assert_eq!(quantity(0.25, "s"), "0.25 s");
        assert_eq!(quantity(-1234.4, ""), "-1,234");
        assert_eq!(span(3 * 86_400_000), "3.0 days");
    }

    #[test]
    fn principals_keep_the_name_the_server_gives_them() {
        let account =
            Entity { kind: EntityKind::Principal, namespace: "shop".into(), name: "ci".into(), ..Entity::default() };
        assert_eq!(principal(&account), "system:serviceaccount:shop:ci");
        assert_eq!(entity(&account), "service account `shop/ci`");
        let node = Entity { kind: EntityKind::Principal, name: "system:node:a".into(), ..Entity::default() };
        assert_eq!(entity(&node), "`system:node:a`");
    }
}
