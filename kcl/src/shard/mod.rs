//! One shard, from lease won to lease gone. Pure.
//!
//! ```text
//!  lease won ─> machine: wait for parents ─> initialize ─> read ─> process ─┬─> shard end
//!                                 │                          │              ├─> stop or hand-over
//!                               start: where to begin    checkpoint:        └─> lease lost
//!                                 │                      what may be written
//!                                 │                      policy: when it is written unasked
//!                               tip: where "from now on" is
//!                               prefetch: when to read again, how much memory to ask for
//!                               cadence: what is due with what
//! ```

pub(crate) mod cadence;
pub(crate) mod checkpoint;
pub(crate) mod fan_out;
pub(crate) mod machine;
pub(crate) mod policy;
pub(crate) mod prefetch;
pub(crate) mod progress;
pub(crate) mod rate;
pub(crate) mod registration;
pub(crate) mod start;
pub(crate) mod tip;
