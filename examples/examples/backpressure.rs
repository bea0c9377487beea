//! A source that is faster than the stream: `put` waits for room, `try_put` hands the record back.

use kinesis_local::Local;
use kpl::{Producer, ProducerConfig, Record, StreamName, TryPutError};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let local = Local::start().await?;
    local.create_stream("sales", 1).await?;
    // At most 64 KiB are on their way, whatever the source does: that is the memory this producer takes.
    let config = ProducerConfig::builder().max_in_flight_bytes(64 * 1024).build()?;
    let producer = Producer::new(&local.kinesis_config(), config)?;
    let sales = StreamName::new("sales")?;

    let (mut tickets, mut waited) = (Vec::new(), 0);
    for number in 0..2_000 {
        let record = Record::new("till-7", format!("sale {number:0100}"))?;
        let ticket = match producer.try_put(&sales, record) {
            Ok(ticket) => ticket,
            Err(TryPutError::Full { record }) => {
                // Here a program could drop or count instead. This one waits, and so do those who feed it.
                waited += 1;
                producer.put(&sales, record).await?
            }
            Err(refused) => return Err(refused.into()),
        };
        tickets.push(ticket);
    }
    producer.flush().await?;
    for ticket in tickets {
        ticket.await?;
    }
    println!("2,000 records stored; {waited} times there was no room at once");

    producer.close().await?;
    local.stop().await;
    Ok(())
}
