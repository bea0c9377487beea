//! Records above 1 MiB, on streams that allow them.

use super::subject::{FIRST, Subject};
use super::violation::{INVALID, refused, same};
use super::{Case, Violation};
use aws_sdk_kinesis::primitives::Blob;

pub(super) const CASES: &[Case] = &[
    case(
        "a stream says that its records are 1 MiB at most",
        "API DescribeStreamSummary",
        |s| Box::pin(default(s)),
    ),
    case(
        "UpdateMaxRecordSize lets a record of 10 MiB in and out",
        "API UpdateMaxRecordSize",
        |s| Box::pin(raised(s)),
    ),
    case(
        "CreateStream takes the largest record too",
        "API CreateStream, MaxRecordSizeInKiB",
        |s| Box::pin(created(s)),
    ),
    case("records are never above 10 MiB", "API UpdateMaxRecordSize", |s| {
        Box::pin(too_large(s))
    }),
];

const fn case(name: &'static str, source: &'static str, check: super::Check) -> Case {
    Case::new("Large records", name, source, check)
}

async fn default(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    same(
        "MaxRecordSizeInKiB",
        s.summary().await?.max_record_size_in_kib(),
        Some(1_024),
    )
}

async fn raised(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    let update = s.client.update_max_record_size().stream_arn(s.arn().await?);
    update.max_record_size_in_kib(10_240).send().await?;
    s.until_active().await?;
    let length = 10 * 1024 * 1024 - 1;
    s.put("k", vec![b'x'; length]).await?;
    same(
        "length of the record",
        s.all_of(FIRST).await?.first().map(String::len),
        Some(length),
    )
}

async fn created(s: Subject) -> Result<(), Violation> {
    let create = s.client.create_stream().stream_name(&s.stream).shard_count(1);
    create.max_record_size_in_kib(2_048).send().await?;
    s.until_active().await?;
    same(
        "MaxRecordSizeInKiB",
        s.summary().await?.max_record_size_in_kib(),
        Some(2_048),
    )?;
    s.put("k", vec![b'x'; 1024 * 1024 * 2 - 1]).await?;
    let put = s.client.put_record().stream_name(&s.stream).partition_key("k");
    let answer = put.data(Blob::new(vec![b'x'; 1024 * 1024 * 2 + 1])).send().await;
    refused("a record above the stream's limit", answer, INVALID)
}

async fn too_large(s: Subject) -> Result<(), Violation> {
    s.create(1).await?;
    for kib in [1_023, 10_241] {
        let update = s.client.update_max_record_size().stream_arn(s.arn().await?);
        let answer = update.max_record_size_in_kib(kib).send().await;
        refused("a largest record outside 1,024 to 10,240 KiB", answer, INVALID)?;
    }
    Ok(())
}
