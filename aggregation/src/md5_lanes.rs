//! MD5 of several messages at once.
//!
//! One MD5 is a single chain of dependent steps and leaves most of a core idle. Four messages side by side are four
//! chains, in the four lanes of the vector registers that every 64-bit machine has: about three times as many bytes in
//! the same time. The steps are written out, lane by lane, so that the compiler turns the loop over the lanes into
//! vector instructions by itself.
//!
//! The tests hold it to the `md-5` crate, which digests what comes alone.

use alloc::vec::Vec;

use crate::envelope::DIGEST_LEN;
use crate::hash_key::md5_of;

/// The digests of all messages, in their order.
pub(crate) fn md5_of_all(messages: &[&[u8]]) -> Vec<[u8; DIGEST_LEN]> {
    let mut digests = Vec::with_capacity(messages.len());
    for group in messages.chunks(LANES) {
        match *group {
            [alone] => digests.push(md5_of(alone)),
            _ => digests.extend_from_slice(&md5_of_group(group)[..group.len()]),
        }
    }
    digests
}

/// The digests of four messages.
pub(crate) fn md5_of_four(messages: [&[u8]; LANES]) -> [[u8; DIGEST_LEN]; LANES] {
    md5_of_group(&messages)
}

/// As many as there are messages; the other lanes idle.
fn md5_of_group(messages: &[&[u8]]) -> [[u8; DIGEST_LEN]; LANES] {
    let mut states = [[0; LANES]; 4];
    for (state, start) in states.iter_mut().zip(START) {
        *state = [start; LANES];
    }
    let blocks = |message: &[u8]| (message.len() + PADDING).div_ceil(BLOCK);
    let most = messages.iter().map(|message| blocks(message)).max().unwrap_or(0);
    let mut digests = [[0; DIGEST_LEN]; LANES];
    let mut words = [[0; LANES]; BLOCK / 4];
    for place in 0..most {
        for (lane, message) in messages.iter().enumerate() {
            fill(&mut words, lane, message, place);
        }
        compress(&mut states, &words);
        for (lane, message) in messages.iter().enumerate() {
            // What is longer goes on; what it does to the other lanes is looked at no more.
            if place + 1 == blocks(message) {
                for (bytes, state) in digests[lane].chunks_exact_mut(4).zip(&states) {
                    bytes.copy_from_slice(&state[lane].to_le_bytes());
                }
            }
        }
    }
    digests
}

/// Puts a block of a message into its lane: bytes, then the end mark, zeros, and the length in bits.
fn fill(words: &mut [[u32; LANES]; BLOCK / 4], lane: usize, message: &[u8], place: usize) {
    let start = place * BLOCK;
    if let Some(block) = message.get(start..start + BLOCK) {
        return load(words, lane, block);
    }
    let mut block = [0; BLOCK];
    let rest = message.get(start..).unwrap_or_default();
    block[..rest.len()].copy_from_slice(rest);
    if start <= message.len() {
        block[rest.len()] = END_MARK;
    }
    if rest.len() + PADDING <= BLOCK {
        let bits = (message.len() as u64).wrapping_mul(8);
        block[BLOCK - 8..].copy_from_slice(&bits.to_le_bytes());
    }
    load(words, lane, &block);
}

fn load(words: &mut [[u32; LANES]; BLOCK / 4], lane: usize, block: &[u8]) {
    let (chunks, _) = block.as_chunks::<4>();
    for (word, bytes) in words.iter_mut().zip(chunks) {
        word[lane] = u32::from_le_bytes(*bytes);
    }
}

