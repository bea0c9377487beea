//! An async consumer for Amazon Kinesis Data Streams.

pub mod error;
pub mod lease;
pub mod position;
pub mod store;
