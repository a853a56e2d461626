//! A set's folder: as it lies there, or unpacked from its archive for as long as it is needed.
//!
//! Invariant: nothing is written beside the data; what was unpacked is gone with the value.

use super::EvaluateError;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A set's folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _unpacked: Option<TempDir>,
}

impl Folder {
    /// True when the folder or its archive is there.
    pub(super) fn is_there(root: &Path, name: &str) -> bool {
        root.join(name).is_dir() || archive(root, name).is_file()
    }

    /// Opens the folder, or unpacks the archive into a temporary one.
    pub(super) fn open(root: &Path, name: &'static str) -> Result<Folder, EvaluateError> {
        let path = root.join(name);
        if path.is_dir() {
            return Ok(Folder { path, _unpacked: None });
        }
        let archive = archive(root, name);
        if !archive.is_file() {
            return Err(EvaluateError::Absent { root: root.to_owned(), name });
        }
        let failed = |message: String| EvaluateError::Unpack { archive: archive.clone(), message };
        let into = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
        let done = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(into.path()).output();
        let done = done.map_err(|error| failed(error.to_string()))?;
        if !done.status.success() {
            return Err(failed(String::from_utf8_lossy(&done.stderr).trim().to_owned()));
        }
        Ok(Folder { path: into.path().join(name), _unpacked: Some(into) })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn archive(root: &Path, name: &str) -> PathBuf {
    root.join(format!("{name}.tar.xz"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_named() {
        let root = tempfile::tempdir().expect("a temporary folder");
        assert!(!Folder::is_there(root.path(), "nezha_dev_metrics"));
        let error = Folder::open(root.path(), "nezha_dev_metrics").expect_err("nothing is there");
        assert!(error.to_string().contains("nezha_dev_metrics.tar.xz"), "{error}");
    }

    #[test]
    fn what_is_no_archive_says_so() {
        let root = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(root.path().join("rcb_dev.tar.xz"), b"no archive").expect("writable");
        let error = Folder::open(root.path(), "rcb_dev").expect_err("no archive");
        assert!(matches!(error, EvaluateError::Unpack { .. }), "{error}");
    }
}