/// One block of each lane. Source: RFC 1321, section 3.4. Written out: a loop over the steps is not turned into vectors.
#[inline(never)]
fn compress(states: &mut [[u32; LANES]; 4], block: &[[u32; LANES]; BLOCK / 4]) {
    for lane in 0..LANES {
        let (mut a, mut b) = (states[0][lane], states[1][lane]);
        let (mut c, mut d) = (states[2][lane], states[3][lane]);
        // Round 1.
        a = step(b, a, choose(b, c, d), block[0][lane], 0xd76a_a478, 7);
        d = step(a, d, choose(a, b, c), block[1][lane], 0xe8c7_b756, 12);
        c = step(d, c, choose(d, a, b), block[2][lane], 0x2420_70db, 17);
        b = step(c, b, choose(c, d, a), block[3][lane], 0xc1bd_ceee, 22);
        a = step(b, a, choose(b, c, d), block[4][lane], 0xf57c_0faf, 7);
        d = step(a, d, choose(a, b, c), block[5][lane], 0x4787_c62a, 12);
        c = step(d, c, choose(d, a, b), block[6][lane], 0xa830_4613, 17);
        b = step(c, b, choose(c, d, a), block[7][lane], 0xfd46_9501, 22);
        a = step(b, a, choose(b, c, d), block[8][lane], 0x6980_98d8, 7);
        d = step(a, d, choose(a, b, c), block[9][lane], 0x8b44_f7af, 12);
        c = step(d, c, choose(d, a, b), block[10][lane], 0xffff_5bb1, 17);
        b = step(c, b, choose(c, d, a), block[11][lane], 0x895c_d7be, 22);
        a = step(b, a, choose(b, c, d), block[12][lane], 0x6b90_1122, 7);
        d = step(a, d, choose(a, b, c), block[13][lane], 0xfd98_7193, 12);
        c = step(d, c, choose(d, a, b), block[14][lane], 0xa679_438e, 17);
        b = step(c, b, choose(c, d, a), block[15][lane], 0x49b4_0821, 22);
        // Round 2.
        a = step(b, a, choose(d, b, c), block[1][lane], 0xf61e_2562, 5);
        d = step(a, d, choose(c, a, b), block[6][lane], 0xc040_b340, 9);
        c = step(d, c, choose(b, d, a), block[11][lane], 0x265e_5a51, 14);
        b = step(c, b, choose(a, c, d), block[0][lane], 0xe9b6_c7aa, 20);
        a = step(b, a, choose(d, b, c), block[5][lane], 0xd62f_105d, 5);
        d = step(a, d, choose(c, a, b), block[10][lane], 0x0244_1453, 9);
        c = step(d, c, choose(b, d, a), block[15][lane], 0xd8a1_e681, 14);
        b = step(c, b, choose(a, c, d), block[4][lane], 0xe7d3_fbc8, 20);
        a = step(b, a, choose(d, b, c), block[9][lane], 0x21e1_cde6, 5);
        d = step(a, d, choose(c, a, b), block[14][lane], 0xc337_07d6, 9);
        c = step(d, c, choose(b, d, a), block[3][lane], 0xf4d5_0d87, 14);
        b = step(c, b, choose(a, c, d), block[8][lane], 0x455a_14ed, 20);
        a = step(b, a, choose(d, b, c), block[13][lane], 0xa9e3_e905, 5);
        d = step(a, d, choose(c, a, b), block[2][lane], 0xfcef_a3f8, 9);
        c = step(d, c, choose(b, d, a), block[7][lane], 0x676f_02d9, 14);
        b = step(c, b, choose(a, c, d), block[12][lane], 0x8d2a_4c8a, 20);
        // Round 3.
        a = step(b, a, parity(b, c, d), block[5][lane], 0xfffa_3942, 4);
        d = step(a, d, parity(a, b, c), block[8][lane], 0x8771_f681, 11);
        c = step(d, c, parity(d, a, b), block[11][lane], 0x6d9d_6122, 16);
        b = step(c, b, parity(c, d, a), block[14][lane], 0xfde5_380c, 23);
        a = step(b, a, parity(b, c, d), block[1][lane], 0xa4be_ea44, 4);
        d = step(a, d, parity(a, b, c), block[4][lane], 0x4bde_cfa9, 11);
        c = step(d, c, parity(d, a, b), block[7][lane], 0xf6bb_4b60, 16);
        b = step(c, b, parity(c, d, a), block[10][lane], 0xbebf_bc70, 23);
        a = step(b, a, parity(b, c, d), block[13][lane], 0x289b_7ec6, 4);
        d = step(a, d, parity(a, b, c), block[0][lane], 0xeaa1_27fa, 11);
        c = step(d, c, parity(d, a, b), block[3][lane], 0xd4ef_3085, 16);
        b = step(c, b, parity(c, d, a), block[6][lane], 0x0488_1d05, 23);
        a = step(b, a, parity(b, c, d), block[9][lane], 0xd9d4_d039, 4);
        d = step(a, d, parity(a, b, c), block[12][lane], 0xe6db_99e5, 11);
        c = step(d, c, parity(d, a, b), block[15][lane], 0x1fa2_7cf8, 16);
        b = step(c, b, parity(c, d, a), block[2][lane], 0xc4ac_5665, 23);
        // Round 4.
        a = step(b, a, mix(b, c, d), block[0][lane], 0xf429_2244, 6);
        d = step(a, d, mix(a, b, c), block[7][lane], 0x432a_ff97, 10);
        c = step(d, c, mix(d, a, b), block[14][lane], 0xab94_23a7, 15);
        b = step(c, b, mix(c, d, a), block[5][lane], 0xfc93_a039, 21);
        a = step(b, a, mix(b, c, d), block[12][lane], 0x655b_59c3, 6);
        d = step(a, d, mix(a, b, c), block[3][lane], 0x8f0c_cc92, 10);
        c = step(d, c, mix(d, a, b), block[10][lane], 0xffef_f47d, 15);
        b = step(c, b, mix(c, d, a), block[1][lane], 0x8584_5dd1, 21);
        a = step(b, a, mix(b, c, d), block[8][lane], 0x6fa8_7e4f, 6);
        d = step(a, d, mix(a, b, c), block[15][lane], 0xfe2c_e6e0, 10);
        c = step(d, c, mix(d, a, b), block[6][lane], 0xa301_4314, 15);
        b = step(c, b, mix(c, d, a), block[13][lane], 0x4e08_11a1, 21);
        a = step(b, a, mix(b, c, d), block[4][lane], 0xf753_7e82, 6);
        d = step(a, d, mix(a, b, c), block[11][lane], 0xbd3a_f235, 10);
        c = step(d, c, mix(d, a, b), block[2][lane], 0x2ad7_d2bb, 15);
        b = step(c, b, mix(c, d, a), block[9][lane], 0xeb86_d391, 21);
        states[0][lane] = states[0][lane].wrapping_add(a);
        states[1][lane] = states[1][lane].wrapping_add(b);
        states[2][lane] = states[2][lane].wrapping_add(c);
        states[3][lane] = states[3][lane].wrapping_add(d);
    }
}

