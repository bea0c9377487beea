//! What a record takes in memory while it waits for its outcome: the endpoint goes away, the budget fills up.
//!
//! The producer counts for each record its data, its key and [`RECORD_OVERHEAD`]. This shows that it takes no more, and
//! what the process takes beyond its budget.

use std::time::Duration;

use bytes::Bytes;
use kpl::{Producer, ProducerConfig, RECORD_OVERHEAD, Record, StreamName};

use crate::BoxError;
use crate::case::{Case, Who};
use crate::endpoint::{Endpoint, Engine};
use crate::meter;
use crate::producer::client;
use crate::report;

/// Runs each size in a process of its own and prints a table; fails where a record takes more than it is counted for.
pub(crate) fn run(quick: bool) -> Result<(), BoxError> {
    println!(
        "Memory while the endpoint is down and the default budget of 32 MiB or 100,000 records is used up."
    );
    println!("A record is counted with its data, its key of 16 bytes and {RECORD_OVERHEAD} bytes.\n");
    println!(
        "{:>8} {:>9} {:>11} {:>11} {:>9} {:>12} {:>13}",
        "size", "records", "counted MB", "resident MB", "at rest", "bytes/record", "over counted"
    );
    let mut worst = 0.0_f64;
    for size in [1, 100, 1024] {
        let endpoint = Endpoint::start(Engine::Ours)?;
        report::create_streams(&endpoint)?;
        let seconds = if quick { 5 } else { 60 };
        let case = Case::of(Who::Memory, &endpoint, "ours", seconds, size);
        let figures = case.spawn_and_lose(endpoint)?;
        let counted = figures.bytes as f64 / MB;
        let grown = figures.peak_megabytes - figures.rest_megabytes;
        let each = grown * MB / figures.records as f64 - (size + KEY) as f64;
        worst = worst.max(grown - counted);
        println!(
            "{size:>8} {:>9} {counted:>11.1} {:>11.1} {:>9.1} {each:>12.0} {:>10.1} MB",
            figures.records,
            figures.peak_megabytes,
            figures.rest_megabytes,
            grown - counted,
        );
    }
    if worst > CONSTANT_MB {
        return Err(format!("{worst:.1} MB beyond the budget, the constant is {CONSTANT_MB}").into());
    }
    println!("\nbar: never more than {CONSTANT_MB} MB beyond what is counted");
    Ok(())
}

/// Fills the budget once the endpoint is gone, and keeps it full for `records` seconds.
pub(crate) async fn ours(case: &Case) -> Result<meter::Figures, BoxError> {
    let ttl = Duration::from_secs(24 * 3600);
    let config = ProducerConfig::builder().record_ttl(ttl).build()?;
    let producer = Producer::from_client(client(&case.kinesis, None), config)?;
    let stream = producer.stream(&StreamName::new(case.stream.as_str())?);
    let mut key = 0_u64;
    let mut record = || {
        key += 1;
        Record::new(format!("{key:016x}"), Bytes::from(vec![7; case.size]))
    };
    stream.put(record()?).await?.await?;
    let rest = meter::resident_megabytes()?;
    // The parent takes the endpoint away when it reads this.
    println!("{READY}");
    tokio::time::sleep(Duration::from_secs(1)).await;

    let until = tokio::time::Instant::now() + Duration::from_secs(case.records as u64);
    let mut tickets = Vec::with_capacity(1 << 17);
    let mut most = 0.0_f64;
    while tokio::time::Instant::now() < until {
        match stream.try_put(record()?) {
            Ok(ticket) => tickets.push(ticket),
            Err(error) if error.is_retryable() => {
                most = most.max(meter::resident_megabytes()?);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut figures = meter::Figures::of_this_process(Duration::ZERO)?;
    figures.records = stream.outstanding_records();
    figures.bytes = figures.records * (case.size + KEY + RECORD_OVERHEAD) as u64;
    figures.peak_megabytes = most;
    figures.rest_megabytes = rest;
    // The tickets are part of what is measured.
    drop(tickets);
    let _leftover = producer.close_within(Duration::ZERO).await;
    Ok(figures)
}

/// What the child says when the endpoint may go.
pub(crate) const READY: &str = "ready";
const KEY: usize = 16;
const MB: f64 = 1024.0 * 1024.0;
/// What the process may take beyond its budget while the endpoint is down: requests on their way with their encoded
/// copies (a lane has at most one), connections, and what the allocator keeps.
const CONSTANT_MB: f64 = 16.0;
