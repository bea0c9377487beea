//! The leader's row, as the DynamoDB lock client of KCL keeps it.

use std::fmt::Write as _;
use std::time::Duration;

use crate::lease::WorkerId;

/// Who leads (KCL: the lock item `Leader`). No time is stored: a watcher that has seen the same version for longer than
/// [`lease_duration`](Self::lease_duration), by its own clock, may replace the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderRow {
    /// `ownerName`.
    pub owner: WorkerId,
    /// `leaseDuration`, stored as text in milliseconds. KCL: 120 s.
    pub lease_duration: Duration,
    /// `recordVersionNumber`: new with each heartbeat; see [`record_version`].
    pub version: String,
    /// `isReleased`: given up without being deleted.
    pub released: bool,
}

impl LeaderRow {
    /// A row of a new leader, or of the next heartbeat.
    #[must_use]
    pub fn new(owner: WorkerId, lease_duration: Duration, version: String) -> Self {
        Self {
            owner,
            lease_duration,
            version,
            released: false,
        }
    }

    /// Whether this is the row that `other` is, untouched since.
    #[must_use]
    pub fn is_same_version(&self, other: &Self) -> bool {
        self.version == other.version && self.owner == other.owner
    }
}

/// A version for a row from 128 random bits, in the form of a random UUID, as the lock client writes it.
#[must_use]
pub fn record_version(random: u128) -> String {
    let bits = (random & !(0xF << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let mut text = String::with_capacity(36);
    for (from, to) in [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)] {
        let dash = if from == 0 { "" } else { "-" };
        write!(text, "{dash}{}", &hex[from..to]).expect("invariant: writing to a string does not fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_random_uuids() {
        assert_eq!(record_version(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(record_version(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let some = record_version(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(some, "01234567-89ab-4def-8123-456789abcdef");
    }
}
