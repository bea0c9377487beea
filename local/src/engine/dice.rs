//! Chance, the same on every machine for the same seed.

/// A small generator (SplitMix64). Its sequence is fixed here rather than by a crate's release, so that a seed
/// written into a bug report gives the same history for good.
#[derive(Debug, Clone)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0 if that is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // The high half of the product is below the bound, whatever was drawn.
        let scaled = (u128::from(self.next()) * bound as u128) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }

    /// Whether an event of this chance, in parts per million, happens.
    pub(crate) fn happens(&mut self, per_million: u32) -> bool {
        per_million > 0 && self.below(1_000_000) < per_million as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_published_sequence() {
        // Vectors of the reference implementation of SplitMix64.
        let mut dice = Dice::new(1_234_567);
        assert_eq!(dice.next(), 6_457_827_717_110_365_317);
        assert_eq!(dice.next(), 3_203_168_211_198_807_973);
        assert_eq!(dice.next(), 9_817_491_932_198_370_423);
    }

    #[test]
    fn below_stays_below_and_reaches_all() {
        let mut dice = Dice::new(1);
        let mut seen = [0; 7];
        for _ in 0..7_000 {
            seen[dice.below(7)] += 1;
        }
        assert!(
            seen.iter().all(|&count| (800..1_200).contains(&count)),
            "{seen:?}"
        );
        assert_eq!(dice.below(0), 0);
    }

    #[test]
    fn chance_is_in_parts_per_million() {
        let mut dice = Dice::new(2);
        let mut hits = |chance| (0..10_000).filter(|_| dice.happens(chance)).count();
        assert_eq!((hits(0), hits(1_000_000)), (0, 10_000));
        assert!((2_300..2_700).contains(&hits(250_000)));
    }
}
