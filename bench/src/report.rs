//! Which cases run, in which order, and the table at the end.

use std::path::PathBuf;

use crate::BoxError;
use crate::case::{Case, Who};
use crate::endpoint::{Endpoint, Engine};
use crate::meter::Figures;

/// The workloads of the table: 100 B and 1 KiB records.
const WORKLOADS: [(&str, usize, usize); 2] = [("100 B", 1_000_000, 100), ("1 KiB", 300_000, 1024)];

/// Runs `rounds` pairs of each line and prints medians.
pub(crate) fn run(rounds: usize, quick: bool) -> Result<(), BoxError> {
    println!("CPU seconds of the own process, in pairs of one run; the endpoint is another process.");
    println!("floor: the bare SDK client doing the same requests, and the unavoidable MD5 sums.\n");
    println!(
        "{:<24} {:>10} {:>9} {:>7} {:>12} {:>9} {:>9} {:>9} {:>9}",
        "case", "CPU s", "floor", "ratio", "CPU s/M rec", "CPU s/GB", "peak MB", "floor MB", "requests"
    );
    for (name, records, size) in WORKLOADS {
        let records = if quick { records / 10 } else { records };
        let mut producer = Vec::new();
        let mut consumer = Vec::new();
        for round in 0..rounds {
            let (put, read) = one_round(records, size, round)?;
            producer.push(put);
            consumer.push(read);
        }
        line(&format!("producer, {name}"), &producer);
        line(&format!("consumer, {name}"), &consumer);
    }
    Ok(())
}

/// Ours and the floor's figures.
type Pair = (Figures, Figures);

/// One endpoint, one stream; put by ours and by the floor, read by ours and by the floor.
fn one_round(records: usize, size: usize, round: usize) -> Result<(Pair, Pair), BoxError> {
    let endpoint = Endpoint::start(Engine::Ours)?;
    create_streams(&endpoint)?;
    let shapes: PathBuf = std::env::temp_dir().join(format!("kinesis-bench-{}.json", std::process::id()));
    let case = |who, stream: &str| Case {
        who,
        kinesis: endpoint.kinesis.clone(),
        dynamodb: endpoint.dynamodb.clone(),
        stream: stream.to_owned(),
        records,
        size,
        shapes: shapes.clone(),
        application: format!("bench-{round}"),
    };
    let put = case(Who::Producer, "ours").spawn(&endpoint)?;
    let put_floor = case(Who::ProducerFloor, "floor").spawn(&endpoint)?;
    let read = case(Who::Consumer, "ours").spawn(&endpoint)?;
    let read_floor = case(Who::ConsumerFloor, "ours").spawn(&endpoint)?;
    std::fs::remove_file(&shapes)?;
    if read.records != put.records {
        return Err(format!("put {} records, read {}", put.records, read.records).into());
    }
    Ok(((put, put_floor), (read, read_floor)))
}

fn create_streams(endpoint: &Endpoint) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let client = crate::producer::client(&endpoint.kinesis, None);
    runtime.block_on(async {
        for stream in ["ours", "floor"] {
            client
                .create_stream()
                .stream_name(stream)
                .shard_count(4)
                .send()
                .await?;
            while !client
                .list_shards()
                .stream_name(stream)
                .send()
                .await
                .is_ok_and(|l| l.shards().len() == 4)
            {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    })
}

fn line(name: &str, pairs: &[Pair]) {
    let of = |f: &dyn Fn(&Pair) -> f64| median(pairs.iter().map(f).collect());
    let cpu = of(&|(ours, _)| ours.cpu_seconds);
    let floor = of(&|(_, floor)| floor.cpu_seconds);
    let ratio = of(&|(ours, floor)| ours.cpu_seconds / floor.cpu_seconds.max(0.01));
    let records = of(&|(ours, _)| ours.records as f64);
    let bytes = of(&|(ours, _)| ours.bytes as f64);
    let peak = of(&|(ours, _)| ours.peak_megabytes);
    let floor_peak = of(&|(_, floor)| floor.peak_megabytes);
    let requests = of(&|(ours, _)| ours.requests as f64);
    println!(
        "{name:<24} {cpu:>10.2} {floor:>9.2} {ratio:>7.2} {:>12.2} {:>9.2} {peak:>9.0} {floor_peak:>9.0} {requests:>9.0}",
        cpu / records * 1e6,
        cpu / bytes * 1e9,
    );
}

/// The middle value; ratios are taken pair by pair, since the machine's speed drifts.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
