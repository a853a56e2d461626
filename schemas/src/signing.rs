//! Digests and signatures of commands: Kafka write access alone must not equal cluster-admin.
//!
//! The digest is the SHA-256 over the command's record with digest and signature empty; the Ed25519 signature is over
//! the 32 bytes of the digest. Both sides must know the same version of the command's schema, or the digest differs.
//!
//! Invariant: the same command and key give the same bytes, always; a signature that verifies covers every other field.

use crate::codec::Record as _;
use crate::{Command, Signature, Text};
pub use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};

use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha256};
use std::path::Path;

/// The name of the algorithm in signatures.
pub const ALGORITHM: &str = "ed25519";

/// Signs commands with one private key.
pub struct Signer {
    key: SigningKey,
    key_id: String,
}

/// A signing key that is none; its owner must give another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}; make one with `bellbuoy keys generate FILE`")]
pub struct KeyError {
    /// Where the key was looked for.
    pub place: String,
    /// What is wrong with it.
    pub message: String,
}

/// Why a command is not to be obeyed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// It carries no signature; its sender must be given a key.
    #[error("the command is not signed; allowed are commands signed with {ALGORITHM}")]
    Unsigned,
    /// It is signed in a way that is not known here.
    #[error("the command is signed with `{algorithm}`; allowed is {ALGORITHM}")]
    Algorithm {
        /// The algorithm it names.
        algorithm: String,
    },
    /// The key is not one of those that may sign.
    #[error("the command is signed by key {key_id}, which may not; allowed are {allowed}")]
    UnknownKey {
        /// The key it names.
        key_id: String,
        /// The keys that may.
        allowed: String,
    },
    /// Something in it was changed after its digest was taken, or it was written in another version of its schema.
    #[error("the command's digest is {found}, its content gives {expected}; it was altered, or has another schema")]
    Digest {
        /// What it carries.
        found: String,
        /// What its content gives.
        expected: String,
    },
    /// The signature is not of this key over this digest.
    #[error("the signature is not of key {key_id}; the command was not written by who may")]
    Signature {
        /// The key it names.
        key_id: String,
    },
}

impl Signer {
    /// A signer with the key of these 32 secret bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let key_id = key_id(&key.verifying_key());
        Signer { key, key_id }
    }

    /// A signer with the key of a PKCS#8 document in PEM.
    pub fn from_pem(text: &str, place: &str) -> Result<Self, KeyError> {
        // The library's message does not repeat the document.
        let key = SigningKey::from_pkcs8_pem(text).map_err(|error| KeyError {
            place: place.to_owned(),
            message: format!("this is no Ed25519 private key in PKCS#8 PEM ({error})"),
        })?;
        let key_id = key_id(&key.verifying_key());
        Ok(Signer { key, key_id })
    }

    /// A signer with the key of a file.
    pub fn open(file: &Path) -> Result<Self, KeyError> {
        let place = file.display().to_string();
        let text = std::fs::read_to_string(file)
            .map_err(|error| KeyError { place: place.clone(), message: format!("cannot be read: {error}") })?;
        Signer::from_pem(&text, &place)
    }

    /// The private key as a PKCS#8 document in PEM, for a file that only its owner reads.
    pub fn to_pem(&self) -> String {
        // Without the public key the document is of the first version, which OpenSSL reads, too.
        let document = KeypairBytes { secret_key: self.key.to_bytes(), public_key: None };
        let pem = document.to_pkcs8_pem(LineEnding::LF).expect("a key of fixed size always has a document");
        pem.as_str().to_owned()
    }

    /// Which key it is: the first 16 digits of the SHA-256 of the public key.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The public key.
    pub fn public_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }
}

/// Which key it is: the first 16 hexadecimal digits of the SHA-256 of the public key.
pub fn key_id(key: &VerifyingKey) -> String {
    let mut id = hex(&Sha256::digest(key.as_bytes()));
    id.truncate(16);
    id
}

/// The public key of 64 hexadecimal digits, as `bellbuoy keys show` prints it.
pub fn public_key(text: &str) -> Result<VerifyingKey, KeyError> {
    let fault = |message: String| KeyError { place: text.to_owned(), message };
    let digit = |at: usize| text.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let bytes: Option<Vec<u8>> = (0..32).map(|byte| digit(2 * byte)).collect();
    let bytes: Option<[u8; 32]> = bytes.filter(|_| text.len() == 64).and_then(|bytes| bytes.try_into().ok());
    let bytes = bytes.ok_or_else(|| fault("a public key is 64 hexadecimal digits".to_owned()))?;
    VerifyingKey::from_bytes(&bytes).map_err(|error| fault(format!("this is no Ed25519 public key ({error})")))
}

