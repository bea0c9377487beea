//! Puts one record and waits until it is stored.
//!
//! Runs against an endpoint inside this process; with AWS take `aws_config::load_defaults` in place of
//! `local.kinesis_config()`.

use kinesis_local::Local;
use kpl::{Producer, ProducerConfig, Record, StreamName};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let local = Local::start().await?;
    local.create_stream("sales", 1).await?;

    let producer = Producer::new(&local.kinesis_config(), ProducerConfig::default())?;
    let sales = StreamName::new("sales")?;
    let ticket = producer.put(&sales, Record::new("till-7", "one coffee")?).await?;
    // Ends the linger: nothing else is coming that could share the record's journey.
    producer.flush().await?;
    let delivery = ticket.await?;
    println!(
        "stored in {} as {}",
        delivery.shard_id(),
        delivery.sequence_number()
    );

    producer.close().await?;
    local.stop().await;
    Ok(())
}
