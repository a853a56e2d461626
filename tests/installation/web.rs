//! The program's HTTP interface, asked without a library that might be more forgiving than other people's.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("a bound port has a number").port()
}

/// Status code and body; none where nobody answers.
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    ask(port, "GET", path, "")
}

/// Sends JSON.
pub fn post(port: u16, path: &str, body: &str) -> Option<(u16, String)> {
    ask(port, "POST", path, body)
}

/// Values of the lines of a metrics text that begin so.
pub fn figures(text: &str, beginning: &str) -> Vec<f64> {
    let lines = text.lines().filter(|line| line.starts_with(beginning));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect()
}

fn ask(port: u16, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    let kind = format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all((head + &kind).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let code = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((code, body.to_owned()))
}
