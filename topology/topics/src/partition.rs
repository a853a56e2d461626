//! The partition of a key: Kafka's default for keyed records, so that any producer and the embedded log agree.

/// The partition of `key` among `partitions`: murmur2 with its sign bit cleared, modulo the count.
///
/// # Panics
/// Where `partitions` is 0: a topic has at least one.
pub fn partition_for(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7FFF_FFFF) % partitions
}

/// Austin Appleby's MurmurHash2, 32 bits, with the seed Kafka's Java client uses.
pub fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_B28C;
    const MULTIPLIER: u32 = 0x5BD1_E995;

    let mut hash = SEED ^ key.len() as u32;
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let mut mixed = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        mixed = (mixed ^ (mixed >> 24)).wrapping_mul(MULTIPLIER);
        hash = hash.wrapping_mul(MULTIPLIER) ^ mixed;
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, &byte| (tail << 8) | u32::from(byte));
        hash = (hash ^ tail).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_kafkas_java_client() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn partitions_clear_the_sign_instead_of_negating_it() {
        // -973932308 with its sign bit cleared is 1173551340.
        assert_eq!(partition_for(b"21", 12), 1_173_551_340 % 12);
        assert_eq!(partition_for(b"", 1), 0);
    }

    #[test]
    fn keys_spread_over_all_partitions() {
        let mut seen = [0; 12];
        for number in 0..1_200 {
            let key = crate::signal_key("acme", "prod", &format!("workload/shop/Deployment/cart-{number}"));
            seen[partition_for(key.as_bytes(), 12) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| (50..150).contains(&count)), "{seen:?}");
    }
}
