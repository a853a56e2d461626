//! A data set's folder, unpacked once from the archive that `BELLBUOY_DATA` holds.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The unpacked folder of a data set; none, said aloud, where there is no data and none is required.
pub fn folder(name: &str) -> Option<PathBuf> {
    let required = std::env::var("BELLBUOY_DATA_REQUIRED").is_ok_and(|value| value == "1");
    let reason = match std::env::var_os("BELLBUOY_DATA") {
        None => "BELLBUOY_DATA is not set".to_owned(),
        Some(root) => match unpacked(Path::new(&root), name) {
            Ok(folder) => return Some(folder),
            Err(reason) => reason,
        },
    };
    assert!(!required, "the labelled data {name} are required, but {reason}");
    println!("skipped, because {reason}");
    None
}

fn unpacked(root: &Path, name: &str) -> Result<PathBuf, String> {
    let there = root.join(name);
    if there.is_dir() {
        return Ok(there);
    }
    let archive = root.join(format!("{name}.tar.xz"));
    if !archive.is_file() {
        return Err(format!("BELLBUOY_DATA has neither {name} nor {name}.tar.xz"));
    }
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("labelled");
    let folder = cache.join(name);
    if !folder.is_dir() {
        // Unpack aside and rename, so that an interrupted run leaves no half folder behind.
        let aside = cache.join(format!("{name}.{}", std::process::id()));
        std::fs::create_dir_all(&aside).map_err(|error| error.to_string())?;
        let done = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(&aside).status();
        if !done.is_ok_and(|status| status.success()) {
            return Err(format!("tar could not unpack {name}.tar.xz"));
        }
        std::fs::rename(aside.join(name), &folder).map_err(|error| error.to_string())?;
        std::fs::remove_dir(&aside).map_err(|error| error.to_string())?;
    }
    Ok(folder)
}
