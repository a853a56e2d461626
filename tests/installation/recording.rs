//! What a real Collector wrote: a recording of it, and how it wraps the lines that it reads.

use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A line of a file as the Collector's filelog receiver and its exporter's `raw` encoding leave it: a JSON string. That it
/// is so to the byte `tests/real_input` shows.
pub fn collected(line: &str) -> Vec<u8> {
    serde_json::Value::from(line).to_string().into_bytes()
}

/// The recording's folder, unpacked if need be.
pub fn capture() -> Option<(PathBuf, Option<TempDir>)> {
    let data = std::env::var_os("BELLBUOY_DATA").map(PathBuf::from);
    let folder = data.as_deref().map(|data| data.join("rig_capture"));
    if let Some(folder) = folder.filter(|folder| folder.join("k8s-audit.jsonl").exists()) {
        return Some((folder, None));
    }
    let archive = data.as_deref().map(|data| data.join("rig_capture.tar.xz"));
    if let Some(archive) = archive.filter(|archive| archive.exists()) {
        let unpacked = tempfile::tempdir().expect("a temporary folder can be made");
        let status = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(unpacked.path()).status();
        assert!(status.is_ok_and(|status| status.success()), "{} cannot be unpacked", archive.display());
        let inside = |folder: &Path| folder.join("k8s-audit.jsonl").exists().then(|| folder.to_owned());
        let folder = inside(&unpacked.path().join("rig_capture")).or_else(|| inside(unpacked.path()));
        return Some((folder.expect("the archive holds rig_capture"), Some(unpacked)));
    }
    let required = std::env::var("BELLBUOY_DATA_REQUIRED").is_ok_and(|value| value == "1");
    assert!(!required, "BELLBUOY_DATA names no folder with rig_capture or rig_capture.tar.xz");
    println!("skipped, because BELLBUOY_DATA names no folder with rig_capture or rig_capture.tar.xz");
    None
}
