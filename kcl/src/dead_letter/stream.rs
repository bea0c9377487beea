//! Dead letters in a Kinesis stream.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;

use super::{DeadLetter, DeadLetters};
use crate::error::BoxError;
use crate::stream::StreamName;

/// Dead letters in a Kinesis stream, a record each, under the partition key that they had.
///
/// A record of it is one line of JSON as in a [file](super::DeadLetterFile), without `data`, then a line feed, then the data
/// as it was. That is a few hundred bytes more than the record had: a stream that takes records of 1 MiB at most
/// refuses the letter of a record of just that size, which then holds the checkpoint. Give it a higher limit.
#[derive(Debug, Clone)]
pub struct DeadLetterStream {
    client: Client,
    stream: StreamName,
}

/// A letter was not put into the stream.
#[derive(Debug, thiserror::Error)]
#[error("dead letter was not put into stream `{stream}`")]
pub struct DeadLetterStreamError {
    stream: StreamName,
    #[source]
    source: BoxError,
}

impl DeadLetterStream {
    /// Puts letters into this stream. The client is used as it is.
    #[must_use]
    pub fn new(client: Client, stream: StreamName) -> Self {
        Self { client, stream }
    }

    async fn put(&self, letter: &DeadLetter) -> Result<(), BoxError> {
        let header = serde_json::to_vec(&letter.header())?;
        let record = letter.record();
        let data = [&header[..], b"\n", record.data()].concat();
        let key = match record.partition_key() {
            Some(key) if !key.is_empty() => key.to_owned(),
            _ => record.id().to_string().chars().take(MAX_KEY).collect(),
        };
        let put = self.client.put_record().stream_name(self.stream.as_str());
        put.partition_key(key).data(Blob::new(data)).send().await?;
        Ok(())
    }
}

impl DeadLetters for DeadLetterStream {
    type Error = DeadLetterStreamError;

    async fn take(&self, letters: Vec<DeadLetter>) -> Result<(), DeadLetterStreamError> {
        for letter in &letters {
            self.put(letter).await.map_err(|source| DeadLetterStreamError {
                stream: self.stream.clone(),
                source,
            })?;
        }
        Ok(())
    }
}

/// Source: AWS API reference, PutRecord, `PartitionKey`: 1 to 256 characters.
const MAX_KEY: usize = 256;
