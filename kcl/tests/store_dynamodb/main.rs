//! The lease store on DynamoDB: the suite of every store, and the bytes of the rows, read and written here without
//! the store's own reader.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod failures;
mod fleet_bytes;
mod index;
mod java_rows;
mod lease_bytes;
mod listings;
mod rights;
mod tables;
mod world;

use kcl::store::conformance;
use kcl::store::dynamodb::DynamoDbLeaseStore;
use kinesis_local::Local;

#[tokio::test]
async fn keeps_the_promises_of_every_store() {
    let local = Local::start().await.unwrap();
    let tables = std::sync::atomic::AtomicU32::new(0);
    conformance::run(|| async {
        let number = tables.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        DynamoDbLeaseStore::from_sdk_config(&local.dynamodb_config(), format!("app-{number}"))
    })
    .await;
    local.stop().await;
}
