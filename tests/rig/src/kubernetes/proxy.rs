//! A proxy between a client and the API server that answers, loses, cuts and delays as a test asks for.
//!
//! It has a certificate of its own; who the client is the token of each request says, so rights and audit log are the
//! client's own. Each request has a connection of its own.
//!
//! Invariant: a request that meets no rule is passed on as it came, byte for byte but for its `Connection` header.

use super::Kubernetes;
use crate::RigError;
use crate::tls::Identity;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest head of a request.
const LONGEST_HEAD: usize = 64 << 10;

/// A proxy before an API server. Dropping it ends it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    /// The certificate that clients are to trust.
    certificate: PathBuf,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// What is to happen to which requests.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Method; empty for any.
    pub method: &'static str,
    /// What the path and query must hold.
    pub path: &'static str,
    /// Dry runs only, all others only, or both.
    pub dry_run: Option<bool>,
    /// So many fitting requests pass before.
    pub after: usize,
    /// So many then meet the fault.
    pub times: usize,
    /// What happens to them.
    pub fault: Fault,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered by the proxy, and never reaches the API server.
    Answer {
        /// HTTP status.
        status: u16,
        /// Seconds of a `Retry-After` header.
        retry_after: Option<u32>,
    },
    /// The API server does it; its answer never arrives.
    LoseReply,
    /// The connection is closed before the API server hears of it.
    Refuse,
    /// The answer, or what there is of it, is cut off after so long: a watch ends without a word.
    Cut(Duration),
    /// It is passed on later.
    Slow(Duration),
}

impl Rule {
    /// The first fitting request meets the fault, no other.
    pub fn once(method: &'static str, path: &'static str, fault: Fault) -> Self {
        Rule { method, path, dry_run: Some(false), after: 0, times: 1, fault }
    }

    fn fits(&self, method: &str, target: &str) -> bool {
        (self.method.is_empty() || self.method == method)
            && target.contains(self.path)
            && self.dry_run.is_none_or(|dry| dry == target.contains("dryRun="))
    }
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    /// With the API server.
    tls: Arc<ClientConfig>,
    /// With clients.
    own: Arc<ServerConfig>,
    rules: Mutex<Vec<Rule>>,
    met: Mutex<Vec<String>>,
    stopping: AtomicBool,
}

