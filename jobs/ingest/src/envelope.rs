//! Envelopes: how shippers wrap a JSON event, and how the event is taken out again.
//!
//! A record holds one or many documents: JSON lines, an array, a list object with `items`, a JSON string that contains
//! JSON (the Collector's `raw` encoding of a body), or an object with the event in `message` or `log` (Vector, Fluent
//! Bit). Every layer is optional and they nest, up to a limit.

use crate::{config::Limits, reading::Reject};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess};
use serde_json::value::RawValue;
use std::fmt;

/// One document of a record: its JSON text, or `None` where that part of the record is not JSON.
pub type Document = Option<String>;

/// Takes the documents out of their envelopes.
///
/// `markers` are the top-level fields by which a source knows its own event; an object with one of them is never taken
/// for an envelope. Fails where nothing in the record is JSON.
pub fn documents(value: &[u8], markers: &[&str], limits: &Limits) -> Result<Vec<Document>, Reject> {
    let text = std::str::from_utf8(value).map_err(|error| {
        Reject::decode(format!("the record is not UTF-8 after byte {}; allowed is JSON", error.valid_up_to()))
    })?;
    let mut found = Vec::new();
    open(text, markers, limits, 0, &mut found)?;
    if found.is_empty() {
        return Err(Reject::decode("the record is empty; allowed is JSON"));
    }
    Ok(found)
}

/// The markers that the first document of a record carries at its top level, for telling formats apart.
pub fn markers_of(document: &str, markers: &[&'static str]) -> Vec<&'static str> {
    let mut known = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(document);
    let visited = Peek { markers, known: &mut known };
    // A broken document carries the markers seen up to the break; whoever reads it tells what is wrong.
    let _ = de::DeserializeSeed::deserialize(visited, &mut deserializer);
    known
}

fn open(text: &str, markers: &[&str], limits: &Limits, depth: usize, found: &mut Vec<Document>) -> Result<(), Reject> {
    if depth > limits.envelopes {
        return Err(Reject::limit(format!("more than {} envelopes around one event", limits.envelopes)));
    }
    let text = text.trim();
    if text.is_empty() {
        return Ok(());
    }
    let error = match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) => return open_value(raw.get(), markers, limits, depth, found),
        Err(error) => error,
    };
    // Not one value, so perhaps one a line.
    let before = found.len();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match serde_json::from_str::<&RawValue>(line) {
            Ok(raw) => open_value(raw.get(), markers, limits, depth, found)?,
            Err(_) => found.push(None),
        }
    }
    if found.iter().skip(before).all(Option::is_none) {
        found.truncate(before);
        return Err(Reject::json("the record", &error));
    }
    Ok(())
}

fn open_value(
    value: &str,
    markers: &[&str],
    limits: &Limits,
    depth: usize,
    found: &mut Vec<Document>,
) -> Result<(), Reject> {
    if depth > limits.envelopes {
        return Err(Reject::limit(format!("more than {} envelopes around one event", limits.envelopes)));
    }
    match value.as_bytes().first() {
        Some(b'"') => {
            let inner = serde_json::from_str::<String>(value).map_err(|error| Reject::json("a string", &error))?;
            open(&inner, markers, limits, depth + 1, found)
        }
        Some(b'[') => {
            let items =
                serde_json::from_str::<Vec<&RawValue>>(value).map_err(|error| Reject::json("an array", &error))?;
            items.into_iter().try_for_each(|item| open_value(item.get(), markers, limits, depth + 1, found))
        }
        Some(b'{') => {
            let envelope =
                serde_json::from_str::<Envelope<'_>>(value).map_err(|error| Reject::json("an object", &error))?;
            let is_event = markers.iter().any(|marker| envelope.fields.contains(marker));
            let inner = [envelope.items, envelope.message, envelope.log].into_iter().flatten().next();
            match inner {
                Some(inner) if !is_event => open_value(inner.get(), markers, limits, depth + 1, found),
                _ => {
                    found.push(Some(value.to_owned()));
                    Ok(())
                }
            }
        }
        _ => {
            found.push(None);
            Ok(())
        }
    }
}

