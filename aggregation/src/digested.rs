//! Checks the digests of many records, of four aggregates at a time.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::envelope::{Sealed, sealed};
use crate::md5_lanes::{LANES, md5_of_all};

/// Records in their order, and of each whether its digest is right; of what has none it says no.
pub(crate) struct Digested<I, T> {
    records: I,
    /// Looked at already. What comes between four aggregates waits with them.
    seen: VecDeque<(T, Bytes, bool)>,
}

impl<T, I: Iterator<Item = (T, Bytes)>> Digested<I, T> {
    pub(crate) fn of(records: I) -> Self {
        Self {
            records,
            seen: VecDeque::new(),
        }
    }

    /// Gathers aggregates, of which `first` is one, and digests them.
    fn look_ahead(&mut self, first: (T, Bytes)) {
        let mut aggregates = 1;
        self.seen.push_back((first.0, first.1, false));
        while aggregates < LANES && self.seen.len() < FARTHEST {
            let Some((tag, data)) = self.records.next() else {
                break;
            };
            aggregates += usize::from(sealed(&data).is_ok());
            self.seen.push_back((tag, data, false));
        }
        let bodies: Vec<&[u8]> = self.sealed().map(|sealed| sealed.body).collect();
        let digests = md5_of_all(&bodies);
        let mut digests = digests.iter();
        for (_, data, is_sound) in &mut self.seen {
            if let Ok(sealed) = sealed(data) {
                *is_sound = digests.next().is_some_and(|digest| sealed.has(digest));
            }
        }
    }

    fn sealed(&self) -> impl Iterator<Item = Sealed<'_>> {
        self.seen.iter().filter_map(|(_, data, _)| sealed(data).ok())
    }
}

impl<T, I: Iterator<Item = (T, Bytes)>> Iterator for Digested<I, T> {
    type Item = (T, Bytes, bool);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(seen) = self.seen.pop_front() {
            return Some(seen);
        }
        let (tag, data) = self.records.next()?;
        if sealed(&data).is_err() {
            return Some((tag, data, false));
        }
        self.look_ahead((tag, data));
        self.seen.pop_front()
    }
}

/// Ours: records between aggregates are few or many, and need not wait for long.
const FARTHEST: usize = 16;
