//! Another producer on the same shard: a bare client that puts at a steady pace and does not care what is refused.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use tokio::time::{Instant, sleep_until};

/// Puts so many bytes a second, in records of 8 KiB, until it is dropped.
pub(super) async fn compete(client: &Client, stream: &str, bytes_per_second: u64) {
    let data = Blob::new(vec![b'-'; SIZE - KEY.len()]);
    let interval = Duration::from_nanos(1_000_000_000 * SIZE as u64 / bytes_per_second.max(1));
    let mut due = Instant::now();
    loop {
        sleep_until(due).await;
        due += interval;
        // What is refused is this one's loss: it comes again with the next.
        let put = client.put_record().stream_name(stream).partition_key(KEY);
        let _ = put.data(data.clone()).send().await;
    }
}

/// Whether a Kinesis record is the competitor's.
pub(super) fn is_of(partition_key: &str) -> bool {
    partition_key == KEY
}

const KEY: &str = "competitor";
const SIZE: usize = 8 * 1024;
