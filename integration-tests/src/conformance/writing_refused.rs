//! Records that may not go in.

use super::subject::{FIRST, Subject, entry};
use super::violation::{INVALID, refused, same};
use super::{Case, Violation};
use aws_sdk_kinesis::primitives::Blob;

pub(super) const CASES: &[Case] = &[
    case(
        "more than 500 records are refused",
        "API PutRecords, Records",
        |s| Box::pin(too_many(s)),
    ),
    case("no records are refused", "API PutRecords, Records", |s| {
        Box::pin(none(s))
    }),
    case("a request above 10 MiB is refused whole", "API PutRecords", |s| {
        Box::pin(large_request(s))
    }),
    case(
        "a record above 1 MiB is refused by default",
        "API PutRecord",
        |s| Box::pin(large_record(s)),
    ),
    case(
        "a key of 257 characters is refused",
        "API PutRecord, PartitionKey",
        |s| Box::pin(long_key(s)),
    ),
    case("an empty key is refused", "API PutRecord, PartitionKey", |s| {
        Box::pin(empty_key(s))
    }),
    case(
        "a hash key of 2^128 is refused",
        "API PutRecord, ExplicitHashKey",
        |s| Box::pin(hash_key(s)),
    ),
    case(
        "a stream that is not there is ResourceNotFoundException",
        "API PutRecord",
        |s| Box::pin(missing(s)),
    ),
];

const fn case(name: &'static str, source: &'static str, check: super::Check) -> Case {
    Case::new("Writing, refused", name, source, check)
}

async fn too_many(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let entries: Result<Vec<_>, _> = (0..501).map(|i| entry(&i.to_string(), "x")).collect();
    let put = s.client.put_records().stream_name(&s.stream);
    let answer = put.set_records(Some(entries?)).send().await;
    refused("a request of 501 records", answer, INVALID)?;
    nothing_stored(&s).await
}

async fn none(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let put = s.client.put_records().stream_name(&s.stream);
    let answer = put.set_records(Some(Vec::new())).send().await;
    refused("a request without records", answer, INVALID)
}

async fn large_request(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let entries: Result<Vec<_>, _> = (0..11)
        .map(|i| entry(&i.to_string(), vec![0; 1_000_000]))
        .collect();
    let put = s.client.put_records().stream_name(&s.stream);
    let answer = put.set_records(Some(entries?)).send().await;
    refused("a request of 11,000,000 bytes", answer, INVALID)?;
    nothing_stored(&s).await
}

async fn large_record(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let put = s.client.put_record().stream_name(&s.stream).partition_key("k");
    let answer = put.data(Blob::new(vec![0; 1024 * 1024 + 1])).send().await;
    refused("a record above 1 MiB", answer, INVALID)?;
    nothing_stored(&s).await
}

async fn long_key(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let put = s.client.put_record().stream_name(&s.stream);
    let answer = put
        .partition_key("k".repeat(257))
        .data(Blob::new("x"))
        .send()
        .await;
    refused("a key of 257 characters", answer, INVALID)?;
    let put = s.client.put_records().stream_name(&s.stream);
    let put = put
        .records(entry("k", "x")?)
        .records(entry(&"k".repeat(257), "x")?);
    refused("an entry's key of 257 characters", put.send().await, INVALID)?;
    nothing_stored(&s).await
}

async fn empty_key(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let put = s.client.put_record().stream_name(&s.stream);
    let answer = put.partition_key("").data(Blob::new("x")).send().await;
    refused("an empty key", answer, INVALID)
}

async fn hash_key(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let put = s.client.put_record().stream_name(&s.stream).partition_key("k");
    let put = put.explicit_hash_key("340282366920938463463374607431768211456");
    refused(
        "a hash key of 2^128",
        put.data(Blob::new("x")).send().await,
        INVALID,
    )
}

async fn missing(s: Subject) -> Result<(), Violation> {
    const CODE: &[&str] = &["ResourceNotFoundException"];
    let put = s.client.put_record().stream_name(&s.stream);
    let answer = put.partition_key("k").data(Blob::new("x")).send().await;
    refused("PutRecord", answer, CODE)?;
    let put = s.client.put_records().stream_name(&s.stream);
    refused("PutRecords", put.records(entry("k", "x")?).send().await, CODE)
}

async fn nothing_stored(s: &Subject) -> Result<(), Violation> {
    same("records stored", s.all_of(FIRST).await?.len(), 0)
}
