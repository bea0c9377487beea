//! The user's code, fed: one driver and one keeper for each lease that is held.
//!
//! ```text
//!  reader ──batches──> driver ──calls──> processor ──checkpoints──> checkpointer
//!                        │                                              │
//!                        └────────── what was delivered ──> keeper <────┘
//!                                                             │ the only one that writes the lease:
//!                                                             └─> heartbeats, checkpoints, giving up
//! ```

mod beside;
pub(crate) mod call;
mod checkpointer;
mod children;
pub(crate) mod driver;
mod failing;
pub(crate) mod halt;
pub(crate) mod hands;
pub(crate) mod keeper;
mod opening;
pub(crate) mod pulse;
pub(crate) mod rooms;
mod standstill;
mod strays;
mod told;
mod unasked;
mod workshop;

pub use checkpointer::{AsPosition, Checkpointer, Place, PreparedCheckpoint};
