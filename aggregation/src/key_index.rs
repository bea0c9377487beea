//! Finds a key's place in a table of keys, in bounded time.
//!
//! Leaving a repeated key out of the table only saves bytes: a table which holds a key twice is as valid.
//! So the search may give up. That is what makes chosen keys harmless: however they collide, a look-up
//! costs [`MAX_PROBES`] steps, and the aggregate is larger than it could be.

use alloc::vec::Vec;

/// Open addressing over the hashes; the keys themselves stay with their owner.
#[derive(Debug, Default)]
pub(crate) struct KeyIndex {
    slots: Vec<Slot>,
    used: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u32,
    /// Place in the table plus one; 0 marks a free slot.
    entry: u32,
}

impl KeyIndex {
    /// The place of the key which has this hash and is the `same`.
    pub(crate) fn find(&self, hash: u32, mut same: impl FnMut(usize) -> bool) -> Option<usize> {
        for probe in 0..MAX_PROBES.min(self.slots.len()) {
            let slot = self.slots[self.position(hash, probe)];
            if slot.entry == 0 {
                return None;
            }
            let place = slot.entry as usize - 1;
            if slot.hash == hash && same(place) {
                return Some(place);
            }
        }
        None
    }

    /// Remembers that the key with this hash stands at `place`.
    pub(crate) fn insert(&mut self, hash: u32, place: usize) {
        // A table of more than four thousand million keys is beyond the largest aggregate; its tail would
        // merely not be found again.
        let Some(entry) = u32::try_from(place).ok().and_then(|place| place.checked_add(1)) else {
            return;
        };
        if (self.used + 1) * 2 > self.slots.len() {
            self.grow();
        }
        self.store(Slot { hash, entry });
    }

    /// Forgets all keys and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.slots.fill(Slot::default());
        self.used = 0;
    }

    fn grow(&mut self) {
        let doubled = (self.slots.len() * 2).max(MIN_SLOTS);
        let old = core::mem::replace(&mut self.slots, alloc::vec![Slot::default(); doubled]);
        self.used = 0;
        for slot in old.into_iter().filter(|slot| slot.entry != 0) {
            self.store(slot);
        }
    }

    fn store(&mut self, slot: Slot) {
        for probe in 0..MAX_PROBES.min(self.slots.len()) {
            let position = self.position(slot.hash, probe);
            if self.slots[position].entry == 0 {
                self.slots[position] = slot;
                self.used += 1;
                return;
            }
        }
    }

    /// Steps grow by one each time, which visits every slot of a power of two and keeps neighbours apart.
    fn position(&self, hash: u32, probe: usize) -> usize {
        (hash as usize).wrapping_add(probe * (probe + 1) / 2) & (self.slots.len() - 1)
    }
}

/// A quick hash of a text, good enough to spread honest keys.
pub(crate) fn hash_of_text(text: &str) -> u32 {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let mut tail = [0; 8];
    tail[..rest.len()].copy_from_slice(rest);
    let body = words.iter().fold(text.len() as u64, |hash, word| {
        mix(hash, u64::from_le_bytes(*word))
    });
    finish(mix(body, u64::from_le_bytes(tail)))
}

/// The same for a number of 128 bits.
pub(crate) fn hash_of_number(number: u128) -> u32 {
    let bytes = number.to_le_bytes();
    let (words, _) = bytes.as_chunks::<8>();
    finish(
        words
            .iter()
            .fold(0, |hash, word| mix(hash, u64::from_le_bytes(*word))),
    )
}

/// Multiplying carries each bit upwards only, so the upper half is brought down as well.
fn mix(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(SPREAD);
    product ^ (product >> 32)
}

fn finish(hash: u64) -> u32 {
    (mix(hash, 0).wrapping_mul(SPREAD) >> 32) as u32
}

/// 2^64 divided by the golden ratio, made odd.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
const MAX_PROBES: usize = 64;
const MIN_SLOTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts each key in, in turn, and says how many were found again.
    fn found_again(keys: &[String], hash: impl Fn(&str) -> u32) -> usize {
        let mut index = KeyIndex::default();
        for (place, key) in keys.iter().enumerate() {
            index.insert(hash(key), place);
        }
        let is_found = |(place, key): (usize, &String)| {
            index.find(hash(key), |candidate| keys[candidate] == *key) == Some(place)
        };
        keys.iter().enumerate().filter(|pair| is_found(*pair)).count()
    }

    #[test]
    fn honest_keys_are_all_found_again() {
        let families: [fn(usize) -> String; 6] = [
            |n| format!("key-{n}"),
            |n| format!("{n}"),
            |n| format!("{n:08}"),
            |n| format!("{n:032x}"),
            |n| format!("tenant/{}/user/{}", n % 7, n),
            |n| format!("{n:x}{}", "z".repeat(n % 19)),
        ];
        for family in families {
            let keys: Vec<String> = (0..20_000).map(family).collect();
            assert_eq!(found_again(&keys, hash_of_text), keys.len(), "{}", keys[0]);
        }
    }

    #[test]
    fn numbers_in_any_part_spread() {
        for shift in [0, 8, 32, 60, 64, 100, 112] {
            let mut index = KeyIndex::default();
            let numbers: Vec<u128> = (0..10_000).map(|n| n << shift).collect();
            for (place, number) in numbers.iter().enumerate() {
                index.insert(hash_of_number(*number), place);
            }
            for (place, number) in numbers.iter().enumerate() {
                let found = index.find(hash_of_number(*number), |candidate| numbers[candidate] == *number);
                assert_eq!(found, Some(place), "{number:x}");
            }
        }
    }

    #[test]
    fn colliding_keys_cost_bounded_steps_and_are_forgotten_beyond() {
        let keys: Vec<String> = (0..5_000).map(|n| format!("key-{n}")).collect();
        assert_eq!(found_again(&keys, |_| 7), MAX_PROBES);

        let mut index = KeyIndex::default();
        for place in 0..5_000 {
            index.insert(7, place);
        }
        let mut steps = 0;
        let found = index.find(7, |_| {
            steps += 1;
            false
        });
        assert_eq!((found, steps), (None, MAX_PROBES));
        assert!(
            index.slots.len() <= 4 * MAX_PROBES,
            "collisions do not make the index grow"
        );
    }

    #[test]
    fn clearing_forgets() {
        let mut index = KeyIndex::default();
        index.insert(1, 0);
        index.clear();
        assert_eq!(index.find(1, |_| true), None);
        assert_eq!(KeyIndex::default().find(1, |_| true), None);
    }
}