impl Proxy {
    /// Starts one before a control plane.
    pub fn before(kubernetes: &Kubernetes) -> Result<Proxy, RigError> {
        let mut roots = RootCertStore::empty();
        let certificate = kubernetes.certificate();
        let wrong = |error: &dyn std::fmt::Display| RigError::Io {
            what: format!("reading {}", certificate.display()),
            source: io::Error::other(error.to_string()),
        };
        for one in CertificateDer::pem_file_iter(&certificate).map_err(|error| wrong(&error))? {
            // The leaf is no anchor; the authority behind it is.
            roots.add_parsable_certificates([one.map_err(|error| wrong(&error))?]);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls = builder.map_err(|error| wrong(&error))?.with_root_certificates(roots).with_no_client_auth();

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(RigError::process("opening a port"))?;
        let address = listener.local_addr().map_err(RigError::process("opening a port"))?;
        let Identity { certificate: pem, config: own } = Identity::made()?;
        let certificate = kubernetes.folder().join(format!("proxy-{}.crt", address.port()));
        std::fs::write(&certificate, pem).map_err(RigError::io("writing", &certificate))?;
        let upstream = kubernetes.server().trim_start_matches("https://").parse().map_err(|error| wrong(&error))?;
        let shared = Arc::new(Shared {
            upstream,
            tls: Arc::new(tls),
            own,
            rules: Mutex::default(),
            met: Mutex::default(),
            stopping: AtomicBool::new(false),
        });
        let of_thread = shared.clone();
        let accepting = std::thread::spawn(move || accept(&listener, &of_thread));
        Ok(Proxy { address, certificate, shared, accepting: Some(accepting) })
    }

    /// Its address.
    pub fn server(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate that clients are to trust.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// From now on these rules hold, and no others; of those that fit a request the first one that has not run out.
    pub fn set(&self, rules: impl IntoIterator<Item = Rule>) {
        *locked(&self.shared.rules) = rules.into_iter().collect();
    }

    /// The requests that met a fault so far: method, path and query.
    pub fn met(&self) -> Vec<String> {
        locked(&self.shared.met).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        let shared = shared.clone();
        // A client that goes away is nothing to the others.
        std::thread::spawn(move || drop(serve(client, &shared)));
    }
}

/// One request; the client is told to open another connection for the next.
fn serve(client: TcpStream, shared: &Shared) -> io::Result<()> {
    let connection = ServerConnection::new(shared.own.clone()).map_err(io::Error::other)?;
    let mut client = StreamOwned::new(connection, client);
    let Some((head, body)) = read_request(&mut client)? else { return Ok(()) };
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let fault = shared.fault(method, target);
    match fault {
        Some(Fault::Refuse) => return Ok(()),
        Some(Fault::Answer { status, retry_after }) => return answer(&mut client, status, retry_after),
        Some(Fault::Slow(time)) => std::thread::sleep(time),
        Some(Fault::LoseReply | Fault::Cut(_)) | None => {}
    }
    let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
    let connection = ClientConnection::new(shared.tls.clone(), name).map_err(io::Error::other)?;
    let mut server = StreamOwned::new(connection, TcpStream::connect(shared.upstream)?);
    server.write_all(closing(&head).as_bytes())?;
    server.write_all(&body)?;
    server.flush()?;
    if let Some(Fault::Cut(time)) = fault {
        server.sock.set_read_timeout(Some(time))?;
    }
    pass_on(&mut server, &mut client, fault == Some(Fault::LoseReply), shared)?;
    client.conn.send_close_notify();
    client.flush()
}

/// Passes the answer on as it comes, to its end or to what cuts it.
fn pass_on(server: &mut impl Read, client: &mut impl Write, lose: bool, shared: &Shared) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    loop {
        let read = match server.read(&mut buffer) {
            Ok(read) => read,
            // Not every server says goodbye before it closes; a cut looks the same.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(error),
        };
        if read == 0 || shared.stopping.load(Ordering::SeqCst) {
            return Ok(());
        }
        if !lose {
            client.write_all(&buffer[..read])?;
            client.flush()?;
        }
    }
}

/// Head with its blank line, and body; none where the client closes without asking anything.
fn read_request(client: &mut impl Read) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 << 10];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        let read = client.read(&mut buffer)?;
        if read == 0 || bytes.len() > LONGEST_HEAD {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..read]);
    };
    let body = bytes.split_off(end);
    let head = String::from_utf8(bytes).map_err(io::Error::other)?;
    let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    if header(&head, "transfer-encoding").is_some() {
        return Err(io::Error::other("requests in chunks are not passed on"));
    }
    let mut whole = body;
    while whole.len() < length {
        let read = client.read(&mut buffer)?;
        if read == 0 {
            return Ok(None);
        }
        whole.extend_from_slice(&buffer[..read]);
    }
    Ok(Some((head, whole)))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The head, asking for the connection to be closed behind the answer.
fn closing(head: &str) -> String {
    let kept = head.trim_end().lines().filter(|line| {
        let field = line.split(':').next().unwrap_or_default();
        !field.eq_ignore_ascii_case("connection")
    });
    let lines: Vec<&str> = kept.collect();
    format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n"))
}

fn answer(client: &mut impl Write, status: u16, retry_after: Option<u32>) -> io::Result<()> {
    let body = format!(
        r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"the proxy answers {status}","code":{status}}}"#
    );
    let retry = retry_after.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} Fault\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{retry}Connection: close\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes())?;
    client.write_all(body.as_bytes())?;
    client.flush()
}

impl Shared {
    /// The fault that a request meets, which is written down.
    fn fault(&self, method: &str, target: &str) -> Option<Fault> {
        let mut rules = locked(&self.rules);
        let rule = rules.iter_mut().filter(|rule| rule.times > 0).find(|rule| rule.fits(method, target))?;
        if rule.after > 0 {
            rule.after -= 1;
            return None;
        }
        rule.times -= 1;
        locked(&self.met).push(format!("{method} {target}"));
        Some(rule.fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_says_which_requests_it_is_for() {
        let rule = Rule::once("PATCH", "/pods/", Fault::LoseReply);
        assert!(rule.fits("PATCH", "/api/v1/namespaces/shop/pods/cart?fieldManager=x"));
        assert!(!rule.fits("PATCH", "/api/v1/namespaces/shop/pods/cart?fieldManager=x&dryRun=All"));
        assert!(!rule.fits("GET", "/api/v1/namespaces/shop/pods/cart"));
        assert!(!rule.fits("PATCH", "/api/v1/namespaces/shop/secrets/cart"));
    }

    #[test]
    fn a_head_asks_to_be_the_last() {
        let head = "GET / HTTP/1.1\r\nHost: a\r\nconnection: keep-alive\r\n\r\n";
        assert_eq!(closing(head), "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(header(head, "HOST"), Some("a"));
    }
}
