//! Stable 64-bit fingerprints (FNV-1a), the same on every machine and in every version.

/// A fingerprint of several fields; a separator keeps `ab,c` and `a,bc` apart.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of nothing.
    pub fn new() -> Self {
        Fingerprint(0xcbf2_9ce4_8422_2325)
    }

    /// Adds one field.
    pub fn field(self, bytes: &[u8]) -> Self {
        // 0xff occurs in no UTF-8 text, so no field can forge the boundary.
        Fingerprint(
            bytes
                .iter()
                .chain(&[0xff])
                .fold(self.0, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)),
        )
    }

    /// The fingerprint so far.
    pub fn value(self) -> u64 {
        self.0
    }
}

impl Default for Fingerprint {
    fn default() -> Self {
        Fingerprint::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_is_fnv_1a() {
        // FNV-1a of "a" is af63dc4c8601ec8c; one more step mixes the separator in.
        let of_a = 0xaf63_dc4c_8601_ec8c_u64;
        let expected = (of_a ^ 0xff).wrapping_mul(0x0000_0100_0000_01b3);
        assert_eq!(Fingerprint::new().field(b"a").value(), expected);
    }

    #[test]
    fn boundaries_count() {
        let one = Fingerprint::new().field(b"ab").field(b"c");
        let other = Fingerprint::new().field(b"a").field(b"bc");
        assert_ne!(one.value(), other.value());
    }
}
