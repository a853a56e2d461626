//! Somebody on the loopback interface who is told by HTTP: keeps what comes, and answers as a test says.

use crate::RigError;
use crate::tls::Identity;
use rustls::{ServerConnection, StreamOwned};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One request that came.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its headers, names in small letters.
    pub headers: Vec<(String, String)>,
    /// Its content.
    pub text: String,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What a receiver does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Takes it.
    Taken,
    /// Takes it not, with this status.
    Status(u16),
    /// Takes it not, with 429 and a time to wait.
    RetryAfter(u32),
    /// Takes it, and the answer is lost.
    Lost,
}

#[derive(Debug, Default)]
struct Told {
    taken: Vec<Request>,
    refused: Vec<Request>,
    answers: VecDeque<Answer>,
}

/// Who is told; copies are the same one. It lasts as long as the test's process.
#[derive(Clone, Debug)]
pub struct Receiver {
    port: u16,
    told: Arc<Mutex<Told>>,
    certificate: Option<String>,
}

impl Receiver {
    /// Listens on a free port.
    pub fn start() -> Result<Self, RigError> {
        Receiver::start_with(None)
    }

    /// Listens for TLS on a free port, with a certificate that nobody trusts who is not told to.
    pub fn start_secured() -> Result<Self, RigError> {
        Receiver::start_with(Some(Identity::made()?))
    }

    fn start_with(identity: Option<Identity>) -> Result<Self, RigError> {
        let failed = || RigError::process("listening on a free port");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed())?;
        let port = listener.local_addr().map_err(failed())?.port();
        let told = Arc::new(Mutex::new(Told::default()));
        let (its, tls) = (told.clone(), identity.as_ref().map(|identity| identity.config.clone()));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (its, tls) = (its.clone(), tls.clone());
                std::thread::spawn(move || match tls.map(ServerConnection::new) {
                    None => serve(stream, &its),
                    Some(Ok(connection)) => serve(StreamOwned::new(connection, stream), &its),
                    Some(Err(error)) => eprintln!("the receiver cannot speak TLS: {error}"),
                });
            }
        });
        Ok(Receiver { port, told, certificate: identity.map(|identity| identity.certificate) })
    }

    /// Its address.
    pub fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/hook", self.port)
    }

    /// The certificate that clients are to trust, in PEM; empty where it has none.
    pub fn certificate(&self) -> &str {
        self.certificate.as_deref().unwrap_or_default()
    }

    /// What it does with the next requests; it takes those behind them.
    pub fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.told().answers.extend(answers);
    }

    /// What it has taken so far.
    pub fn taken(&self) -> Vec<Request> {
        self.told().taken.clone()
    }

    /// What it has refused so far.
    pub fn refused(&self) -> Vec<Request> {
        self.told().refused.clone()
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(stream: impl Read + Write, told: &Mutex<Told>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let answer = {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = told.answers.pop_front().unwrap_or(Answer::Taken);
            let list = if matches!(answer, Answer::Taken | Answer::Lost) { &mut told.taken } else { &mut told.refused };
            list.push(request);
            answer
        };
        let head = match answer {
            Answer::Taken => "HTTP/1.1 202 Accepted".to_owned(),
            Answer::Status(status) => format!("HTTP/1.1 {status} No"),
            Answer::RetryAfter(seconds) => format!("HTTP/1.1 429 Slow\r\nretry-after: {seconds}"),
            Answer::Lost => return,
        };
        if reader.get_mut().write_all(format!("{head}\r\ncontent-length: 2\r\n\r\nok").as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or("0", |(_, value)| value);
    let mut body = vec![0; length.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Request { headers, text: String::from_utf8(body).ok()? })
}
