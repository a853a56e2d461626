//! The process's local HTTP interface: what it says of itself, and what people tell it.
//!
//! | request | answer |
//! |---|---|
//! | `GET /metrics` | the figures, as Prometheus reads them |
//! | `GET /livez` | 200 while every lane finishes its steps, 503 otherwise |
//! | `GET /readyz` | 200 when every lane has caught up with its committed output, 503 with the others' names otherwise |
//! | `POST /control` | takes one control record as JSON and appends it to the control topic |
//!
//! A control record must come as `application/json`: a page in a browser cannot send that to another site unasked.

use crate::clock::WallClock;
use crate::error::{EngineError, LogError};
use crate::metrics::Metrics;
use crate::runtime::Status;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use schemas::{Control, ControlKind};
use serde::Deserialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// No control record needs more.
const MAX_CONTROL_BYTES: usize = 64 << 10;

/// Appends a control record to its topic.
pub type ControlSink = dyn Fn(&Control<'_>) -> Result<(), LogError> + Send + Sync;

/// What the interface shows and reaches.
#[derive(Clone)]
pub struct Served {
    /// The figures.
    pub metrics: Metrics,
    /// The lanes.
    pub status: Status,
    /// The machine's time.
    pub clock: Arc<dyn WallClock>,
    /// Where control records go.
    pub control: Arc<ControlSink>,
}

/// A running interface; dropping it stops it gracefully.
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the interface on an address; port 0 takes a free one.
pub fn start(address: SocketAddr, served: Served) -> Result<Server, EngineError> {
    let fail = |message: String| EngineError::Configuration(format!("http address {address}: {message}"));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| fail(e.to_string()))?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).map_err(|e| fail(e.to_string()))?;
    let bound = listener.local_addr().map_err(|e| fail(e.to_string()))?;
    let (stop, stopped) = oneshot::channel();
    let body = move || {
        let serve = axum::serve(listener, router(served)).with_graceful_shutdown(async {
            // A sender that is gone means stop, too.
            let _ = stopped.await;
        });
        if let Err(error) = runtime.block_on(async { serve.await }) {
            tracing::error!("http interface: {error}");
        }
    };
    let thread = std::thread::Builder::new().name("http".to_owned()).spawn(body).map_err(|e| fail(e.to_string()))?;
    Ok(Server { address: bound, stop: Some(stop), thread: Some(thread) })
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in the interface has been printed by its own thread.
            let _ = thread.join();
        }
    }
}

/// The requests that are answered.
fn router(served: Served) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .route("/control", post(control))
        .layer(DefaultBodyLimit::max(MAX_CONTROL_BYTES))
        .with_state(served)
}

async fn metrics(State(served): State<Served>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], served.metrics.render())
}

async fn alive(State(served): State<Served>) -> (StatusCode, String) {
    if served.status.is_alive(&*served.clock) {
        (StatusCode::OK, "alive\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "a lane has not finished a step for too long\n".to_owned())
    }
}

async fn ready(State(served): State<Served>) -> (StatusCode, String) {
    if served.status.is_ready() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let lanes = served.status.lanes();
    let waiting: Vec<&str> = lanes.iter().filter(|(_, lane)| !lane.live).map(|(name, _)| name.as_str()).collect();
    (
        StatusCode::SERVICE_UNAVAILABLE,
        format!("not ready: {} of {} lanes catch up: {}\n", waiting.len(), lanes.len(), waiting.join(", ")),
    )
}

/// A control record as people write it: all but the kind may be left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    kind: ControlKind,
    #[serde(default = "default_tenant")]
    tenant: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    selector: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    author: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    expires_at: i64,
}

fn default_tenant() -> String {
    "default".to_owned()
}

