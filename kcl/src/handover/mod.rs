//! Giving a lease away while its holder lives. Pure.
//!
//! - [`holder`]: one lease, from the request to its end. Every path ends in a transfer, a release or the loss.
//! - [`farewell`]: all leases of a worker that stops, each to its best next owner.
//!
//! What fences: a holder counts its lease as lost a failover time after it *sent* its last successful write
//! ([`HeldLease`](crate::lease::renewal::HeldLease)); others count it as free when they have seen it unchanged for
//! longer than that, which is later. So a process that was paused finds its leases lost by its own clock before it hands
//! out another record, and nobody has started before.

pub mod farewell;
pub mod holder;
