//! Ends cleanly on Ctrl-C: batches are finished, processors say goodbye, leases go to other workers at once.
//!
//! Run it, watch it, press Ctrl-C. Without a terminal it ends by itself after the first batch.

use std::io::IsTerminal;

use kcl::{BoxError, Checkpointer, Consumer, ConsumerConfig, RecordBatch, RecordProcessor, ShardContext};
use kinesis_local::Local;
use kpl::{Producer, ProducerConfig, Record, StreamName};
use tokio::sync::watch;

/// Counts in memory, and checkpoints only when it must: its last chance is the request to shut down.
struct Counter {
    records: watch::Sender<usize>,
}

impl RecordProcessor for Counter {
    async fn process_records(&mut self, batch: RecordBatch, _: &Checkpointer) -> Result<(), BoxError> {
        self.records.send_modify(|records| *records += batch.len());
        Ok(())
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), BoxError> {
        println!("goodbye after {} records", *self.records.borrow());
        checkpointer.checkpoint().await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let local = Local::start().await?;
    local.create_stream("sales", 1).await?;
    let producer = Producer::new(&local.kinesis_config(), ProducerConfig::default())?;
    let coffee = Record::new("till-7", "one coffee")?;
    drop(producer.put(&StreamName::new("sales")?, coffee).await?);
    producer.close().await?;

    let (records, mut first) = watch::channel(0);
    let consumer = Consumer::builder(ConsumerConfig::builder("counter", "sales").build()?)
        .kinesis_client(local.kinesis_client())
        .dynamodb_client(local.dynamodb_client())
        .build(move |_: &ShardContext| Counter {
            records: records.clone(),
        })?;
    let stop = async move {
        match std::io::stdin().is_terminal() {
            true => drop(tokio::signal::ctrl_c().await),
            false => drop(first.wait_for(|records| *records > 0).await),
        }
    };
    let summary = consumer.run_until(stop).await?;
    println!("stopped, {} leases lost", summary.leases_lost());
    local.stop().await;
    Ok(())
}
