//! The ways into a cluster that ask who is there: SASL over TLS, and TLS with a certificate of the client.
//!
//! The plain listener stays, for the brokers among each other and for tests that look at what a client did.

use super::settings::Seat;
use crate::RigError;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use std::fs;
use std::path::{Path, PathBuf};

/// The listener with SASL over TLS.
const SASL_SSL: &str = "SASL_SSL";
/// The listener with TLS that demands a certificate.
const SSL: &str = "SSL";
const USER: &str = "bellbuoy";
const PASSWORD: &str = "heard-in-fog";

/// What a client needs to come in. Certificates and keys are PEM files in the folder of the cluster.
#[derive(Clone, Debug)]
pub struct Secured {
    /// Where SASL is spoken over TLS: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 for [`Secured::user`], and OAUTHBEARER with
    /// unsigned tokens for anybody.
    pub sasl_bootstrap: String,
    /// Where TLS demands a certificate.
    pub tls_bootstrap: String,
    /// The authority that signed the brokers' certificates.
    pub ca_pem: PathBuf,
    /// An authority that signed none of them: whoever trusts this one alone must not talk to the brokers.
    pub strange_ca_pem: PathBuf,
    /// The client's certificate.
    pub client_certificate_pem: PathBuf,
    /// The client's key.
    pub client_key_pem: PathBuf,
    /// The user of PLAIN and SCRAM.
    pub user: String,
    /// The user's password.
    pub password: String,
}

impl Secured {
    /// What clients of a cluster with these brokers need, with the files in a folder.
    pub(crate) fn of(seats: &[Seat], certificates: &Path) -> Secured {
        let all = |port: fn(&Seat) -> u16| {
            let addresses: Vec<String> = seats.iter().map(|seat| format!("127.0.0.1:{}", port(seat))).collect();
            addresses.join(",")
        };
        Secured {
            sasl_bootstrap: all(|seat| seat.sasl_port),
            tls_bootstrap: all(|seat| seat.tls_port),
            ca_pem: certificates.join("ca.pem"),
            strange_ca_pem: certificates.join("strange-ca.pem"),
            client_certificate_pem: certificates.join("client.pem"),
            client_key_pem: certificates.join("client.key"),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
        }
    }

    /// Makes two authorities, a certificate for the brokers and one for the client, and writes them to a folder.
    pub(crate) fn write(certificates: &Path) -> Result<(), RigError> {
        fs::create_dir_all(certificates).map_err(RigError::io("making", certificates))?;
        let (ca, strange_ca) = (authority("bellbuoy rig")?, authority("somebody else")?);
        let (broker, broker_key) = signed(&ca, "broker", ExtendedKeyUsagePurpose::ServerAuth)?;
        let (client, client_key) = signed(&ca, USER, ExtendedKeyUsagePurpose::ClientAuth)?;
        for (name, text) in [
            ("ca.pem", ca.pem()),
            ("strange-ca.pem", strange_ca.pem()),
            // Kafka reads a key and its chain from one file.
            ("broker.pem", format!("{broker_key}{broker}{}", ca.pem())),
            ("client.pem", client),
            ("client.key", client_key),
        ] {
            let path = certificates.join(name);
            fs::write(&path, text).map_err(RigError::io("writing", &path))?;
        }
        Ok(())
    }
}

/// What a broker is told about these listeners, beside their names and ports.
pub(crate) fn properties(certificates: &Path) -> Vec<(&'static str, String)> {
    let path = |name| certificates.join(name).display().to_string();
    let login = |module: &str, options: &str| format!("org.apache.kafka.common.security.{module} required{options};");
    vec![
        ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER".to_owned()),
        (
            "listener.name.sasl_ssl.plain.sasl.jaas.config",
            login("plain.PlainLoginModule", &format!(" user_{USER}=\"{PASSWORD}\"")),
        ),
        ("listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config", login("scram.ScramLoginModule", "")),
        ("listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config", login("scram.ScramLoginModule", "")),
        (
            "listener.name.sasl_ssl.oauthbearer.sasl.jaas.config",
            login("oauthbearer.OAuthBearerLoginModule", " unsecuredLoginStringClaim_sub=\"broker\""),
        ),
        ("listener.name.ssl.ssl.client.auth", "required".to_owned()),
        ("ssl.keystore.type", "PEM".to_owned()),
        ("ssl.keystore.location", path("broker.pem")),
        ("ssl.truststore.type", "PEM".to_owned()),
        ("ssl.truststore.location", path("ca.pem")),
    ]
}

/// Name and port of each listener.
pub(crate) fn listeners(seat: &Seat) -> [(&'static str, u16); 2] {
    [(SASL_SSL, seat.sasl_port), (SSL, seat.tls_port)]
}

/// What the tool that formats is told about users.
pub(crate) fn users() -> Vec<String> {
    ["SCRAM-SHA-256", "SCRAM-SHA-512"]
        .into_iter()
        .flat_map(|mechanism| ["--add-scram".to_owned(), format!("{mechanism}=[name={USER},password={PASSWORD}]")])
        .collect()
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, RigError> {
    let mut parameters = named(name, &[])?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(parameters, KeyPair::generate()?).map_err(RigError::from)
}

/// A certificate and its key, both in PEM.
fn signed(
    authority: &CertifiedIssuer<'static, KeyPair>,
    name: &str,
    purpose: ExtendedKeyUsagePurpose,
) -> Result<(String, String), RigError> {
    let mut parameters = named(name, &["127.0.0.1", "localhost"])?;
    parameters.use_authority_key_identifier_extension = true;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![purpose];
    let key = KeyPair::generate()?;
    Ok((parameters.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}

fn named(name: &str, hosts: &[&str]) -> Result<CertificateParams, RigError> {
    let mut parameters = CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    Ok(parameters)
}
