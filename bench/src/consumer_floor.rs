//! The floor of the consumer: the bare client that reads the same Kinesis records, and the MD5 sums nobody can avoid: of an
//! aggregate one, and one for each key in it.

use std::time::{Duration, Instant};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{
    ConsumerStatus, Record, ShardIteratorType, StartingPosition, SubscribeToShardEventStream,
};
use futures::future::try_join_all;
use md5::{Digest, Md5};

use crate::BoxError;
use crate::case::Case;
use crate::meter::Figures;
use crate::producer::client;
use crate::workload::Events;

/// What one shard came to.
#[derive(Debug, Clone, Copy, Default)]
struct Read {
    calls: u64,
    records: u64,
}

/// By GetRecords.
pub(crate) async fn polling(case: &Case) -> Result<Figures, BoxError> {
    let client = client(&case.kinesis, None);
    let shards = shards(&client, case).await?;
    let started = Instant::now();
    hash_keys(case);
    let reads = shards.iter().map(|shard| poll(&client, case, shard));
    figures(case, started, &try_join_all(reads).await?)
}

/// By SubscribeToShard.
pub(crate) async fn fan_out(case: &Case) -> Result<Figures, BoxError> {
    let client = client(&case.kinesis, None);
    let shards = shards(&client, case).await?;
    let consumer = register(&client, case).await?;
    let started = Instant::now();
    hash_keys(case);
    let reads = shards
        .iter()
        .map(|shard| subscribe(&client, case, &consumer, shard));
    figures(case, started, &try_join_all(reads).await?)
}

async fn shards(client: &Client, case: &Case) -> Result<Vec<String>, BoxError> {
    let listed = client.list_shards().stream_name(&case.stream).send().await?;
    Ok(listed
        .shards()
        .iter()
        .map(|shard| shard.shard_id().to_owned())
        .collect())
}

fn figures(case: &Case, started: Instant, reads: &[Read]) -> Result<Figures, BoxError> {
    let workload = case.workload();
    let mut figures = Figures::of_this_process(started.elapsed())?;
    figures.records = workload.records as u64;
    figures.bytes = (workload.records * workload.size) as u64;
    figures.requests = reads.iter().map(|read| read.calls).sum();
    figures.kinesis_records = reads.iter().map(|read| read.records).sum();
    Ok(figures)
}

/// One sum for each user record of an aggregate: whether it belongs to its shard.
fn hash_keys(case: &Case) {
    if case.aggregated {
        let mut events = Events::new(1, 11);
        for _ in 0..case.records {
            std::hint::black_box(Md5::digest(events.key().as_bytes()));
        }
    }
}

fn hash(case: &Case, records: &[Record]) {
    for record in records {
        if case.aggregated {
            std::hint::black_box(Md5::digest(record.data().as_ref()));
        } else {
            std::hint::black_box(record.data().as_ref());
        }
    }
}

/// To the tip of one shard.
async fn poll(client: &Client, case: &Case, shard: &str) -> Result<Read, BoxError> {
    let mut iterator = client
        .get_shard_iterator()
        .stream_name(&case.stream)
        .shard_id(shard)
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await?
        .shard_iterator;
    let mut read = Read::default();
    while let Some(at) = iterator.take() {
        let page = client.get_records().shard_iterator(at).limit(PAGE).send().await?;
        read.calls += 1;
        read.records += page.records().len() as u64;
        hash(case, page.records());
        // The stream is at rest: an empty page is the tip.
        if !page.records().is_empty() {
            iterator = page.next_shard_iterator;
        }
    }
    Ok(read)
}

async fn register(client: &Client, case: &Case) -> Result<String, BoxError> {
    let summary = client.describe_stream_summary().stream_name(&case.stream);
    let summary = summary.send().await?.stream_description_summary;
    let stream = summary.ok_or("no summary")?.stream_arn;
    let name = format!("{}-floor", case.application);
    let register = client
        .register_stream_consumer()
        .stream_arn(&stream)
        .consumer_name(&name);
    register.send().await?;
    loop {
        let describe = client
            .describe_stream_consumer()
            .stream_arn(&stream)
            .consumer_name(&name);
        let consumer = describe.send().await?.consumer_description.ok_or("no consumer")?;
        if consumer.consumer_status == ConsumerStatus::Active {
            return Ok(consumer.consumer_arn);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// To the tip of one shard.
async fn subscribe(client: &Client, case: &Case, consumer: &str, shard: &str) -> Result<Read, BoxError> {
    let start = StartingPosition::builder().r#type(ShardIteratorType::TrimHorizon);
    let call = client.subscribe_to_shard().consumer_arn(consumer).shard_id(shard);
    let mut output = call.starting_position(start.build()?).send().await?;
    let mut read = Read::default();
    while let Some(SubscribeToShardEventStream::SubscribeToShardEvent(event)) =
        output.event_stream.recv().await?
    {
        read.calls += 1;
        read.records += event.records().len() as u64;
        hash(case, event.records());
        if event.millis_behind_latest() == 0 {
            return Ok(read);
        }
    }
    Err("the subscription ended before the tip".into())
}

/// Source: the API's own default and maximum.
const PAGE: i32 = 10_000;
