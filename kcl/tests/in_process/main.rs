//! Whole consumers in virtual time, on a Kinesis and a DynamoDB inside this process.
//!
//! All of them are seeded, hence share nothing within this process but its threads.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod by_record;
mod one_stream;
mod positions;
mod private_fleet;
mod recreated;
mod retrieval;
mod running;
mod several_streams;
