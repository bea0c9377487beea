//! How much one PutRecords request holds.

/// What is left of a request's limits. Entries and bytes; bytes include partition keys.
#[derive(Debug)]
pub(super) struct Room {
    entries: usize,
    bytes: usize,
    is_untouched: bool,
}

impl Room {
    pub(super) fn new(entries: usize, bytes: usize) -> Self {
        Self {
            entries,
            bytes,
            is_untouched: true,
        }
    }

    /// Takes room for one entry of at most `bytes`. The first entry always fits: what is larger than a request should
    /// be travels in one of its own.
    pub(super) fn reserve(&mut self, bytes: usize) -> bool {
        if self.entries == 0 || (bytes > self.bytes && !self.is_untouched) {
            return false;
        }
        self.is_untouched = false;
        self.entries -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
        true
    }

    /// Takes more room for an entry that has some.
    pub(super) fn extend(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.bytes;
        if fits {
            self.bytes -= bytes;
        }
        fits
    }

    /// Gives back what an entry did not need.
    pub(super) fn refund(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// How many entries still fit, however small.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// How many entries of `bytes` still fit.
    pub(super) fn fits(&self, bytes: usize) -> usize {
        self.entries.min(self.bytes / bytes.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_bytes_run_out() {
        let mut room = Room::new(3, 100);
        assert!(room.reserve(60));
        assert!(!room.reserve(41), "bytes");
        room.refund(10);
        assert_eq!(room.fits(25), 2);
        assert!(room.reserve(50));
        assert!(room.reserve(0));
        assert!(!room.reserve(0), "entries");
    }

    #[test]
    fn what_exceeds_a_request_travels_alone() {
        let mut room = Room::new(500, 100);
        assert!(room.reserve(1_000));
        assert!(!room.reserve(1));
    }
}
