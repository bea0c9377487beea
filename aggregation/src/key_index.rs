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

    fn position(&self, hash: u32, probe: usize) -> usize {
        (hash as usize).wrapping_add(probe) & (self.slots.len() - 1)
    }
}

/// A quick hash of a text; good enough to spread honest keys.
pub(crate) fn hash_of_text(text: &str) -> u32 {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let mut tail = [0; 8];
    tail[..rest.len()].copy_from_slice(rest);
    let start = mix(text.len() as u64);
    let body = words
        .iter()
        .fold(start, |hash, word| mix(hash ^ u64::from_le_bytes(*word)));
    fold(mix(body ^ u64::from_le_bytes(tail)))
}

/// The same for a number of 128 bits.
pub(crate) fn hash_of_number(number: u128) -> u32 {
    let bytes = number.to_le_bytes();
    let (words, _) = bytes.as_chunks::<8>();
    fold(
        words
            .iter()
            .fold(0, |hash, word| mix(hash ^ u64::from_le_bytes(*word))),
    )
}

fn mix(value: u64) -> u64 {
    // The odd constant is 2^64 divided by the golden ratio; the shift brings high bits down again.
    let spread = value.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    spread ^ (spread >> 32)
}

fn fold(value: u64) -> u32 {
    let [a, b, c, d, ..] = (value ^ (value >> 32)).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

const MAX_PROBES: usize = 64;
const MIN_SLOTS: usize = 64;
