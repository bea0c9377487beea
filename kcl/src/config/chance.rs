//! Where a consumer's jitter and shuffling come from.

use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use super::{ConsumerConfig, ConsumerConfigBuilder};

impl ConsumerConfig {
    /// A generator for one place of this worker: seeded if the consumer is, by chance if not.
    pub(crate) fn rng(&self, place: &str) -> SmallRng {
        SmallRng::seed_from_u64(match self.seed {
            // No two workers draw the same, whoever gave them the same seed.
            Some(seed) => mix(seed, &[self.worker_id().as_str(), place]),
            None => rand::random(),
        })
    }

    /// Whether the same course of events is to make the same calls.
    pub(crate) fn is_seeded(&self) -> bool {
        self.seed.is_some()
    }
}

impl ConsumerConfigBuilder {
    /// Draws jitter and shuffling from this seed: for tests in virtual time, where the same answers at the same moments
    /// are to give the same calls. Give the worker a [`worker_id`](Self::worker_id) as well. Listings of shards are then
    /// repeated without a pause, since the SDK's own jitter has no seed. Default: none, every run is different.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}

/// FNV-1a over the texts, each with an end that no text contains.
fn mix(seed: u64, texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0xff]));
    bytes.fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;

    use super::*;

    fn draw(seed: Option<u64>, worker: &str, place: &str) -> u64 {
        let builder = ConsumerConfig::builder("stock", "sales").worker_id(worker);
        let builder = match seed {
            Some(seed) => builder.seed(seed),
            None => builder,
        };
        builder.build().expect("valid").rng(place).random()
    }

    #[test]
    fn a_seed_gives_each_worker_and_place_numbers_of_its_own() {
        let one = draw(Some(7), "a", "audit");
        assert_eq!(one, draw(Some(7), "a", "audit"));
        for (seed, worker, place) in [
            (8, "a", "audit"),
            (7, "b", "audit"),
            (7, "a", "start"),
            (7, "aa", "udit"),
        ] {
            assert_ne!(one, draw(Some(seed), worker, place), "{seed} {worker} {place}");
        }
    }

    #[test]
    fn without_a_seed_every_run_is_different() {
        assert_ne!(draw(None, "a", "audit"), draw(None, "a", "audit"));
    }
}
