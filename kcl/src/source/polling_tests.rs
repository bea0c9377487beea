//! The reader against scripted answers of the SDK client, in virtual time.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::operation::get_shard_iterator::GetShardIteratorOutput;
use aws_sdk_kinesis::operation::list_shards::ListShardsOutput;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    self, ChildShard as SdkChild, HashKeyRange as SdkRange, SequenceNumberRange, Shard as SdkShard,
    ShardIteratorType,
};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_types::body::SdkBody;

use super::*;
use crate::processor::RecordBatch;
use crate::source::Source as _;
use crate::source::scripted_sdk::{record, stream_of};

fn reader(rules: &[&Rule], start: StartAt) -> PollingReader {
    let client = mock_client!(aws_sdk_kinesis, RuleMode::Sequential, rules);
    let (source, stream) = stream_of(&client);
    let (shard, range) = (ShardId::from_number(0), HashKeyRange::FULL);
    let (reached, meter) = (Reached::default(), Meter::for_tests());
    PollingReader::from_place(source, stream, shard, range, start, reached, meter)
}

/// Answers with an iterator if exactly this place is asked for.
fn iterator(kind: ShardIteratorType, number: Option<&'static str>, answer: &'static str) -> Rule {
    mock!(Client::get_shard_iterator)
        .match_requests(move |request| {
            request.stream_name() == Some("sales")
                && request.shard_id() == Some("shardId-000000000000")
                && request.shard_iterator_type() == Some(&kind)
                && request.starting_sequence_number() == number
        })
        .then_output(move || GetShardIteratorOutput::builder().shard_iterator(answer).build())
}