async fn control(State(served): State<Served>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let refuse = |status: StatusCode, message: &str| (status, format!("{message}\n"));
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "a control record comes with content-type: application/json",
        );
    }
    let request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &format!("control record: {error}")),
    };
    if request.kind == ControlKind::Other {
        return refuse(
            StatusCode::BAD_REQUEST,
            "control record: kind Other stands for what is not known, and is never obeyed",
        );
    }
    let record = Control {
        tenant: request.tenant.into(),
        kind: request.kind,
        id: request.id.into(),
        selector: request.selector.into(),
        value: request.value.into(),
        author: request.author.into(),
        reason: request.reason.into(),
        at: served.clock.now_millis(),
        expires_at: request.expires_at,
    };
    // Appending syncs to disk: for a moment nothing else is served, which nothing here minds.
    match (served.control)(&record) {
        Ok(()) => refuse(StatusCode::OK, "appended"),
        Err(error) => refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::Mutex;

    type Taken = Arc<Mutex<Vec<(ControlKind, String, i64)>>>;

    fn serve() -> (Server, Taken) {
        let taken = Taken::default();
        let sink = taken.clone();
        let served = Served {
            metrics: Metrics::new("9.9.9"),
            status: Status::default(),
            clock: Arc::new(ManualClock::new(1_000, 0)),
            control: Arc::new(move |control: &Control<'_>| {
                sink.lock().unwrap().push((control.kind, control.id.to_string(), control.at));
                Ok(())
            }),
        };
        (start("127.0.0.1:0".parse().unwrap(), served).unwrap(), taken)
    }

    fn ask(server: &Server, method: &str, path: &str, kind: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn metrics_liveness_and_readiness_are_told() {
        let (server, _) = serve();
        let metrics = ask(&server, "GET", "/metrics", "", "");
        assert!(metrics.starts_with("HTTP/1.1 200") && metrics.contains("bellbuoy_build_info{version=\"9.9.9\"} 1"));
        assert!(ask(&server, "GET", "/livez", "", "").starts_with("HTTP/1.1 200"));
        let ready = ask(&server, "GET", "/readyz", "", "");
        assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("0 of 0 lanes"), "without lanes nothing is ready");
        assert!(ask(&server, "GET", "/other", "", "").starts_with("HTTP/1.1 404"));
    }

    #[test]
    fn a_control_record_is_appended_with_the_time_it_was_said() {
        let (server, taken) = serve();
        let body = r#"{"kind": "Mute", "id": "night", "selector": "namespace=shop"}"#;
        assert!(ask(&server, "POST", "/control", "application/json; charset=utf-8", body).starts_with("HTTP/1.1 200"));
        assert_eq!(*taken.lock().unwrap(), [(ControlKind::Mute, "night".to_owned(), 1_000)]);
    }

    #[test]
    fn what_is_not_a_control_record_is_refused_with_a_reason() {
        let (server, taken) = serve();
        let refused = |kind: &str, body: &str| ask(&server, "POST", "/control", kind, body);
        assert!(refused("text/plain", r#"{"kind": "Mute"}"#).starts_with("HTTP/1.1 415"));
        let unknown = refused("application/json", r#"{"kind": "Mute", "idd": "x"}"#);
        assert!(unknown.starts_with("HTTP/1.1 400") && unknown.contains("`idd`") && unknown.contains("`selector`"));
        assert!(refused("application/json", r#"{"kind": "Other"}"#).starts_with("HTTP/1.1 400"));
        assert!(refused("application/json", &" ".repeat(MAX_CONTROL_BYTES + 1)).starts_with("HTTP/1.1 413"));
        assert!(taken.lock().unwrap().is_empty());
    }

    #[test]
    fn an_address_in_use_is_said() {
        let (server, _) = serve();
        let served = Served {
            metrics: Metrics::new("1"),
            status: Status::default(),
            clock: Arc::new(ManualClock::new(0, 0)),
            control: Arc::new(|_: &Control<'_>| Ok(())),
        };
        let error = start(server.address(), served).err().unwrap().to_string();
        assert!(error.starts_with(&format!("http address {}: ", server.address())), "{error}");
    }
}
