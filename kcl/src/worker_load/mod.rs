//! How busy this worker is, for the metrics row that a leader balances by.
//!
//! Parsing, differences and averages; files and sockets are `coordinator::probe`'s.
//!
//! ```text
//!  platform ──which──> probe ──text──> cpu, ecs ──percent──> Samples ──each 30 s──> the row's list of averages
//!  bytes delivered ──> Throughput ──────────────────────────────────────────────> the lease row's throughputKBps
//! ```

pub mod cpu;
pub mod ecs;
pub mod platform;
pub mod samples;
pub mod throughput;