#[inline(always)]
fn step(b: u32, a: u32, mixed: u32, word: u32, sine: u32, turn: u32) -> u32 {
    let sum = a.wrapping_add(mixed).wrapping_add(word).wrapping_add(sine);
    b.wrapping_add(sum.rotate_left(turn))
}

#[inline(always)]
fn choose(by: u32, one: u32, other: u32) -> u32 {
    other ^ (by & (one ^ other))
}

#[inline(always)]
fn parity(x: u32, y: u32, z: u32) -> u32 {
    x ^ y ^ z
}

#[inline(always)]
fn mix(x: u32, y: u32, z: u32) -> u32 {
    y ^ (x | !z)
}

/// Messages at once: the lanes of 128 bits. Twice as many do not fit the registers.
pub(crate) const LANES: usize = 4;
/// Bytes that are digested in one go.
const BLOCK: usize = 64;
/// The least that is added to a message: a mark and its length.
const PADDING: usize = 9;
const END_MARK: u8 = 0x80;
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_length_around_the_blocks() {
        let bytes: Vec<u8> = (0..200_u8).collect();
        for len in 0..=bytes.len() {
            let messages = [&bytes[..len], &bytes[..bytes.len() - len], &bytes[len..], b""];
            assert_eq!(md5_of_four(messages), messages.map(md5_of), "{len}");
        }
    }

    proptest! {
        #[test]
        fn as_the_crate_digests_them_alone(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 0..13)
        ) {
            let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            let expected: Vec<_> = messages.iter().map(|message| md5_of(message)).collect();
            prop_assert_eq!(md5_of_all(&messages), expected);
        }
    }
}
