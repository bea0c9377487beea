//! What a shard holds, as the service gives it.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};

/// All records of a shard, from the oldest to the tip.
pub(crate) async fn records(client: &Client, stream: &str, shard: &str) -> Vec<Record> {
    let iterator = client
        .get_shard_iterator()
        .stream_name(stream)
        .shard_id(shard)
        .shard_iterator_type(ShardIteratorType::TrimHorizon);
    let mut next = iterator.send().await.expect("an iterator").shard_iterator;
    let mut found = Vec::new();
    while let Some(iterator) = next {
        let page = client.get_records().shard_iterator(iterator);
        let page = page.send().await.expect("records");
        if page.records.is_empty() && page.millis_behind_latest.unwrap_or(0) == 0 {
            break;
        }
        next = page.next_shard_iterator;
        found.extend(page.records);
    }
    found
}
