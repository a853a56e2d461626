//! Records as JSON, for people and for files: the value of a record of any published schema.
//!
//! Bytes (keys, values and headers of dead letters, signatures) are base64; a number that JSON cannot say is null.

use crate::codec::open;
use crate::{
    AnomalyRecord, Command, CommandResult, Control, DeadLetter, IncidentRecord, Notification, ObjectRecord, Record,
    SchemaError, SchemaName, Signal,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

/// Fields of Avro type bytes, in whichever record they occur.
const BYTES: [&str; 3] = ["key", "signature", "value"];

/// A record as JSON, and what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// Its schema.
    pub schema: SchemaName,
    /// The version it was written in.
    pub version: u32,
    /// Its value.
    pub value: Value,
}

/// Renders a record of whatever published schema, recognised by its fingerprint.
pub fn render(bytes: &[u8]) -> Result<Rendered, SchemaError> {
    let (published, _) = open(bytes)?;
    let schema = published.name;
    let value = match schema {
        SchemaName::Signal => value(schema, &Signal::decode(bytes)?),
        SchemaName::Anomaly => value(schema, &AnomalyRecord::decode(bytes)?),
        SchemaName::Incident => value(schema, &IncidentRecord::decode(bytes)?),
        SchemaName::Command => value(schema, &Command::decode(bytes)?),
        SchemaName::Result => value(schema, &CommandResult::decode(bytes)?),
        SchemaName::Notification => value(schema, &Notification::decode(bytes)?),
        SchemaName::Control => value(schema, &Control::decode(bytes)?),
        SchemaName::Object => value(schema, &ObjectRecord::decode(bytes)?),
        SchemaName::DeadLetter => value(schema, &DeadLetter::decode(bytes)?),
    }?;
    Ok(Rendered { schema, version: published.version, value })
}

fn value(name: SchemaName, record: &impl Serialize) -> Result<Value, SchemaError> {
    let mut value = serde_json::to_value(record)
        .map_err(|error| SchemaError::Unencodable { name, detail: format!("as JSON: {error}") })?;
    bytes_to_base64(&mut value);
    Ok(value)
}

/// Serde's JSON writes bytes as an array of numbers; no schema has an array under one of these names.
fn bytes_to_base64(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(bytes_to_base64),
        Value::Object(fields) => {
            for (name, field) in fields {
                match octets(field).filter(|_| BYTES.contains(&name.as_str())) {
                    Some(octets) => *field = STANDARD.encode(octets).into(),
                    None => bytes_to_base64(field),
                }
            }
        }
        _ => {}
    }
}

fn octets(value: &Value) -> Option<Vec<u8>> {
    value.as_array()?.iter().map(|number| number.as_u64().and_then(|n| u8::try_from(n).ok())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list;

    #[test]
    fn a_record_of_any_schema_is_recognised_by_its_fingerprint() {
        let control = Control { id: "all".into(), ..Control::default() }.encode().unwrap();
        let rendered = render(&control).unwrap();
        assert_eq!((rendered.schema, rendered.version), (SchemaName::Control, 1));
        assert_eq!(rendered.value["id"], "all");
        assert!(matches!(render(b"plain text"), Err(SchemaError::BadMagic { .. })));
    }

    #[test]
    fn bytes_are_base64_and_absent_ones_null() {
        let letter = DeadLetter { value: Some(b"\x00raw\xFF".as_slice().into()), ..DeadLetter::default() };
        let rendered = render(&letter.encode().unwrap()).unwrap();
        assert_eq!(rendered.value["value"], "AHJhd/8=");
        assert_eq!(rendered.value["key"], Value::Null);
        assert_eq!(rendered.value["headers"], serde_json::json!([]));
    }

    #[test]
    fn the_names_of_bytes_are_those_of_the_schemas_and_never_name_an_array() {
        let mut found = Vec::new();
        for published in list() {
            fields(&serde_json::from_str(published.text).unwrap(), &mut |name, kind| {
                if kind == "bytes" || *kind == serde_json::json!(["null", "bytes"]) {
                    found.push(name.to_owned());
                } else if BYTES.contains(&name) {
                    assert!(kind["type"] != "array", "{} {name}", published.name);
                }
            });
        }
        found.sort();
        found.dedup();
        assert_eq!(found, BYTES);
    }

    fn fields(schema: &Value, see: &mut impl FnMut(&str, &Value)) {
        match schema {
            Value::Array(branches) => branches.iter().for_each(|branch| fields(branch, see)),
            Value::Object(kind) => {
                for field in kind.get("fields").and_then(Value::as_array).into_iter().flatten() {
                    see(field["name"].as_str().unwrap(), &field["type"]);
                    fields(&field["type"], see);
                }
                kind.get("items").into_iter().for_each(|items| fields(items, see));
            }
            _ => {}
        }
    }
}
