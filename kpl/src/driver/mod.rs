//! Where the service is called: one task for each stream feeds a [`Pipeline`](crate::pipeline::Pipeline) and does what it says.
//!
//! ```text
//!  intake   ──┐                              ┌─► Send, ListShards ─► JoinSet of calls ─┐
//!  replies  ──┼─► one of them ─► Pipeline ───┤                                         │
//!  timer    ──┘       (feed)      (drain)    └─► Complete, Flushed ─► tickets, flushes │
//!      ▲                                                                               │
//!      └───────────────────────────────────────────────────────────────────────────────┘
//! ```

mod hashing;
pub(crate) mod intake;
pub(crate) mod sdk;
pub(crate) mod streams;
mod task;
pub(crate) mod transport;
mod voice;

pub(crate) use task::StreamTask;

#[cfg(test)]
pub(crate) mod tests;
