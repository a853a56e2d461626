//! Randomness that is the same on every machine: xoshiro256++ seeded through splitmix64.
//!
//! Invariant: each concern draws from its own named stream, so that one more draw here never shifts the draws there.

/// A stream of pseudo-random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: [u64; 4],
}

impl Random {
    /// The stream called `name` of `seed`.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        // FNV-1a of the name tells the streams of one seed apart.
        let named = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        let mut mixer = seed ^ named;
        let state = [(); 4].map(|()| splitmix(&mut mixer));
        Random { state }
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// A number in `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number in `[low, high)`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number in `[0, limit)`; 0 for a limit of 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(limit)) >> 64) as u64
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Bell-shaped noise of mean 0 and deviation 1 that never leaves ±3.5: normal operation has no freak values.
    pub(crate) fn bell(&mut self) -> f64 {
        let sum = self.unit() + self.unit() + self.unit() + self.unit();
        (sum - 2.0) * 1.732_050_807_568_877_2
    }

    /// A Poisson count of a small mean.
    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        let limit = libm::exp(-mean);
        let mut product = self.unit();
        let mut count = 0;
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// One of the letters.
    pub(crate) fn letter(&mut self, alphabet: &[u8]) -> char {
        char::from(alphabet[self.below(alphabet.len() as u64) as usize])
    }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_repeats_and_two_streams_differ() {
        let mut first = Random::new(7, "pods");
        let mut again = Random::new(7, "pods");
        let mut other = Random::new(7, "flows");
        let draws: Vec<u64> = (0..8).map(|_| first.bits()).collect();
        assert_eq!(draws, (0..8).map(|_| again.bits()).collect::<Vec<_>>());
        assert_ne!(draws, (0..8).map(|_| other.bits()).collect::<Vec<_>>());
    }

    #[test]
    fn noise_has_mean_0_deviation_1_and_bounds() {
        let mut random = Random::new(1, "noise");
        let draws: Vec<f64> = (0..20_000).map(|_| random.bell()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        assert!(draws.iter().all(|x| x.abs() < 3.5));
    }

    #[test]
    fn poisson_counts_have_their_mean() {
        let mut random = Random::new(1, "counts");
        let total: u32 = (0..20_000).map(|_| random.poisson(0.7)).sum();
        assert!((f64::from(total) / 20_000.0 - 0.7).abs() < 0.03);
    }
}
