//! Whole workers in virtual time, over leases in memory and a scripted stream.

mod end_of_shard;
mod failures;
mod fleet;
mod led;
mod moves;
mod starts;
mod told;
mod waiting;
