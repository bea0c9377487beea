//! Puts many records without waiting for each, then asks what became of them.

use futures::future::try_join_all;
use kinesis_local::Local;
use kpl::{Producer, ProducerConfig, Record, StreamName};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let local = Local::start().await?;
    local.create_stream("sales", 4).await?;
    let producer = Producer::new(&local.kinesis_config(), ProducerConfig::default())?;
    let sales = StreamName::new("sales")?;

    let mut tickets = Vec::new();
    for number in 0..10_000 {
        let record = Record::new(format!("till-{}", number % 50), format!("sale {number}"))?;
        tickets.push(producer.put(&sales, record).await?);
    }
    producer.flush().await?;
    let deliveries = try_join_all(tickets).await?;

    // The first record of each aggregate stands for its Kinesis record.
    let kinesis_records = deliveries
        .iter()
        .filter(|d| d.sub_sequence_number().unwrap_or(0) == 0)
        .count();
    println!(
        "{} records travelled as {kinesis_records} Kinesis records",
        deliveries.len()
    );

    producer.close().await?;
    local.stop().await;
    Ok(())
}
