//! Which cases run, in which order, and the table at the end.

use crate::BoxError;
use crate::case::{Case, Who};
use crate::endpoint::{Endpoint, Engine};
use crate::low_rate::{LINGER_MS, RATE};
use crate::meter::Figures;

/// A workload of the table, and what it may cost at most beside its floor.
struct Load {
    name: &'static str,
    records: usize,
    size: usize,
    bar: f64,
}

const LOADS: [Load; 2] = [
    Load {
        name: "100 B",
        records: 1_000_000,
        size: 100,
        bar: 1.5,
    },
    Load {
        name: "1 KiB",
        records: 300_000,
        size: 1024,
        bar: 1.25,
    },
];

/// The ways in which the producer is measured.
const WAYS: [(Who, &str); 3] = [
    (Who::Producer, "put, await tickets"),
    (Who::ProducerUnobserved, "put, drop tickets"),
    (Who::ProducerPutAll, "put_all"),
];

/// Runs `rounds` pairs of each line and prints medians and minima.
pub(crate) fn run(rounds: usize, quick: bool) -> Result<(), BoxError> {
    println!("CPU seconds of the own process, in pairs of one run; the endpoint is another process.");
    println!("floor: the bare SDK client doing the same requests, and the unavoidable MD5 sums.");
    println!("Streams of {SHARDS} shards. Medians of {rounds} rounds; min is the lowest ratio.\n");
    println!(
        "{:<28} {:>8} {:>8} {:>6} {:>6} {:>5} {:>12} {:>9} {:>8} {:>9} {:>9}",
        "case",
        "CPU s",
        "floor",
        "ratio",
        "min",
        "bar",
        "CPU s/M rec",
        "CPU s/GB",
        "peak MB",
        "floor MB",
        "requests"
    );
    let mut missed = Vec::new();
    for load in &LOADS {
        let mut producers = [const { Vec::new() }; WAYS.len()];
        for round in 0..rounds {
            let puts = one_round(load, quick, round)?;
            for (all, pair) in producers.iter_mut().zip(puts) {
                all.push(pair);
            }
        }
        for ((_, way), pairs) in WAYS.iter().zip(&producers) {
            let name = format!("{}, {way}", load.name);
            missed.extend(line(&name, pairs, load.bar));
        }
    }
    missed.extend(trickle(rounds, quick)?);
    match missed.as_slice() {
        [] => Ok(()),
        missed => Err(format!("missed: {}", missed.join("; ")).into()),
    }
}

/// Ours and the floor's figures.
type Pair = (Figures, Figures);

/// One endpoint; put in each way and by its floor.
fn one_round(load: &Load, quick: bool, round: usize) -> Result<[Pair; WAYS.len()], BoxError> {
    let records = if quick { load.records / 10 } else { load.records };
    let mut puts = [Pair::default(); WAYS.len()];
    for ((who, _), pair) in WAYS.iter().zip(&mut puts) {
        let endpoint = Endpoint::start(Engine::Ours)?;
        create_streams(&endpoint)?;
        let case = |who, stream| Case {
            application: format!("bench-{round}"),
            ..Case::of(who, &endpoint, stream, records, load.size)
        };
        let put = case(*who, "ours");
        *pair = (
            put.spawn(&endpoint)?,
            case(Who::ProducerFloor, "floor").spawn(&endpoint)?,
        );
        std::fs::remove_file(&put.shapes)?;
    }
    Ok(puts)
}

/// The producer's waits and costs at a low rate; says what missed its bar.
fn trickle(rounds: usize, quick: bool) -> Result<Option<String>, BoxError> {
    let seconds = if quick { 2 } else { 20 };
    let records = RATE as usize * seconds;
    let mut all = Vec::new();
    for _ in 0..rounds {
        let endpoint = Endpoint::start(Engine::Ours)?;
        create_streams(&endpoint)?;
        all.push(Case::of(Who::LowRate, &endpoint, "ours", records, 100).spawn(&endpoint)?);
    }
    let of = |f: fn(&Figures) -> f64| median(all.iter().map(f).collect());
    let p50 = of(|figures| figures.p50_ms);
    let bar = LINGER_MS + 10.0;
    println!(
        "\n{RATE} records of 100 B a second for {seconds} s, from put to outcome, linger {LINGER_MS} ms:"
    );
    println!(
        "p50 {p50:.1} ms (bar {bar:.0}), p99 {:.1} ms, CPU {:.2} s, peak {:.0} MB",
        of(|figures| figures.p99_ms),
        of(|figures| figures.cpu_seconds),
        of(|figures| figures.peak_megabytes),
    );
    Ok((p50 > bar).then(|| format!("low rate: p50 {p50:.1} ms, bar {bar:.0}")))
}

pub(crate) fn create_streams(endpoint: &Endpoint) -> Result<(), BoxError> {
    ["ours", "floor"]
        .into_iter()
        .try_for_each(|stream| create_stream(endpoint, stream, SHARDS))
}

/// Makes a stream and waits until it lists its shards.
pub(crate) fn create_stream(endpoint: &Endpoint, stream: &str, shards: i32) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let client = crate::producer::client(&endpoint.kinesis, None);
    runtime.block_on(async {
        let create = client.create_stream().stream_name(stream).shard_count(shards);
        create.send().await?;
        loop {
            let listed = client.list_shards().stream_name(stream).send().await;
            if listed.is_ok_and(|listed| listed.shards().len() == shards as usize) {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    })
}

/// Prints a line; says which bars it missed.
fn line(name: &str, pairs: &[Pair], bar: f64) -> Vec<String> {
    let of = |f: &dyn Fn(&Pair) -> f64| median(pairs.iter().map(f).collect());
    let cpu = of(&|(ours, _)| ours.cpu_seconds);
    let ratio_of = |(ours, floor): &Pair| ours.cpu_seconds / floor.cpu_seconds.max(0.01);
    let ratio = of(&ratio_of);
    let least = pairs.iter().map(ratio_of).fold(f64::INFINITY, f64::min);
    let records = of(&|(ours, _)| ours.records as f64);
    let bytes = of(&|(ours, _)| ours.bytes as f64);
    let peak = of(&|(ours, _)| ours.peak_megabytes);
    println!(
        "{name:<28} {cpu:>8.2} {:>8.2} {ratio:>6.2} {least:>6.2} {bar:>5.2} {:>12.2} {:>9.2} {peak:>8.0} {:>9.0} {:>9.0}",
        of(&|(_, floor)| floor.cpu_seconds),
        cpu / records * 1e6,
        cpu / bytes * 1e9,
        of(&|(_, floor)| floor.peak_megabytes),
        of(&|(ours, _)| ours.requests as f64),
    );
    let mut missed = Vec::new();
    if ratio > bar {
        missed.push(format!("{name}: ratio {ratio:.2}, bar {bar:.2}"));
    }
    if peak > PEAK_MB {
        missed.push(format!("{name}: {peak:.0} MB, bar {PEAK_MB:.0}"));
    }
    missed
}

/// The middle value; ratios are taken pair by pair, since the machine's speed drifts.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

const SHARDS: i32 = 4;
/// Peak memory of the producer at default budgets.
const PEAK_MB: f64 = 64.0;
