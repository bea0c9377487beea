//! Values against a service that takes all.

use std::num::ParseIntError;

use super::*;
use crate::config::ProducerConfig;
use crate::driver::tests::scripted::Scripted;
use crate::error::PutError;
use crate::producer::{Producer, StreamProducer};
use crate::record::RecordError;
use crate::stream::StreamName;

#[derive(serde::Serialize)]
struct Sale {
    till: u32,
    bread: Option<&'static str>,
}

fn orders(config: ProducerConfig) -> StreamProducer {
    let producer = Producer::with_transport(Scripted::new(1), config).expect("in a runtime");
    producer.stream(&StreamName::new("orders").expect("valid"))
}

#[tokio::test(start_paused = true)]
async fn json_is_the_default_and_is_delivered() {
    let sales: TypedProducer<Sale> = TypedProducer::new(orders(ProducerConfig::default()), Json);
    let sale = Sale { till: 7, bread: None };
    let record = sales.record("till-7", &sale).expect("encodes");
    assert_eq!(record.data().as_ref(), br#"{"till":7,"bread":null}"#);
    let ticket = sales.put("till-7", &sale).await.expect("taken");
    assert!(ticket.await.is_ok());
    let ticket = sales.try_put("till-7", &sale).expect("room");
    assert!(ticket.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_encoded_is_not_buffered() {
    let codec = |text: &str| text.parse::<u32>().map(|number| number.to_be_bytes().to_vec());
    let stream = orders(ProducerConfig::default());
    let numbers: TypedProducer<str, _> = TypedProducer::new(stream, codec);
    let error: TypedPutError<ParseIntError> = numbers.put("k", "seven").await.expect_err("no number");
    assert!(matches!(error, TypedPutError::Encode(_)), "{error}");
    assert!(!error.is_retryable());
    assert!(std::error::Error::source(&error).is_some());
    let error = numbers.put("", "7").await.expect_err("no key");
    assert_eq!(error, TypedPutError::Record(RecordError::EmptyPartitionKey));
    assert!(matches!(
        numbers.try_put("k", "seven"),
        Err(TryTypedPutError::Unmade(_))
    ));
    assert_eq!(numbers.stream().outstanding_records(), 0);
    assert!(numbers.put("k", "7").await.expect("taken").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_refused_record_says_so() {
    let config = ProducerConfig::builder()
        .max_user_record_size(64)
        .build()
        .expect("valid");
    let texts: TypedProducer<String> = TypedProducer::new(orders(config), Json);
    let error = texts.put("k", &"x".repeat(64)).await.expect_err("too large");
    let TypedPutError::Put(PutError::RecordTooLarge { size, limit }) = error else {
        panic!("{error}");
    };
    assert_eq!((size, limit), (67, 64));
}