fn page(of: &'static str, numbers: &'static [&'static str], next: Option<&'static str>, behind: i64) -> Rule {
    mock!(Client::get_records)
        .match_requests(move |request| {
            request.shard_iterator() == Some(of) && request.limit() == Some(10_000)
        })
        .then_output(move || {
            let records = numbers.iter().map(|number| record(number, *number));
            GetRecordsOutput::builder()
                .set_records(Some(records.collect()))
                .set_next_shard_iterator(next.map(str::to_owned))
                .millis_behind_latest(behind)
                .build()
                .unwrap()
        })
}

fn refusal(code: &'static str) -> impl Fn() -> HttpResponse + Send + Sync + 'static {
    move || {
        let body = format!(r#"{{"__type":"{code}","message":"as told"}}"#);
        HttpResponse::new(400.try_into().unwrap(), SdkBody::from(body))
    }
}

fn refused_records(code: &'static str) -> Rule {
    mock!(Client::get_records).then_http_response(refusal(code))
}

fn listed(ids: &'static [&'static str]) -> Rule {
    mock!(Client::list_shards).then_output(move || {
        let shards = ids.iter().map(|id| {
            let range = SdkRange::builder()
                .starting_hash_key("0")
                .ending_hash_key("9")
                .build()
                .unwrap();
            let numbers = SequenceNumberRange::builder()
                .starting_sequence_number("1")
                .build()
                .unwrap();
            SdkShard::builder()
                .shard_id(*id)
                .hash_key_range(range)
                .sequence_number_range(numbers)
                .build()
                .unwrap()
        });
        ListShardsOutput::builder()
            .set_shards(Some(shards.collect()))
            .build()
    })
}

/// Reads until there is something to tell, counting the reads.
async fn batch(reader: &mut PollingReader) -> (Batch, u32) {
    let mut reads = 0;
    loop {
        reader.due().await;
        let batch = reader.read().await;
        reads += 1;
        assert!(reads < 50, "nothing comes");
        if !batch.is_empty() {
            return (batch, reads);
        }
    }
}

fn numbers(records: &RecordBatch) -> Vec<&str> {
    records
        .records()
        .iter()
        .map(|record| record.sequence_number().as_str())
        .collect()
}

fn at(number: &str) -> StartAt {
    StartAt::AtSequence(SequenceNumber::parse(number).unwrap())
}

#[tokio::test(start_paused = true)]
async fn pages_follow_each_other_and_the_lag_is_told() {
    let rules = [
        iterator(ShardIteratorType::TrimHorizon, None, "i0"),
        page("i0", &["10", "11"], Some("i1"), 5_000),
        page("i1", &[], Some("i2"), 4_000),
        page("i2", &["12"], Some("i3"), 0),
    ];
    let mut reader = reader(&rules.iter().collect::<Vec<_>>(), StartAt::TrimHorizon);
    let began = Instant::now();
    let (first, _) = batch(&mut reader).await;
    assert_eq!(numbers(&first.records), ["10", "11"]);
    assert_eq!(first.records.behind_latest(), Some(Duration::from_secs(5)));
    assert!(first.end.is_none());
    let (second, reads) = batch(&mut reader).await;
    assert_eq!((numbers(&second.records), reads), (vec!["12"], 2));
    assert_eq!(
        began.elapsed(),
        Duration::from_millis(400),
        "five reads a second while behind"
    );
}

#[tokio::test(start_paused = true)]
async fn an_expired_iterator_is_replaced_after_the_last_record_read() {
    let rules = [
        iterator(ShardIteratorType::AtSequenceNumber, Some("10"), "i0"),
        page("i0", &["10", "11"], Some("i1"), 0),
        refused_records("ExpiredIteratorException"),
        iterator(ShardIteratorType::AfterSequenceNumber, Some("11"), "i2"),
        page("i2", &["12"], Some("i3"), 0),
    ];
    let mut reader = reader(&rules.iter().collect::<Vec<_>>(), at("10"));
    assert_eq!(numbers(&batch(&mut reader).await.0.records), ["10", "11"]);
    assert_eq!(numbers(&batch(&mut reader).await.0.records), ["12"]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_read_keeps_its_iterator_and_waits_longer_each_time() {
    let throttled = || refused_records("ProvisionedThroughputExceededException");
    let rules = [
        iterator(ShardIteratorType::TrimHorizon, None, "i0"),
        throttled(),
        throttled(),
        throttled(),
        page("i0", &["10"], Some("i1"), 0),
    ];
    let mut reader = reader(&rules.iter().collect::<Vec<_>>(), StartAt::TrimHorizon);
    let began = Instant::now();
    let (_, reads) = batch(&mut reader).await;
    assert_eq!(reads, 4);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(250 + 500 + 1000), "{took:?}");
    assert!(
        took <= Duration::from_millis(2 * (250 + 500 + 1000) + 10),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_not_kept_any_more_becomes_the_oldest_record() {
    let trimmed = mock!(Client::get_shard_iterator).then_http_response(refusal("InvalidArgumentException"));
    let rules = [
        trimmed,
        iterator(ShardIteratorType::TrimHorizon, None, "i0"),
        page("i0", &["90"], Some("i1"), 0),
    ];
    let mut reader = reader(&rules.iter().collect::<Vec<_>>(), at("10"));
    assert_eq!(numbers(&batch(&mut reader).await.0.records), ["90"]);
}

#[tokio::test(start_paused = true)]
async fn records_that_were_read_do_not_come_again_from_the_oldest_one() {
    let rules = [
        iterator(ShardIteratorType::TrimHorizon, None, "i0"),
        page("i0", &["10", "11"], Some("i1"), 0),
        refused_records("ExpiredIteratorException"),
        mock!(Client::get_shard_iterator).then_http_response(refusal("InvalidArgumentException")),
        iterator(ShardIteratorType::TrimHorizon, None, "i2"),
        page("i2", &["11", "12"], Some("i3"), 0),
    ];
    let mut reader = reader(&rules.iter().collect::<Vec<_>>(), StartAt::TrimHorizon);
    assert_eq!(numbers(&batch(&mut reader).await.0.records), ["10", "11"]);
    assert_eq!(numbers(&batch(&mut reader).await.0.records), ["12"]);
}

#[tokio::test(start_paused = true)]
async fn the_last_page_has_its_records_and_the_children() {
    let last = mock!(Client::get_records).then_output(|| {
        let range = SdkRange::builder()
            .starting_hash_key("0")
            .ending_hash_key("9")
            .build()
            .unwrap();
        let child = SdkChild::builder()
            .shard_id("shardId-000000000001")
            .parent_shards("shardId-000000000000")
            .hash_key_range(range)
            .build()
            .unwrap();
        let record = types::Record::builder()
            .sequence_number("10")
            .data(Blob::new("x"))
            .partition_key("k")
            .build()
            .unwrap();
        GetRecordsOutput::builder()
            .records(record)
            .child_shards(child)
            .build()
            .unwrap()
    });
    let rules = [iterator(ShardIteratorType::TrimHorizon, None, "i0"), last];
    let mut reader = reader(&rules.iter().collect::<Vec<_>>(), StartAt::TrimHorizon);
    let (batch, _) = batch(&mut reader).await;
    assert_eq!(numbers(&batch.records), ["10"]);
    let children = batch.end.unwrap().children;
    assert_eq!(children.len(), 1);
    assert_eq!(children[0].id, ShardId::from_number(1));
    assert!(children[0].parents.contains(&ShardId::from_number(0)));
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_gone_from_its_stream_has_ended() {
    let rules = [
        iterator(ShardIteratorType::TrimHorizon, None, "i0"),
        refused_records("ResourceNotFoundException"),
        listed(&["shardId-000000000007"]),
    ];
    let mut reader = reader(&rules.iter().collect::<Vec<_>>(), StartAt::TrimHorizon);
    let (batch, _) = batch(&mut reader).await;
    assert_eq!(batch.end, Some(ShardEnd::default()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_seems_gone_is_asked_for_again() {
    let gone = || mock!(Client::list_shards).then_http_response(refusal("ResourceNotFoundException"));
    let rules = [
        iterator(ShardIteratorType::TrimHorizon, None, "i0"),
        refused_records("ResourceNotFoundException"),
        gone(),
        gone(),
        listed(&["shardId-000000000000"]),
        iterator(ShardIteratorType::TrimHorizon, None, "i1"),
        page("i1", &["10"], Some("i2"), 0),
    ];
    let mut reader = reader(&rules.iter().collect::<Vec<_>>(), StartAt::TrimHorizon);
    let (batch, reads) = batch(&mut reader).await;
    assert_eq!(
        (numbers(&batch.records), reads),
        (vec!["10"], 2),
        "it may have been a slip"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_gone_for_good_ends_its_shards() {
    let gone = || mock!(Client::list_shards).then_http_response(refusal("ResourceNotFoundException"));
    let rules = [
        iterator(ShardIteratorType::TrimHorizon, None, "i0"),
        refused_records("ResourceNotFoundException"),
        gone(),
        gone(),
        gone(),
    ];
    let mut reader = reader(&rules.iter().collect::<Vec<_>>(), StartAt::TrimHorizon);
    let (batch, _) = batch(&mut reader).await;
    assert!(batch.end.unwrap().stream_gone);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_makes_no_sense_is_asked_for_again() {
    let rules = [
        iterator(ShardIteratorType::TrimHorizon, None, "i0"),
        page("i0", &["not-a-number"], Some("i1"), 0),
        page("i0", &["10"], Some("i1"), 0),
    ];
    let mut reader = reader(&rules.iter().collect::<Vec<_>>(), StartAt::TrimHorizon);
    assert_eq!(numbers(&batch(&mut reader).await.0.records), ["10"]);
}

#[tokio::test(start_paused = true)]
async fn further_pages_of_a_listing_are_asked_for_by_their_token_alone() {
    let page = |number: u64, token: Option<&'static str>| {
        let range = SdkRange::builder().starting_hash_key("0").ending_hash_key("9");
        let numbers = SequenceNumberRange::builder().starting_sequence_number("1");
        let shard = SdkShard::builder()
            .shard_id(format!("shardId-{number:012}"))
            .hash_key_range(range.build().unwrap())
            .sequence_number_range(numbers.build().unwrap());
        ListShardsOutput::builder()
            .shards(shard.build().unwrap())
            .set_next_token(token.map(str::to_owned))
            .build()
    };
    let first = mock!(Client::list_shards)
        .match_requests(|request| request.stream_name() == Some("sales") && request.next_token().is_none())
        .then_output(move || page(0, Some("more")));
    let second = mock!(Client::list_shards)
        .match_requests(|request| {
            // The service refuses a token together with what it stands for.
            request.next_token() == Some("more")
                && request.stream_name().is_none()
                && request.stream_arn().is_none()
                && request.shard_filter().is_none()
        })
        .then_output(move || page(1, None));
    let client = mock_client!(aws_sdk_kinesis, RuleMode::Sequential, &[&first, &second]);
    let (source, stream) = stream_of(&client);
    let shards = source.list_shards(&stream).await.unwrap();
    let ids: Vec<_> = shards.iter().map(|shard| shard.id.clone()).collect();
    assert_eq!(ids, [0, 1].map(ShardId::from_number));
}
