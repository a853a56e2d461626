//! A webhook: CloudEvents 1.0 in structured mode, signed.
//!
//! `https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md`, §3.2. `id` is the same
//! for every attempt of one telling, so a receiver that keeps the ids it has seen has each telling once. The signature
//! is `t=<seconds>,v1=<hex>`: HMAC-SHA256 over `<seconds>.<body>` with the shared secret.

use super::http::{Access, Http, Request, check_url};
use super::{Failure, Target, secret};
use crate::alert;
use crate::dispatch::{Delivery, Telling};
use hmac::{Hmac, KeyInit as _, Mac as _};
use schemas::Incident;
use schemas::notification::NoticeEvent;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use std::path::PathBuf;

/// The header with the signature.
pub const SIGNATURE: &str = "x-bellbuoy-signature";

/// Where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Its address.
    pub url: String,
    /// A file with the secret that signs what is sent; null for no signature.
    pub secret_file: Option<PathBuf>,
    /// How it is trusted, and how one is known to it.
    pub access: Access,
}

impl Config {
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        check_url("url", &self.url)
    }
}

pub(super) struct Webhook {
    config: Config,
    http: Http,
}

impl Webhook {
    pub(super) fn new(config: Config) -> Self {
        Webhook { http: Http::new(config.access.clone()), config }
    }
}

impl Target for Webhook {
    fn look(&mut self) -> Result<String, Failure> {
        match &self.config.secret_file {
            Some(file) => secret::read("secret_file", file).map(|_| "its secret can be read".to_owned()),
            None => Ok("what it is sent is not signed".to_owned()),
        }
    }

    fn send(&mut self, delivery: &Delivery) -> Result<String, Failure> {
        let body = event(delivery)?.to_string();
        let mut headers = Vec::new();
        if let Some(file) = &self.config.secret_file {
            let secret = secret::read("secret_file", file)?;
            headers.push((SIGNATURE, sign(secret.as_bytes(), delivery.now / 1000, body.as_bytes())));
        }
        let body = Some(("application/cloudevents+json", body.as_bytes()));
        self.http.send(&Request { method: "POST", url: &self.config.url, headers: &headers, body })
    }
}

/// The signature of a body.
pub fn sign(secret: &[u8], seconds: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    format!("t={seconds},v1={}", schemas::signing::hex(&mac.finalize().into_bytes()))
}

fn event(delivery: &Delivery) -> Result<Value, Failure> {
    let word = match delivery.event {
        NoticeEvent::Opened => "opened",
        NoticeEvent::Worsened => "worsened",
        NoticeEvent::Closed => "closed",
        NoticeEvent::Other => return Err(Failure::Never { message: "an event of a later version".to_owned() }),
    };
    let data = |telling: &Telling| {
        telling.read(|incident: &Incident<'_>| {
            let incident = serde_json::to_value(incident);
            incident.map(|incident| json!({"severity": telling.notice.severity, "incident": incident}))
        })
    };
    let unwritable = |message: String| Failure::Never { message };
    let mut all = Vec::new();
    for telling in &delivery.tellings {
        all.push(data(telling)?.map_err(|error| unwritable(error.to_string()))?);
    }
    let first = &delivery.first().notice;
    let digest = all.len() > 1;
    let data = if digest { json!({ "incidents": all }) } else { all.swap_remove(0) };
    Ok(json!({
        "specversion": "1.0",
        "id": delivery.id(),
        "source": format!("bellbuoy/{}/{}", first.tenant, first.cluster),
        "type": format!("dev.bellbuoy.{}.{word}.v1", if digest { "digest" } else { "incident" }),
        "subject": delivery.dedup,
        "time": alert::time(delivery.since()),
        "datacontenttype": "application/json",
        "data": data,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231's keys make no text of ours; this is the value that Python's hmac module gives.
    #[test]
    fn a_signature_is_the_hmac_of_time_and_body() {
        let expected = "t=1700000000,v1=8f1701c54ae5132691656d186f95251b9ae92f79d732c3a8d1037301c9d4513c";
        assert_eq!(sign(b"swordfish", 1_700_000_000, b"{\"a\":1}"), expected);
    }
}
