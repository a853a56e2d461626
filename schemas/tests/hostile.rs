//! Decoders meet bytes that somebody else chose: they answer with an error, never with a panic, a hang or a huge
//! allocation. The fuzz target in `fuzz/` runs the same function for as long as one likes.

use proptest::prelude::*;
use schemas::hostile::decode_as_everything;
use schemas::{Record, SchemaError, SchemaName, Signal, list};
use std::fs;
use std::path::Path;

#[test]
fn golden_bytes_hold_and_so_does_every_prefix_and_every_flipped_bit() {
    for golden in goldens() {
        decode_as_everything(&golden);
        for end in 0..golden.len() {
            decode_as_everything(&golden[..end]);
            decode_as_everything(&golden[10.min(end)..end]);
        }
        for bit in 0..golden.len().min(400) * 8 {
            let mut flipped = golden.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // Whole, and as a body, where the header does not stop it.
            let _ = schemas::json::render(&flipped);
            decode_as_everything(&flipped[10..]);
        }
    }
}

#[test]
fn an_array_that_claims_to_be_huge_is_an_error_before_anything_is_allocated() {
    // Up to `quality`, the first array of a signal; then a count.
    let before = Signal::default().encode().unwrap();
    let quality = before.len() - 4;
    assert_eq!(before[quality..], [0, 0, 14, 0], "quality, redacted, branch tick, positions");
    for count in [i64::MAX, i64::MIN, -(1 << 40), i64::from(u32::MAX), 1 << 40] {
        for rest in [&[][..], &[0][..], &[0; 64][..]] {
            let mut bytes = before[..quality].to_vec();
            zigzag(count, &mut bytes);
            bytes.extend_from_slice(rest);
            let error = Signal::decode(&bytes).unwrap_err();
            assert!(matches!(error, SchemaError::Malformed { name: SchemaName::Signal, .. }), "{count}: {error}");
        }
    }
}

#[test]
fn a_string_that_claims_to_be_longer_than_the_record_is_an_error() {
    let header = Signal::default().encode().unwrap()[..10].to_vec();
    for length in [i64::MAX, i64::MIN, -1, 1 << 33, 6] {
        let mut bytes = header.clone();
        zigzag(length, &mut bytes);
        bytes.extend_from_slice(b"short");
        assert!(matches!(Signal::decode(&bytes), Err(SchemaError::Malformed { .. })), "{length}");
    }
}

#[test]
fn text_that_is_not_utf8_and_unknown_branches_and_symbols_are_errors() {
    let good = Signal { tenant: "shop".into(), ..Signal::default() }.encode().unwrap();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Signal::decode(&bytes).map(|_| ()).unwrap_err().to_string()
    };
    assert!(with(11, 0xFF).contains("utf-8"));
    let branch = good.len() - 2;
    for byte in [20, 126, 1] {
        assert!(with(branch, byte).contains("iscriminant"), "{byte}");
    }
    let kind = 16;
    assert!(with(kind, 18).contains("iscriminant"));
}

#[test]
fn a_block_with_its_size_in_bytes_is_read_like_one_without() {
    // Another writer may say how many bytes a block has: count -1, then the size.
    let plain = Signal { quality: vec![schemas::signal::Quality::Lossy], ..Signal::default() }.encode().unwrap();
    let at = plain.len() - 6;
    assert_eq!(plain[at..at + 3], [2, 6, 0]);
    let sized = [&plain[..at], &[1, 2, 6, 0], &plain[at + 3..]].concat();
    assert_eq!(Signal::decode(&sized).unwrap(), Signal::decode(&plain).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_golden_bytes_never_make_a_decoder_panic(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..8),
    ) {
        let mut bytes = which.get(&goldens()).clone();
        for (at, byte, change) in changes {
            let at = 10 + at.index(bytes.len() - 10);
            match change {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ if bytes.len() > 12 => drop(bytes.remove(at)),
                _ => {}
            }
        }
        decode_as_everything(&bytes);
        decode_as_everything(&bytes[10..]);
    }

    #[test]
    fn random_bytes_never_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        decode_as_everything(&bytes);
    }
}

fn goldens() -> Vec<Vec<u8>> {
    let golden = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/golden"));
    let mut files = Vec::new();
    for published in list() {
        for entry in fs::read_dir(golden.join(published.name.as_str())).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "bin") {
                files.push(path);
            }
        }
    }
    files.sort();
    files.dedup();
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Avro's variable-length integer.
fn zigzag(number: i64, bytes: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}
