//! The form of a checkpoint.
//!
//! An 8-byte magic, the length of the marker (4 bytes, little-endian), the marker as JSON, then zstd over
//! `(key length, key, value length, value)*` sorted by key, ended by a key length of `u32::MAX` and the number of
//! entries (8 bytes), and at last the SHA-256 of everything before it. Lengths are 4 bytes, little-endian.

use super::Verified;
use crate::state::{Marker, Snapshot};
use sha2::{Digest as _, Sha256};
use std::io::{Read, Write};

const MAGIC: &[u8; 8] = b"BBSNAP1\n";
const CHECKSUM_BYTES: usize = 32;
const END: u32 = u32::MAX;
/// No key or value is larger than this; a length beyond it is damage.
const MAX_PART_BYTES: u32 = 1 << 30;

pub(super) fn encode(marker: &Marker, snapshot: Box<dyn Snapshot>) -> Result<Vec<u8>, String> {
    let json = serde_json::to_vec(marker).map_err(|e| e.to_string())?;
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&(json.len() as u32).to_le_bytes());
    out.extend_from_slice(&json);
    let mut zstd = zstd::Encoder::new(out, 1).map_err(|e| e.to_string())?;
    let (mut count, mut failure) = (0u64, None);
    let entries = snapshot.entries(&mut |key, value| {
        count += 1;
        for part in [key, value] {
            let written = zstd.write_all(&(part.len() as u32).to_le_bytes()).and_then(|()| zstd.write_all(part));
            failure = failure.take().or(written.err());
        }
    });
    entries.map_err(|e| e.to_string())?;
    if let Some(error) = failure {
        return Err(error.to_string());
    }
    zstd.write_all(&END.to_le_bytes())
        .and_then(|()| zstd.write_all(&count.to_le_bytes()))
        .map_err(|e| e.to_string())?;
    let mut out = zstd.finish().map_err(|e| e.to_string())?;
    let checksum = Sha256::digest(&out);
    out.extend_from_slice(&checksum);
    Ok(out)
}

pub(super) fn split_marker(bytes: &[u8]) -> Result<(Marker, &[u8]), String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin as a snapshot does")?;
    let (length, rest) = rest.split_first_chunk().ok_or("it ends within its head")?;
    let length = u32::from_le_bytes(*length) as usize;
    let json = rest.get(..length).ok_or("it ends within its marker")?;
    let marker = serde_json::from_slice(json).map_err(|e| format!("its marker cannot be read: {e}"))?;
    Ok((marker, &rest[length..]))
}

pub(super) fn decode(bytes: &[u8], put: &mut dyn FnMut(Vec<u8>, Vec<u8>)) -> Result<Verified, String> {
    let end = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or("it is too short")?;
    let (content, checksum) = bytes.split_at(end);
    if Sha256::digest(content)[..] != *checksum {
        return Err("its checksum does not match its content".to_owned());
    }
    let (marker, compressed) = split_marker(content)?;
    let mut zstd = zstd::Decoder::new(compressed).map_err(|e| e.to_string())?;
    let mut entries = 0;
    loop {
        let length = read_u32(&mut zstd)?;
        if length == END {
            break;
        }
        let key = read_part(&mut zstd, length)?;
        let length = read_u32(&mut zstd)?;
        put(key, read_part(&mut zstd, length)?);
        entries += 1;
    }
    let mut count = [0; 8];
    zstd.read_exact(&mut count).map_err(|e| e.to_string())?;
    if u64::from_le_bytes(count) != entries {
        return Err(format!("it promises {} entries and holds {entries}", u64::from_le_bytes(count)));
    }
    Ok(Verified { marker, entries })
}

fn read_u32(from: &mut impl Read) -> Result<u32, String> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes).map_err(|e| e.to_string())?;
    Ok(u32::from_le_bytes(bytes))
}

fn read_part(from: &mut impl Read, length: u32) -> Result<Vec<u8>, String> {
    if length > MAX_PART_BYTES {
        return Err(format!("a part of {length} bytes is longer than any that is written"));
    }
    let mut part = Vec::new();
    let read = from.take(u64::from(length)).read_to_end(&mut part).map_err(|e| e.to_string())?;
    if read == length as usize { Ok(part) } else { Err("it ends within an entry".to_owned()) }
}
