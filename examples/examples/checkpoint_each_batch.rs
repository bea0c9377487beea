//! The usual consumer: process a batch, checkpoint it, take the next.

use kcl::{BoxError, Checkpointer, Consumer, ConsumerConfig, RecordBatch, RecordProcessor, ShardContext};
use kinesis_local::Local;
use kpl::{Producer, ProducerConfig, Record, StreamName};
use tokio::sync::mpsc;

/// Prints what it is given. What is processed is checkpointed, so no other worker gets it again.
struct Printer {
    shard: String,
    processed: mpsc::Sender<usize>,
}

impl RecordProcessor for Printer {
    async fn process_records(
        &mut self,
        batch: RecordBatch,
        checkpointer: &Checkpointer,
    ) -> Result<(), BoxError> {
        for record in batch.records() {
            let key = record.partition_key().unwrap_or_default();
            println!("{} {key}: {}", self.shard, String::from_utf8_lossy(record.data()));
        }
        checkpointer.checkpoint().await?;
        self.processed.send(batch.len()).await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let local = Local::start().await?;
    local.create_stream("sales", 2).await?;
    let producer = Producer::new(&local.kinesis_config(), ProducerConfig::default())?;
    for till in 0..10 {
        let record = Record::new(format!("till-{till}"), "one coffee")?;
        drop(producer.put(&StreamName::new("sales")?, record).await?);
    }
    producer.close().await?;

    let (processed, mut batches) = mpsc::channel(10);
    let consumer = Consumer::builder(ConsumerConfig::builder("printer", "sales").build()?)
        .kinesis_client(local.kinesis_client())
        .dynamodb_client(local.dynamodb_client())
        .build(move |shard: &ShardContext| Printer {
            shard: shard.shard_id().to_string(),
            processed: processed.clone(),
        })?;
    let all_processed = async move {
        let mut left = 10;
        while left > 0 {
            left -= batches.recv().await.unwrap_or(left);
        }
    };
    consumer.run_until(all_processed).await?;
    local.stop().await;
    Ok(())
}