/// The fields of an object that decide whether it is an envelope.
#[derive(Default)]
struct Envelope<'a> {
    items: Option<&'a RawValue>,
    message: Option<&'a RawValue>,
    log: Option<&'a RawValue>,
    fields: Vec<&'a str>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Envelope<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut envelope = Envelope::default();
                while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
                    match name {
                        Some("items") => envelope.items = Some(map.next_value()?),
                        Some("message") => envelope.message = Some(map.next_value()?),
                        Some("log") => envelope.log = Some(map.next_value()?),
                        other => {
                            envelope.fields.extend(other);
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(envelope)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// A field name where it needs no unescaping; markers never do.
struct Name<'a>(Option<&'a str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field name")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Some(text)))
            }
            fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Name(None))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

struct Peek<'m, 'o> {
    markers: &'m [&'static str],
    known: &'o mut Vec<&'static str>,
}

impl<'de> de::DeserializeSeed<'de> for Peek<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> de::Visitor<'de> for Peek<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            if let Some(marker) = self.markers.iter().find(|marker| Some(**marker) == name) {
                self.known.push(marker);
                // One marker decides, and what follows it may be the bulk of the record.
                return Err(de::Error::custom("seen enough"));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"auditID":"1","message":"mine"}"#;

    fn opened(value: &str) -> Result<Vec<Document>, Reject> {
        documents(value.as_bytes(), &["auditID"], &Limits::default())
    }

    #[test]
    fn every_envelope_opens_to_the_same_event() {
        let quoted = serde_json::to_string(EVENT).expect("a string serialises");
        let twice = serde_json::to_string(&quoted).expect("a string serialises");
        for wrapped in [
            EVENT.to_owned(),
            format!("[{EVENT}]"),
            format!("{{\"kind\":\"EventList\",\"items\":[{EVENT}]}}"),
            quoted.clone(),
            twice,
            format!("{{\"@timestamp\":1.5,\"log\":{quoted}}}"),
            format!("{{\"message\":{quoted},\"host\":\"h\"}}"),
            format!("{{\"message\":{EVENT},\"host\":\"h\"}}"),
            format!("\n{EVENT}\n"),
        ] {
            assert_eq!(opened(&wrapped), Ok(vec![Some(EVENT.to_owned())]), "{wrapped}");
        }
    }

    #[test]
    fn lines_are_told_apart_and_a_broken_one_is_not_lost() {
        let found = opened(&format!("{EVENT}\nnot json\n{EVENT}\n{{\"cut\":")).expect("two lines are JSON");
        assert_eq!(found.iter().filter(|document| document.is_some()).count(), 2);
        assert_eq!(found.iter().filter(|document| document.is_none()).count(), 2);
    }

    #[test]
    fn what_is_no_json_at_all_is_rejected_without_quoting_it() {
        for value in ["", "  ", "hush hush", "{\"hush\":", "{\"hush\"\n:\n1\n}}"] {
            let reject = opened(value).expect_err(value);
            assert!(!reject.detail.contains("hush"), "{reject}");
        }
        assert!(documents(&[0xff, 0xfe], &[], &Limits::default()).is_err());
    }

    #[test]
    fn nesting_is_limited() {
        let mut value = EVENT.to_owned();
        for _ in 0..8 {
            value = format!("[{value}]");
        }
        assert_eq!(opened(&value).map_err(|reject| reject.reason), Err(schemas::dead_letter::Reason::Limit));
    }

    #[test]
    fn markers_are_found_before_the_break() {
        assert_eq!(markers_of(EVENT, &["flow", "auditID"]), vec!["auditID"]);
        assert_eq!(markers_of("{\"a\":{\"auditID\":1}}", &["auditID"]), Vec::<&str>::new());
        assert_eq!(markers_of("{\"auditID\":1,", &["auditID"]), vec!["auditID"]);
    }
}
