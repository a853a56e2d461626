//! `keys`: the key that signs commands.

use crate::error::Error;
use crate::listing;
use clap::Subcommand;
use schemas::signing::{Signer, hex};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where the system gives random bytes.
const RANDOM: &str = "/dev/urandom";

/// Commands about signing keys.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make an Ed25519 key, in a new file that only its owner reads
    Generate {
        /// The file, which must not exist
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// The id and public key of a key
    Show {
        /// The file of the private key
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

pub(super) fn execute(command: &Keys) -> Result<(), Error> {
    let signer = match command {
        Keys::Generate { file } => generate(file)?,
        Keys::Show { file } => Signer::open(file).map_err(|error| Error::Usage(error.to_string()))?,
    };
    let public = hex(signer.public_key().as_bytes());
    listing::text(&format!("key id      {}\npublic key  {public}\n", signer.key_id()))
}

/// Makes a key and writes it; an existing file is left as it is.
fn generate(file: &Path) -> Result<Signer, Error> {
    let mut seed = [0; 32];
    let random = Path::new(RANDOM);
    File::open(random)
        .and_then(|mut source| source.read_exact(&mut seed))
        .map_err(|error| Error::file(random, error))?;
    let signer = Signer::from_seed(&seed);
    let write = || {
        let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        out.write_all(signer.to_pem().as_bytes())?;
        out.sync_all()
    };
    write().map_err(|error| Error::file(file, error))?;
    Ok(signer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_new_its_owners_alone_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one.pem"), folder.path().join("other.pem"));
        let made = generate(&one).unwrap();
        assert_eq!(std::fs::metadata(&one).unwrap().permissions().mode() & 0o777, 0o600);
        assert_ne!(made.key_id(), generate(&other).unwrap().key_id());
        assert!(generate(&one).is_err());
        assert_eq!(Signer::open(&one).unwrap().key_id(), made.key_id());
        std::fs::write(&other, "no key").unwrap();
        assert_eq!(execute(&Keys::Show { file: other }).unwrap_err().exit_code(), 64);
    }
}
