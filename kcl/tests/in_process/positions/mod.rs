//! Places in shards, in virtual time, against a Kinesis and a DynamoDB inside this process.

mod children;
mod life;
mod seek;
mod starts;
mod world;
