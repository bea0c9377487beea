//! Creates a stream through a client and waits until it can be used.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::StreamStatus;
use tokio::time::Instant;

use crate::error::CreateStreamError;

/// Creates a stream of `shards` shards and waits until it is active.
pub(crate) async fn create_stream(
    client: &Client,
    stream: &str,
    shards: u32,
) -> Result<(), CreateStreamError> {
    client
        .create_stream()
        .stream_name(stream)
        // What no stream can have is for the endpoint to refuse, with the service's own words.
        .shard_count(i32::try_from(shards).unwrap_or(i32::MAX))
        .send()
        .await
        .map_err(|source| CreateStreamError::Refused {
            stream: stream.to_owned(),
            source: Box::new(source),
        })?;

    let deadline = Instant::now() + ACTIVE_WITHIN;
    loop {
        let description = client
            .describe_stream_summary()
            .stream_name(stream)
            .send()
            .await
            .map_err(|source| CreateStreamError::Describe {
                stream: stream.to_owned(),
                source: Box::new(source),
            })?;
        let status = description
            .stream_description_summary()
            .map(|summary| summary.stream_status());
        if status == Some(&StreamStatus::Active) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(CreateStreamError::NotActive {
                stream: stream.to_owned(),
                waited: ACTIVE_WITHIN,
            });
        }
        tokio::time::sleep(ACTIVE_POLL).await;
    }
}

/// How long to wait; the engine needs no time at all unless told to.
const ACTIVE_WITHIN: Duration = Duration::from_secs(10);

/// The pause between two looks at a stream that is not active yet.
const ACTIVE_POLL: Duration = Duration::from_millis(5);
