//! Requests to targets, and what their answers mean.

use super::{Failure, secret};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

/// Longest time of one request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Letters of an answer that are kept.
const KEPT: usize = 300;

/// How an HTTPS server is trusted, and how one is known to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// A file with the certificates that sign the server's; null for the public ones.
    pub ca_file: Option<PathBuf>,
    /// A file with a token for `Authorization: Bearer`; null for none.
    pub bearer_file: Option<PathBuf>,
}

/// Sends requests to one target.
#[derive(Debug)]
pub(super) struct Http {
    access: Access,
    /// Made at the first request; the certificates may come later than the configuration.
    agent: Option<Agent>,
}

/// What is sent.
pub(super) struct Request<'r> {
    pub(super) method: &'static str,
    pub(super) url: &'r str,
    pub(super) headers: &'r [(&'static str, String)],
    /// Its media type and content; none for a request without.
    pub(super) body: Option<(&'static str, &'r [u8])>,
}

impl Http {
    pub(super) fn new(access: Access) -> Self {
        Http { access, agent: None }
    }

    /// Sends a request; the content of a good answer.
    pub(super) fn send(&mut self, request: &Request<'_>) -> Result<String, Failure> {
        let agent = self.agent()?;
        let mut builder = ureq::http::Request::builder().method(request.method).uri(request.url);
        for (name, value) in request.headers {
            builder = builder.header(*name, value);
        }
        if let Some(file) = &self.access.bearer_file {
            builder = builder.header("authorization", format!("Bearer {}", secret::read("bearer_file", file)?));
        }
        let unsendable = |error: ureq::http::Error| Failure::Never { message: format!("it cannot be sent: {error}") };
        let sent = match request.body {
            Some((kind, body)) => agent.run(builder.header("content-type", kind).body(body).map_err(unsendable)?),
            None => agent.run(builder.body(()).map_err(unsendable)?),
        };
        // The address may be a secret; what failed says enough.
        let mut answer = sent.map_err(|error| Failure::later(format!("no answer: {error}")))?;
        let status = answer.status();
        let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let said = read(answer.body_mut());
        let message = format!("{status}: {}", said.chars().take(KEPT).collect::<String>().trim());
        match status.as_u16() {
            200..=299 => Ok(said),
            // A wrong address or credential is put right by people, and then it is taken.
            401 | 403 | 404 => Err(Failure::later(format!("{message}; check its address and credentials"))),
            408 | 425 | 429 | 500..=599 => Err(Failure::Later { message, after: retry_after.map(Duration::from_secs) }),
            _ => Err(Failure::Never { message }),
        }
    }

    fn agent(&mut self) -> Result<Agent, Failure> {
        if let Some(agent) = &self.agent {
            return Ok(agent.clone());
        }
        let mut config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            // A target that moves is for people to follow, not for what we tell.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("bellbuoy/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = &self.access.ca_file {
            let wrong = |what: String| Failure::later(format!("ca_file {}: {what}", file.display()));
            let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
            let mut roots: Vec<Certificate<'static>> = Vec::new();
            for item in parse_pem(&pem) {
                // Keys that stand beside are not ours to read.
                if let PemItem::Certificate(certificate) = item.map_err(|error| wrong(error.to_string()))? {
                    roots.push(certificate);
                }
            }
            if roots.is_empty() {
                return Err(wrong("there is no certificate in it".to_owned()));
            }
            config = config.tls_config(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots)).build());
        }
        let agent: Agent = config.build().into();
        self.agent = Some(agent.clone());
        Ok(agent)
    }
}

fn read(body: &mut Body) -> String {
    /// Longest answer that is read: a list of silences.
    const LONGEST: u64 = 16 << 20;
    body.with_config().limit(LONGEST).lossy_utf8(true).read_to_string().unwrap_or_else(|error| error.to_string())
}

/// Checks an address.
pub(super) fn check_url(field: &str, url: &str) -> Result<(), (String, String)> {
    let wrong = |message: &str| Err((field.to_owned(), message.to_owned()));
    match url.parse::<ureq::http::Uri>() {
        Ok(uri) if matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() => Ok(()),
        _ => wrong("allowed is an address that begins with http:// or https://"),
    }
}
