//! A fleet's states, walked through under the feet of running workers, in virtual time, against a Kinesis and a DynamoDB inside this
//! process: from the ways of KCL 2.x to those of 3.x, from three tables to one, and back where there is a way back.
//!
//! Records come all the while. Each is processed once and in the order of its shard, unless a worker is killed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod tables;
mod versions;
mod world;
