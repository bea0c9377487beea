//! Places in shards, in virtual time, against a Kinesis and a DynamoDB inside this process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod children;
mod life;
mod seek;
mod starts;
mod world;
