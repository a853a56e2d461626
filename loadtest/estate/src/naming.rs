//! Names as a cluster gives them: template hashes, pod suffixes, uids, container ids.

use crate::random::Random;

/// Letters of a ReplicaSet's template hash: the decimal digits after the API server's safe encoding.
const HASH_LETTERS: &[u8] = b"456789bcdf";
/// Letters of a generated suffix.
const SUFFIX_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const HEX: &[u8] = b"0123456789abcdef";

/// A template hash such as `7848d6c4d5`.
pub(crate) fn template_hash(random: &mut Random) -> String {
    let length = if random.chance(0.25) { 9 } else { 10 };
    letters(random, HASH_LETTERS, length)
}

/// The random end of a generated name such as `th9v2`.
pub(crate) fn suffix(random: &mut Random) -> String {
    letters(random, SUFFIX_LETTERS, 5)
}

/// A random uid, version 4.
pub(crate) fn uid(random: &mut Random) -> String {
    let (high, low) = (random.bits(), random.bits());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:x}{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        8 + ((low >> 62) & 0x3),
        (low >> 48) & 0xfff,
        low & 0xffff_ffff_ffff
    )
}

/// A container id: 64 hexadecimal digits.
pub(crate) fn container_id(random: &mut Random) -> String {
    letters(random, HEX, 64)
}

fn letters(random: &mut Random, alphabet: &[u8], length: usize) -> String {
    (0..length).map(|_| random.letter(alphabet)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_shapes_of_a_cluster() {
        let mut random = Random::new(3, "names");
        for _ in 0..200 {
            let hash = template_hash(&mut random);
            assert!((8..=10).contains(&hash.len()) && hash.bytes().all(|b| HASH_LETTERS.contains(&b)), "{hash}");
            let end = suffix(&mut random);
            assert!(end.len() == 5 && end.bytes().all(|b| SUFFIX_LETTERS.contains(&b)), "{end}");
            let uid = uid(&mut random);
            assert_eq!(uid.len(), 36);
            assert_eq!(uid.as_bytes()[14], b'4');
            assert!(b"89ab".contains(&uid.as_bytes()[19]), "{uid}");
        }
    }
}
