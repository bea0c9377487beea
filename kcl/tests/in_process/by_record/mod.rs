//! Records handled one by one, in virtual time, on a Kinesis and a DynamoDB inside this process, with the limits and the
//! latencies of the service.

mod empty;
mod ends;
mod keys;
mod leaving;
mod poison;
mod policy;
mod streams;
mod world;
