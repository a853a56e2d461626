//! Kafka's protocol, as much as it takes to ask a broker whom it knows to be alive.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a broker may think about it; one that is frozen accepts connections and says nothing.
const PATIENCE: Duration = Duration::from_secs(2);
/// A request for metadata (key 3) in version 2, which asks for no topic.
const REQUEST: [u8; 21] = *b"\0\0\0\x11\0\x03\0\x02\0\0\0\x2a\0\x03rig\0\0\0\0";
/// The number that the answer repeats.
const CORRELATION: i32 = 0x2a;

/// What a broker says of its cluster.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The cluster's identity.
    pub(crate) cluster: String,
    /// The brokers that it knows to be alive and ready, by number.
    pub(crate) alive: Vec<i32>,
}

/// Asks a broker.
pub(crate) fn ask(broker: SocketAddr) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&broker, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&REQUEST)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    // Whoever else listens there may say anything.
    if length > 1 << 20 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut answer = vec![0; length as usize];
    stream.read_exact(&mut answer)?;
    understood(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn understood(answer: &[u8]) -> Option<Answer> {
    let mut rest = Rest(answer);
    if rest.number()? != CORRELATION {
        return None;
    }
    let count = rest.number()?;
    let broker = |_| {
        let id = rest.number()?;
        let (_host, _port, _rack) = (rest.text()?, rest.number()?, rest.text()?);
        Some(id)
    };
    let mut alive: Vec<i32> = (0..count).map(broker).collect::<Option<_>>()?;
    alive.sort_unstable();
    let cluster = String::from_utf8(rest.text()?.to_vec()).ok()?;
    Some(Answer { cluster, alive })
}

/// What of an answer is still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<i32> {
        self.take(4)?.try_into().ok().map(i32::from_be_bytes)
    }

    /// A length below zero means that there is no text.
    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.take(2)?.try_into().ok().map(i16::from_be_bytes)?;
        self.take(usize::try_from(length).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"\0\0\0\x2a\0\0\0\x02\
        \0\0\0\x03\0\x09127.0.0.1\0\0\x4e\x20\xff\xff\
        \0\0\0\x01\0\x09127.0.0.1\0\0\x4e\x21\0\x01r\
        \0\x04bell\0\0\0\x01\0\0\0\0";

    #[test]
    fn an_answer_names_the_cluster_and_its_brokers() {
        assert_eq!(understood(ANSWER), Some(Answer { cluster: "bell".to_owned(), alive: vec![1, 3] }));
    }

    #[test]
    fn an_answer_that_ends_early_or_answers_somebody_else_is_no_answer() {
        for length in 0..ANSWER.len() - 8 {
            assert_eq!(understood(&ANSWER[..length]), None, "{length} bytes");
        }
        assert_eq!(understood(b"\0\0\0\x2b\0\0\0\0\0\x04bell"), None);
    }
}
