//! What the endpoint itself costs: PutRecords of 500 records of 10 KiB against ours and against `ferrokinesis`, each in
//! a process of its own, in one run. An endpoint that cost much would be what every other benchmark measures.

use std::sync::Arc;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, StreamStatus};
use futures::{StreamExt as _, stream};

use crate::BoxError;
use crate::endpoint::{Endpoint, Engine};
use crate::meter;
use crate::producer::client;
use crate::report::median;
use crate::workload::Events;

/// Runs `rounds` pairs, in turn first and second, and prints the medians; fails if ours costs more.
pub(crate) fn run(rounds: usize, quick: bool) -> Result<(), BoxError> {
    let requests = if quick { REQUESTS / 10 } else { REQUESTS };
    println!(
        "PutRecords of {RECORDS} x {SIZE} B, {requests} requests, {CONCURRENCY} at once, JSON over HTTP/1.1."
    );
    println!("CPU seconds of the endpoint's process per GB (10^9 B) of data.\n");
    println!(
        "{:>6} {:>10} {:>14} {:>7}",
        "round", "ours", "ferrokinesis", "ratio"
    );
    let mut pairs = Vec::new();
    for round in 1..=rounds {
        let (ours, witness) = if round % 2 == 1 {
            let ours = cost(Engine::Ours, requests)?;
            (ours, cost(Engine::Ferrokinesis, requests)?)
        } else {
            let witness = cost(Engine::Ferrokinesis, requests)?;
            (cost(Engine::Ours, requests)?, witness)
        };
        println!("{round:>6} {ours:>10.2} {witness:>14.2} {:>7.2}", ours / witness);
        pairs.push((ours, witness));
    }
    let of = |f: fn(&(f64, f64)) -> f64| median(pairs.iter().map(f).collect());
    let ratio = of(|(ours, witness)| ours / witness);
    println!(
        "{:>6} {:>10.2} {:>14.2} {ratio:>7.2}",
        "median",
        of(|pair| pair.0),
        of(|pair| pair.1)
    );
    if ratio > 1.0 {
        return Err(format!("the endpoint costs {ratio:.2} times what ferrokinesis does").into());
    }
    Ok(())
}

/// CPU seconds of an endpoint's process per GB put.
fn cost(engine: Engine, requests: usize) -> Result<f64, BoxError> {
    let endpoint = Endpoint::start(engine)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let client = client(&endpoint.kinesis, None);
    runtime.block_on(async {
        create_stream(&client).await?;
        // What is done once is no cost per GB.
        put(&client, CONCURRENCY).await?;
        let before = meter::cpu_seconds_of(endpoint.id())?;
        put(&client, requests).await?;
        let spent = meter::cpu_seconds_of(endpoint.id())? - before;
        Ok(spent / (requests * RECORDS * SIZE) as f64 * 1e9)
    })
}

async fn create_stream(client: &Client) -> Result<(), BoxError> {
    client
        .create_stream()
        .stream_name(STREAM)
        .shard_count(SHARDS)
        .send()
        .await?;
    loop {
        let summary = client
            .describe_stream_summary()
            .stream_name(STREAM)
            .send()
            .await?;
        let status = summary.stream_description_summary().map(|s| s.stream_status());
        if status == Some(&StreamStatus::Active) {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

async fn put(client: &Client, requests: usize) -> Result<(), BoxError> {
    let mut events = Events::new(SIZE, 7);
    let client = Arc::new(client.clone());
    let calls = (0..requests).map(|_| {
        let entries = (0..RECORDS).map(|_| {
            PutRecordsRequestEntry::builder()
                .partition_key(events.key())
                .data(Blob::from_maybe_shared(events.data()))
                .build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>();
        let call = client.put_records().stream_name(STREAM);
        async move {
            let reply = call.set_records(Some(entries?)).send().await?;
            match reply.failed_record_count() {
                None | Some(0) => Ok(()),
                Some(failed) => Err(BoxError::from(format!("the endpoint refused {failed} records"))),
            }
        }
    });
    let mut replies = stream::iter(calls).buffer_unordered(CONCURRENCY);
    while let Some(reply) = replies.next().await {
        reply?;
    }
    Ok(())
}

const STREAM: &str = "cost";
const SHARDS: i32 = 4;
/// Source: AWS API reference, PutRecords: the most records of a request.
const RECORDS: usize = 500;
const SIZE: usize = 10 * 1024;
/// Half a gigabyte: both endpoints hold what they are given.
const REQUESTS: usize = 100;
const CONCURRENCY: usize = 4;
