//! Free ports of the loopback interface.

use crate::RigError;
use std::net::{Ipv4Addr, TcpListener};

/// Where ports are looked for: below those which systems lend to outgoing connections (from 32768 in Linux, from 49152
/// elsewhere). A broker that is down must find its port free when it comes back, and a client that keeps knocking at a
/// borrowed port of its own machine may end up connected to itself.
const FROM: u16 = 15_000;
const COUNT: u16 = 17_000;

/// So many different ports that nobody listens on.
///
/// Somebody else may take one before it is used: whoever starts a server on it tries again with others.
pub(crate) fn free(count: usize) -> Result<Vec<u16>, RigError> {
    let failed = RigError::process("looking for a free port");
    // The system lends a port at random, which spreads tests that start together.
    let seed = match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|borrowed| borrowed.local_addr()) {
        Ok(address) => address.port(),
        Err(error) => return Err(failed(error)),
    };
    // Held until all are chosen, so that none is chosen twice.
    let held: Vec<(u16, TcpListener)> = (0..COUNT)
        .map(|step| FROM + (seed % COUNT + step) % COUNT)
        .filter_map(|port| Some((port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?)))
        .take(count)
        .collect();
    if held.len() < count {
        return Err(failed(std::io::ErrorKind::AddrInUse.into()));
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_different_free_and_never_lent_to_outgoing_connections() {
        let ports = free(6).expect("a machine has six free ports");
        for (at, port) in ports.iter().enumerate() {
            assert!((FROM..FROM + COUNT).contains(port));
            assert!(!ports[..at].contains(port));
            TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).expect("it is free");
        }
    }
}
