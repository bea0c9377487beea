//! A stream as it is read through a client of the SDK, whose answers a test has scripted.

use std::num::NonZeroUsize;
use std::sync::Arc;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::Record;

use super::budget::ReadBudget;
use super::kinesis::KinesisStream;
use crate::config::ConsumerConfig;
use crate::stream::Stream;

/// The stream `sales`, read with the default settings.
pub(super) fn stream_of(client: &Client) -> (KinesisStream, Stream) {
    let config = Arc::new(ConsumerConfig::builder("app", "sales").build().unwrap());
    let stream = config.only_stream().unwrap();
    let budget = ReadBudget::of_bytes(NonZeroUsize::new(64 << 20).unwrap());
    (
        KinesisStream::new(&client.config().to_builder(), config, budget),
        stream,
    )
}

/// A record as the service sends it.
pub(super) fn record(number: &str, data: impl Into<Vec<u8>>) -> Record {
    let record = Record::builder().sequence_number(number).partition_key("key");
    record.data(Blob::new(data)).build().unwrap()
}
