//! The check that published schemas keep their promises: unedited, and each version can read every other.

use crate::catalogue::list;
use crate::{SchemaError, SchemaName};
use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use sha2::{Digest, Sha256};

/// What was published: schema, version, fingerprint and the SHA-256 of the text, one a line.
const PINNED: &str = include_str!("../golden/fingerprints.txt");

/// What a check looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Published versions that are as they were published.
    pub published: Vec<(SchemaName, u32)>,
    /// Pairs of versions that were found to read each other: schema, earlier, later.
    pub pairs: Vec<(SchemaName, u32, u32)>,
}

/// Checks every published version against what is pinned, and every pair of versions of a schema, both ways.
pub fn check() -> Result<Report, SchemaError> {
    check_pins(PINNED)?;
    let mut report = Report::default();
    for name in SchemaName::ALL {
        let versions: Vec<_> = list().iter().filter(|p| p.name == name).map(|p| (p.version, p.text)).collect();
        report.published.extend(versions.iter().map(|&(version, _)| (name, version)));
        report.pairs.extend(check_versions(name.as_str(), &versions)?.into_iter().map(|(a, b)| (name, a, b)));
    }
    Ok(report)
}

/// The lines that pin every published version.
pub fn pins() -> String {
    let line = |p: &crate::Published| {
        let sum: String = Sha256::digest(p.text).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} {} {:016x} {sum}\n", p.name, p.version, p.fingerprint)
    };
    list().iter().map(line).collect()
}

/// A fingerprint leaves out defaults and documentation, and a changed default changes what readers see: so the text too.
fn check_pins(pinned: &str) -> Result<(), SchemaError> {
    let actual = pins();
    for (published, line) in list().iter().zip(actual.lines()) {
        if !pinned.lines().any(|pin| pin == line) {
            return Err(SchemaError::Invalid {
                name: published.name.to_string(),
                version: published.version,
                detail: format!(
                    "is not what golden/fingerprints.txt pins; expected the line `{line}`: a published version is never edited, add a new one"
                ),
            });
        }
    }
    match pinned.lines().find(|pin| !actual.lines().any(|line| line == *pin)) {
        Some(gone) => Err(SchemaError::Invalid {
            name: gone.to_owned(),
            version: 0,
            detail: "is pinned in golden/fingerprints.txt but no longer listed; a published version is never removed"
                .to_owned(),
        }),
        None => Ok(()),
    }
}

/// Every pair of versions, each as writer and as reader.
fn check_versions(name: &str, versions: &[(u32, &str)]) -> Result<Vec<(u32, u32)>, SchemaError> {
    let mut parsed = Vec::new();
    for &(version, text) in versions {
        let schema = Schema::parse_str(text).map_err(|error| SchemaError::Invalid {
            name: name.to_owned(),
            version,
            detail: error.to_string(),
        })?;
        parsed.push((version, schema));
    }
    let mut pairs = Vec::new();
    for (index, later) in parsed.iter().enumerate() {
        for earlier in &parsed[..index] {
            can_read(name, earlier, later)?;
            can_read(name, later, earlier)?;
            pairs.push((earlier.0, later.0));
        }
    }
    Ok(pairs)
}

/// A partial answer (some values could be read) counts as a no: the other values would be lost.
fn can_read(name: &str, writer: &(u32, Schema), reader: &(u32, Schema)) -> Result<(), SchemaError> {
    let detail = match SchemaCompatibility::can_read(&writer.1, &reader.1) {
        Ok(Compatibility::Full) => return Ok(()),
        Ok(Compatibility::Partial) => "only some of its values".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(SchemaError::Incompatible { name: name.to_owned(), writer: writer.0, reader: reader.0, detail })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const FIRST: &str = r#"{"type": "record", "name": "R", "fields": [
        {"name": "a", "type": "string"},
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["X", "Other"], "default": "Other"}}]}"#;

    #[test]
    fn every_published_version_is_as_pinned_and_reads_every_other() {
        let report = check().unwrap();
        assert_eq!(report.published.len(), list().len());
    }

    #[test]
    fn an_edited_a_removed_and_an_unpinned_version_are_found() {
        let pins = pins();
        let edited = pins.replacen("signal 1 ", "signal 1 0", 1);
        assert!(matches!(check_pins(&edited), Err(SchemaError::Invalid { name, version: 1, .. }) if name == "signal"));
        let unpinned = pins.lines().skip(1).collect::<Vec<_>>().join("\n");
        assert!(check_pins(&unpinned).is_err());
        let removed = format!("{pins}signal 99 0000000000000000 00\n");
        assert!(check_pins(&removed).unwrap_err().to_string().contains("never removed"));
    }

    #[test]
    fn a_field_with_a_default_and_a_symbol_may_be_added() {
        let second = FIRST
            .replace(r#""X","#, r#""X", "Y","#)
            .replace(r#""fields": ["#, r#""fields": [{"name": "new", "type": "long", "default": 0},"#);
        assert_eq!(check_versions("r", &[(1, FIRST), (2, &second)]).unwrap(), [(1, 2)]);
    }

    #[test]
    fn a_broken_version_fails_whichever_way_it_breaks() {
        let no_default = FIRST.replace(r#""fields": ["#, r#""fields": [{"name": "new", "type": "long"},"#);
        let other_type = FIRST.replace(r#""string""#, r#""long""#);
        let wider = FIRST.replace(r#""string""#, r#"["null", "string"]"#);
        let removed = FIRST.replace(r#"{"name": "a", "type": "string"},"#, "");
        for broken in [&no_default, &other_type, &wider, &removed] {
            let error = check_versions("r", &[(1, FIRST), (2, broken)]).unwrap_err();
            assert!(matches!(error, SchemaError::Incompatible { .. }), "{broken}: {error}");
        }
        assert!(matches!(check_versions("r", &[(1, "{")]), Err(SchemaError::Invalid { version: 1, .. })));
    }

    #[test]
    fn a_version_is_compared_with_all_older_ones_not_only_with_the_last() {
        let second =
            FIRST.replace(r#"{"name": "a", "type": "string"},"#, r#"{"name": "a", "type": "string", "default": ""},"#);
        let third = FIRST.replace(r#"{"name": "a", "type": "string"},"#, "");
        assert!(check_versions("r", &[(1, FIRST), (2, &second)]).is_ok());
        assert!(check_versions("r", &[(2, &second), (3, &third)]).is_ok());
        assert!(check_versions("r", &[(1, FIRST), (2, &second), (3, &third)]).is_err());
    }

    /// The decoder's bound on sequences rests on this, and old readers on the second half.
    #[test]
    fn no_array_element_is_empty_and_every_enum_has_a_default() {
        for published in list() {
            walk(&serde_json::from_str(published.text).unwrap(), &mut |schema| {
                if schema["type"] == "array" {
                    let items = &schema["items"];
                    assert!(items != "null" && items["fields"] != serde_json::json!([]), "{}", published.name);
                }
                if schema["type"] == "enum" {
                    assert!(schema["default"].is_string(), "{} {}", published.name, schema["name"]);
                }
            });
        }
    }

    fn walk(schema: &Value, see: &mut impl FnMut(&Value)) {
        see(schema);
        match schema {
            Value::Array(parts) => parts.iter().for_each(|part| walk(part, see)),
            Value::Object(parts) => parts.values().for_each(|part| walk(part, see)),
            _ => {}
        }
    }
}
