//! Who a server of the rig is to those that speak TLS with it.

use crate::RigError;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// A key and a certificate for the loopback interface, which nobody trusts who is not told to.
pub(crate) struct Identity {
    /// In PEM.
    pub(crate) certificate: String,
    /// For the server's connections.
    pub(crate) config: Arc<ServerConfig>,
}

impl Identity {
    /// A new one.
    pub(crate) fn made() -> Result<Self, RigError> {
        let wrong = |error: &dyn std::fmt::Display| RigError::Io {
            what: "setting up TLS".to_owned(),
            source: std::io::Error::other(error.to_string()),
        };
        let made = rcgen::generate_simple_self_signed([Ipv4Addr::LOCALHOST.to_string()])?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(|error| wrong(&error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = builder.map_err(|error| wrong(&error))?.with_no_client_auth();
        let config = config.with_single_cert(vec![made.cert.der().clone()], key).map_err(|error| wrong(&error))?;
        Ok(Identity { certificate: made.cert.pem(), config: Arc::new(config) })
    }
}
