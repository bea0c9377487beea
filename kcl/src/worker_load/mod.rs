//! How busy this worker is, for the metrics row that a leader balances by.
//!
//! Parsing, differences and averages; files and sockets are `coordinator::probe`'s.
//!
//! ```text
//!  platform ──which──> probe ──text──> cpu, ecs ──percent──> Samples ──each 30 s──> the row's list of averages
//!  bytes delivered ──> Throughput ──────────────────────────────────────────────> the lease row's throughputKBps
//! ```

pub(crate) mod cpu;
pub(crate) mod ecs;
pub(crate) mod platform;
pub(crate) mod samples;
pub(crate) mod throughput;
