//! What people say, on its way to the control topic.
//!
//! On Kafka a command writes it itself. An embedded log belongs to the process that runs the jobs, so there it goes
//! through that process's local HTTP interface, and straight into the log only where nobody runs.

use crate::error::Error;
use crate::settings::Settings;
use crate::site::{self, Site};
use engine::error::LogError;
use engine::log::{Log, Message};
use schemas::{Control, ControlKind, Record as _};
use std::time::Duration;
use topics::declared::CONTROL;

/// Transactional id of what people say through a process that runs jobs, followed by the process's number.
pub(crate) const PRODUCER: &str = "bellbuoy-control";
/// Transactional id of what people say through a command.
const SPOKEN: &str = "bellbuoy-control-said";
/// Longest time the local HTTP interface may take: it syncs to disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// Appends a control record to its topic.
pub(crate) fn append(log: &dyn Log, partitions: u32, writer: &str, control: &Control<'_>) -> Result<(), LogError> {
    let key = topics::control_key(word(control.kind), &control.id);
    let unencodable = |error: schemas::SchemaError| LogError::Unavailable { message: error.to_string() };
    let message = Message {
        topic: CONTROL.name.into(),
        partition: topics::partition_for(key.as_bytes(), partitions),
        key: Some(key.into_bytes()),
        value: Some(control.encode().map_err(unencodable)?),
        ..Message::default()
    };
    let mut producer = log.producer(writer)?;
    producer.begin()?;
    producer.send(message)?;
    producer.commit(&[], None)
}

/// Brings a control record to whoever has the log.
pub(crate) fn say(settings: &Settings, control: &Control<'_>) -> Result<(), Error> {
    if settings.log.kafka.is_none() {
        if !site::has_log(&settings.log) {
            // For the error that says so, with what creates one.
            Site::look(settings.clone())?;
        }
        match post(settings, control)? {
            Posted::Taken => return Ok(()),
            Posted::NobodyListens => {}
        }
    }
    let site = Site::open(settings.clone())?;
    let partitions = site.topic(CONTROL.name)?.spec.partitions;
    Ok(append(&*site.log, partitions, SPOKEN, control)?)
}

enum Posted {
    Taken,
    NobodyListens,
}

fn post(settings: &Settings, control: &Control<'_>) -> Result<Posted, Error> {
    let Some(address) = settings.http.address else { return Ok(Posted::NobodyListens) };
    let body = serde_json::json!({
        "kind": control.kind,
        "tenant": control.tenant,
        "id": control.id,
        "selector": control.selector,
        "value": control.value,
        "author": control.author,
        "reason": control.reason,
        "expires_at": control.expires_at,
    });
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build().into();
    let sent = agent
        .post(format!("http://{address}/control"))
        .header("content-type", "application/json")
        .send(body.to_string());
    let mut answer = match sent {
        Ok(answer) => answer,
        Err(ureq::Error::Io(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            return Ok(Posted::NobodyListens);
        }
        Err(ureq::Error::ConnectionFailed) => return Ok(Posted::NobodyListens),
        Err(error) => return Err(Error::Unwell(format!("the process at {address} does not answer: {error}"))),
    };
    if answer.status().is_success() {
        return Ok(Posted::Taken);
    }
    let said = answer.body_mut().read_to_string().unwrap_or_else(|error| error.to_string());
    Err(Error::Unwell(format!("the process at {address} refuses it: {}", said.trim())))
}

/// The word of a kind in keys of the control topic.
fn word(kind: ControlKind) -> &'static str {
    match kind {
        ControlKind::KillSwitch => "kill-switch",
        ControlKind::Mute => "mute",
        ControlKind::Label => "label",
        ControlKind::Approval => "approval",
        ControlKind::Rejection => "rejection",
        ControlKind::AcceptNewNormal => "accept-new-normal",
        ControlKind::Other => "other",
    }
}
