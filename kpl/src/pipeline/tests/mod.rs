//! One file per behaviour; what they share is here.

mod auto;
mod expiry;
mod first_map;
mod flush;
mod linger;
mod outer_key;
mod poison;
mod refresh;
mod relaxed;
mod reshard;
mod retry_policy;
mod rig;
mod simulated;
mod throttle;
mod wrong_shard;

use std::time::Instant;

use super::buffered::Buffered;
use crate::outcome::History;
use crate::record::Record;

/// Some instant; tests only ever add to it.
#[expect(clippy::disallowed_methods, reason = "virtual time has to start somewhere")]
pub(in crate::pipeline) fn start() -> Instant {
    Instant::now()
}

/// A record of `size` bytes of data on its way.
pub(in crate::pipeline) fn buffered(number: u64, key: &str, size: usize, arrival: Instant) -> Buffered<u32> {
    let record = Record::new(key, vec![b'x'; size]).expect("valid");
    let token = u32::try_from(number).expect("small");
    Buffered {
        number,
        arrival,
        hash_key: record.hash_key(),
        record,
        history: History::default(),
        token,
    }
}