/// Gives a command its digest and, with a signer, its signature; nothing of it may change afterwards.
pub fn sign(command: &mut Command<'_>, signer: Option<&Signer>) {
    let digest = digest(command);
    command.signature = match signer {
        None => Signature::default(),
        Some(signer) => {
            use ed25519_dalek::Signer as _;
            let signature = signer.key.sign(&digest).to_bytes();
            Signature {
                algorithm: ALGORITHM.into(),
                key_id: signer.key_id.clone().into(),
                signature: signature.to_vec().into(),
            }
        }
    };
    command.digest = written(&digest);
}

/// Checks that a command is whole and signed by one of the keys that may.
pub fn verify(command: &Command<'_>, keys: &[VerifyingKey]) -> Result<(), SignatureError> {
    let digest = digest(command);
    if command.digest != written(&digest) {
        let (found, expected) = (command.digest.to_string(), written(&digest).to_string());
        return Err(SignatureError::Digest { found, expected });
    }
    let signature = &command.signature;
    match signature.algorithm.as_str() {
        ALGORITHM => {}
        "" => return Err(SignatureError::Unsigned),
        other => return Err(SignatureError::Algorithm { algorithm: other.to_owned() }),
    }
    let key = keys.iter().find(|key| key_id(key) == signature.key_id.as_str()).ok_or_else(|| {
        let allowed = keys.iter().map(key_id).collect::<Vec<_>>().join(", ");
        SignatureError::UnknownKey { key_id: signature.key_id.to_string(), allowed }
    })?;
    let bad = || SignatureError::Signature { key_id: signature.key_id.to_string() };
    let bytes = ed25519_dalek::Signature::from_slice(&signature.signature).map_err(|_| bad())?;
    key.verify_strict(&digest, &bytes).map_err(|_| bad())
}

/// SHA-256 over the command's record, digest and signature empty.
fn digest(command: &Command<'_>) -> [u8; 32] {
    let bare = Command { digest: Text::default(), signature: Signature::default(), ..command.clone() };
    let record = bare.encode().expect("a command is built of texts and finite numbers, which its schema always takes");
    Sha256::digest(&record).into()
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn written(digest: &[u8; 32]) -> Text<'static> {
    format!("sha256:{}", hex(digest)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer::from_seed(&[7; 32])
    }

    fn signed() -> Command<'static> {
        let mut command = Command { id: "c1".into(), reason: "because".into(), out_seq: 3, ..Command::default() };
        sign(&mut command, Some(&signer()));
        command
    }

    #[test]
    fn a_signed_command_verifies_after_a_journey_through_the_log() {
        let bytes = signed().encode().unwrap();
        let arrived = Command::decode(&bytes).unwrap();
        assert_eq!(verify(&arrived, &[Signer::from_seed(&[1; 32]).public_key(), signer().public_key()]), Ok(()));
        assert_eq!(signed(), signed(), "the same command and key give the same bytes");
    }

    #[test]
    fn a_change_of_anything_is_found() {
        let keys = [signer().public_key()];
        let altered = |change: fn(&mut Command<'static>)| {
            let mut command = signed();
            change(&mut command);
            verify(&command, &keys).unwrap_err()
        };
        assert!(matches!(altered(|c| c.reason = "else".into()), SignatureError::Digest { .. }));
        assert!(matches!(altered(|c| c.out_seq = 4), SignatureError::Digest { .. }));
        assert!(matches!(altered(|c| c.expires_at = 1), SignatureError::Digest { .. }));
        assert!(matches!(altered(|c| sign(c, None)), SignatureError::Unsigned));
        assert!(matches!(altered(|c| c.signature.algorithm = "none".into()), SignatureError::Algorithm { .. }));
        let forged = |c: &mut Command<'static>| {
            c.reason = "else".into();
            let key_id = c.signature.key_id.clone();
            sign(c, Some(&Signer::from_seed(&[8; 32])));
            c.signature.key_id = key_id;
        };
        assert!(matches!(altered(forged), SignatureError::Signature { .. }));
        assert!(matches!(altered(|c| sign(c, Some(&Signer::from_seed(&[8; 32])))), SignatureError::UnknownKey { .. }));
    }

    #[test]
    fn a_key_survives_its_file_and_what_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        std::fs::write(&file, signer().to_pem()).unwrap();
        let read = Signer::open(&file).unwrap();
        assert_eq!((read.key_id(), read.public_key()), (signer().key_id(), signer().public_key()));
        assert_eq!(read.key_id().len(), 16);
        assert_eq!(public_key(&hex(read.public_key().as_bytes())), Ok(read.public_key()));
        assert!(public_key("secret words").is_err());
        // As `openssl genpkey -algorithm ed25519` writes it.
        let openssl = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n-----END PRIVATE KEY-----\n";
        assert_eq!(signer().to_pem(), openssl);
        std::fs::write(&file, "secret words").unwrap();
        let error = Signer::open(&file).err().unwrap().to_string();
        assert!(
            error.contains("key.pem") && error.contains("bellbuoy keys generate") && !error.contains("secret"),
            "{error}"
        );
    }
}
