//! Real processes: `consume` workers of one application on the local endpoint, started, joined, killed, paused, stopped;
//! how long each shard is without a reader, and whether a record is lost.
//!
//! ```text
//!  Feeder ──numbered records──> kinesis-local ──> consume, consume, … ──lines──> Sightings ──> Measure ──> the table
//! ```

mod error;
mod feeder;
mod play;
mod report;
mod sightings;
mod stage;
mod worker;

pub use self::error::FleetError;
pub use self::play::{Length, play};
pub use self::report::{Measure, Report};
