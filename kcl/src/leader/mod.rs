//! Who leads: the lock row's protocol, what a leader owes, and the older election without a lock. Pure.
//!
//! ```text
//!  lock row ──read──> Lock ──Task──> acquire, heartbeat, release        (KCL 3.x)
//!                      ▲
//!  rounds done ──> Tenure: no rounds, no heartbeat
//!  lease owners ──> shuffle: the same name on every worker              (KCL 2.x)
//! ```
//!
//! Nothing depends on there being one leader only: all its writes are conditional. What depends on there being a leader
//! at all is bounded by [`rescue`](crate::assign::rescue): leases that nobody assigns are taken by whoever sees them.

pub mod lock;
pub mod shuffle;
pub mod tenure;
