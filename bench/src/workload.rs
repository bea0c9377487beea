//! What is put: records of one size under random keys, the same for us and for the floor.

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

/// A number of records of one size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workload {
    pub(crate) records: usize,
    pub(crate) size: usize,
}

/// Random 16-character keys and payload slices of one shared buffer: generating costs next to nothing.
#[derive(Debug)]
pub(crate) struct Events {
    rng: SmallRng,
    pool: Bytes,
    size: usize,
}

impl Events {
    pub(crate) fn new(size: usize, seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut pool = vec![0; size + POOL];
        rng.fill_bytes(&mut pool);
        Self {
            rng,
            // For ever: nobody counts who shares it.
            pool: Bytes::from_static(Vec::leak(pool)),
            size,
        }
    }

    /// A key of 16 hexadecimal digits.
    pub(crate) fn key(&mut self) -> String {
        format!("{:016x}", self.rng.next_u64())
    }

    /// A payload that shares the pool.
    pub(crate) fn data(&mut self) -> Bytes {
        self.slice(self.size)
    }

    /// `len` bytes of the pool, at most the record size plus 64 KiB.
    pub(crate) fn slice(&mut self, len: usize) -> Bytes {
        let room = self.pool.len() - len;
        let at = if room == 0 {
            0
        } else {
            self.rng.next_u32() as usize % room
        };
        self.pool.slice(at..at + len)
    }
}

const POOL: usize = 65_536;
