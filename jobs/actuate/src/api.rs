//! The API server, request by request: what was sent and what was answered, nothing hidden and nothing repeated.
//!
//! kube's own client would repeat requests that were answered 429 or 5xx up to fifteen times by itself, beyond expiry,
//! budget and kill switch; here that is off, and who asks decides.

use crate::actions::Request;
use crate::error::ActuateError;
use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use schemas::ApiOperation;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::time::Duration;

/// By this name the API server's own audit log knows what we do.
pub const AGENT: &str = concat!("bellbuoy-actuator/", env!("CARGO_PKG_VERSION"));
/// Who owns the fields we set.
pub const FIELD_MANAGER: &str = "bellbuoy-actuator";
/// Longest time an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest text kept of what the API server says is wrong, bytes.
const LONGEST_ERROR: usize = 500;

/// A connection to one API server.
#[derive(Clone)]
pub struct Api {
    client: kube::Client,
}

/// Whether something is to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dry {
    /// The server is asked what it would say.
    Run,
    /// It is asked to do it.
    No,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The object, list or status; null where it was no JSON.
    pub body: Value,
    /// Seconds after which the server wants to be asked again.
    pub retry_after: Option<i64>,
}

/// No answer came: the request may have been done or not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer: {0}")]
pub struct NoAnswer(pub String);

impl Api {
    /// A client with the credentials of a file, or the usual ones.
    pub async fn connect(kubeconfig: Option<&Path>) -> Result<Self, ActuateError> {
        let wrong = |error: &dyn std::fmt::Display| ActuateError::Cluster(error.to_string());
        let mut config = match kubeconfig {
            Some(file) => {
                let read = Kubeconfig::read_from(file).map_err(|error| wrong(&error))?;
                let options = KubeConfigOptions::default();
                kube::Config::from_custom_kubeconfig(read, &options).await.map_err(|error| wrong(&error))?
            }
            None => kube::Config::infer().await.map_err(|error| wrong(&error))?,
        };
        config.default_retry = false;
        config.connect_timeout = Some(PATIENCE);
        config.read_timeout = Some(PATIENCE);
        config.write_timeout = Some(PATIENCE);
        let client = ClientBuilder::try_from(config).map_err(|error| wrong(&error))?.build();
        Ok(Api { client })
    }

    /// Sends a request once.
    pub async fn call(&self, request: &Request, dry: Dry) -> Result<Answer, NoAnswer> {
        let (status, header, bytes) = self.send(request, dry).await?;
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let told = body["details"]["retryAfterSeconds"].as_i64();
        Ok(Answer { status, body, retry_after: header.or(told) })
    }

    /// Sends a request once: status, seconds to wait, and body of the answer.
    async fn send(&self, request: &Request, dry: Dry) -> Result<(u16, Option<i64>, Vec<u8>), NoAnswer> {
        let body = request.body.as_ref().map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let sent = http::Request::builder()
            .method(request.method)
            .uri(address(request, dry))
            .header("accept", "application/json")
            .header("user-agent", AGENT)
            .header("content-type", request.content_type)
            .body(Body::from(body))
            .map_err(|error| NoAnswer(error.to_string()))?;
        let lost = |error: kube::Error| NoAnswer(error.to_string());
        let answer = self.client.send(sent).await.map_err(lost)?;
        let status = answer.status().as_u16();
        let header = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes = answer.into_body().collect_bytes().await.map_err(lost)?;
        Ok((status, header, bytes.to_vec()))
    }

    /// Reads what is no object: a log.
    pub async fn text(&self, path: &str) -> Result<String, Refused> {
        let (status, retry_after, bytes) = self.send(&Request::get(path), Dry::No).await?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if status == 200 {
            return Ok(text);
        }
        let body = serde_json::from_str(&text).unwrap_or_default();
        Err(Refused::of(&Answer { status, body, retry_after }))
    }

    /// Reads an object; none where there is none.
    pub async fn get(&self, path: &str) -> Result<Option<Value>, Refused> {
        let answer = self.call(&Request::get(path), Dry::No).await?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 => Ok(None),
            _ => Err(Refused::of(&answer)),
        }
    }

    /// Reads the objects of a list.
    pub async fn list(&self, path: &str) -> Result<Vec<Value>, Refused> {
        let list = self.get(path).await?.unwrap_or_default();
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No answer came.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// The server says no.
    #[error("the API server answers {status}: {message}")]
    Status {
        /// HTTP status.
        status: u16,
        /// What it says.
        message: String,
    },
}

impl Refused {
    /// What a refusing answer says.
    pub fn of(answer: &Answer) -> Self {
        Refused::Status { status: answer.status, message: answer.message() }
    }
}

impl Answer {
    /// True where it was done.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What the server says is wrong, cut to a length.
    pub fn message(&self) -> String {
        let mut text = self.body["message"].as_str().unwrap_or_default().to_owned();
        let mut end = text.len().min(LONGEST_ERROR);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text
    }
}

/// A request and its answer, for the record.
pub fn operation(
    request: &Request,
    dry: Dry,
    answer: &Result<Answer, NoAnswer>,
    started_at: i64,
    took: i64,
) -> ApiOperation<'static> {
    let version = |body: &Value| body["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let (status, error, after, digest) = match answer {
        Ok(answer) if answer.is_success() => {
            (answer.status, String::new(), version(&answer.body), digest(&answer.body))
        }
        Ok(answer) => (answer.status, answer.message(), String::new(), String::new()),
        Err(error) => (0, error.to_string(), String::new(), String::new()),
    };
    ApiOperation {
        method: request.method.into(),
        path: request.path.clone().into(),
        dry_run: dry == Dry::Run,
        status: i32::from(status),
        error: error.into(),
        resource_version_before: request.version_before.clone().into(),
        resource_version_after: after.into(),
        digest_before: String::new().into(),
        digest_after: digest.into(),
        started_at,
        took,
    }
}

/// `sha256:` and hex of an object as the server wrote it.
pub fn digest(object: &Value) -> String {
    format!("sha256:{}", schemas::signing::hex(&Sha256::digest(object.to_string())))
}

fn address(request: &Request, dry: Dry) -> String {
    let mut query: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if request.method != "GET" {
        query.push(format!("fieldManager={FIELD_MANAGER}"));
        query.extend((request.method != "DELETE").then(|| "fieldValidation=Strict".to_owned()));
        query.extend((dry == Dry::Run).then(|| "dryRun=All".to_owned()));
    }
    if query.is_empty() { request.path.clone() } else { format!("{}?{}", request.path, query.join("&")) }
}
