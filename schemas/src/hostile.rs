//! What must hold for any bytes whatever: the property that the fuzz target and the tests share.

use crate::catalogue::{Published, list};
use crate::codec::header;
use crate::{
    AnomalyRecord, Command, CommandResult, Control, DeadLetter, IncidentRecord, Notification, ObjectRecord, Record,
    SchemaError, SchemaName, Signal, json,
};

/// Decodes the bytes as a record, and as the body of a record of every published version.
///
/// # Panics
/// Where a decoder panics, or where what was decoded does not encode to bytes that decode to the same again.
pub fn decode_as_everything(bytes: &[u8]) {
    // An error is the usual and right answer here; only a panic would be wrong.
    let _ = json::render(bytes);
    for published in list() {
        let record = [&header(published.fingerprint), bytes].concat();
        decode_as(published, &record);
        let _ = json::render(&record);
    }
}

/// Compares bytes, not values, because a number that is not a number differs from itself.
fn decode_as(published: &Published, record: &[u8]) {
    let Ok(once) = encode_again(published.name, record) else { return };
    let twice = encode_again(published.name, &once).expect("what was encoded decodes");
    assert_eq!(once, twice, "{} does not encode to what it was decoded from", published.name);
}

fn encode_again(name: SchemaName, record: &[u8]) -> Result<Vec<u8>, SchemaError> {
    match name {
        SchemaName::Signal => Signal::decode(record)?.encode(),
        SchemaName::Anomaly => AnomalyRecord::decode(record)?.encode(),
        SchemaName::Incident => IncidentRecord::decode(record)?.encode(),
        SchemaName::Command => Command::decode(record)?.encode(),
        SchemaName::Result => CommandResult::decode(record)?.encode(),
        SchemaName::Notification => Notification::decode(record)?.encode(),
        SchemaName::Control => Control::decode(record)?.encode(),
        SchemaName::Object => ObjectRecord::decode(record)?.encode(),
        SchemaName::DeadLetter => DeadLetter::decode(record)?.encode(),
    }
}
