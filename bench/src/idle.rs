//! A worker at rest beside its floor: the bare clients that send as many requests of the same kinds, at the same pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, ConfigBag, Credentials, Intercept, Region, RuntimeComponents,
};
use aws_sdk_dynamodb::error::BoxError as SdkBoxError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ReturnValuesOnConditionCheckFailure, ScalarAttributeType,
};
use aws_sdk_kinesis::types::ShardIteratorType;
use kcl::{Checkpointer, Consumer, ConsumerConfig, RecordBatch, RecordProcessor, ShardContext};
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep};

use crate::BoxError;
use crate::case::{Case, Who};
use crate::endpoint::{Endpoint, Engine};
use crate::meter::{Figures, cpu_seconds_of};
use crate::producer::client_with;
use crate::report::{create_stream, median};

/// Runs `rounds` pairs and prints their medians.
pub(crate) fn run(rounds: usize, quick: bool) -> Result<(), BoxError> {
    let seconds = if quick { 10 } else { 60 };
    println!(
        "A worker at rest, {SHARDS} shards, for {seconds} s: CPU seconds of the own process after its start-up."
    );
    println!("floor: the bare SDK clients sending the same requests at the same pace.\n");
    println!(
        "{:<12} {:>8} {:>8} {:>6} {:>6} {:>10} {:>10} {:>9}",
        "", "CPU s", "ms/req", "ratio", "min", "Kinesis/s", "DynamoDB/s", "peak MB"
    );
    let mut pairs = Vec::new();
    for round in 0..rounds {
        let endpoint = Endpoint::start(Engine::Ours)?;
        create_stream(&endpoint, STREAM, SHARDS)?;
        let case = |who| Case {
            application: format!("idle-{round}"),
            ..Case::of(who, &endpoint, STREAM, seconds, 0)
        };
        pairs.push((
            case(Who::Idle).spawn(&endpoint)?,
            case(Who::IdleFloor).spawn(&endpoint)?,
        ));
    }
    let ratio = |(ours, floor): &(Figures, Figures)| ours.cpu_seconds / floor.cpu_seconds.max(0.01);
    let least = pairs.iter().map(ratio).fold(f64::INFINITY, f64::min);
    let ratio = median(pairs.iter().map(ratio).collect());
    let (ours, floors): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    line("ours", &ours, &format!("{ratio:>6.2} {least:>6.2}"));
    line("floor", &floors, &format!("{:>6} {:>6}", "", ""));
    match quick || ratio <= BAR {
        true => Ok(()),
        false => Err(format!("missed: ratio {ratio:.2}, bar {BAR}").into()),
    }
}

fn line(name: &str, all: &[Figures], ratio: &str) {
    let of = |f: fn(&Figures) -> f64| median(all.iter().map(f).collect());
    println!(
        "{name:<12} {:>8.3} {:>8.3} {ratio} {:>10.2} {:>10.2} {:>9.1}",
        of(|figures| figures.cpu_seconds),
        of(|figures| {
            figures.cpu_seconds * 1e3 / (figures.requests + figures.dynamodb_requests).max(1) as f64
        }),
        of(|figures| figures.requests as f64 / figures.wall_seconds),
        of(|figures| figures.dynamodb_requests as f64 / figures.wall_seconds),
        of(|figures| figures.peak_megabytes),
    );
}

/// Has nothing to do.
#[derive(Debug)]
struct Rests;

impl RecordProcessor for Rests {
    async fn process_records(&mut self, _: RecordBatch, _: &Checkpointer) -> Result<(), BoxError> {
        Ok(())
    }
}

/// A consumer with the defaults, on a stream that nobody puts to.
pub(crate) async fn ours(case: &Case) -> Result<Figures, BoxError> {
    let (kinesis, dynamodb) = (Requests::default(), Requests::default());
    let config = ConsumerConfig::builder(&case.application, &case.stream).build()?;
    let consumer = Consumer::builder(config)
        .kinesis_client(client_with(&case.kinesis, Some(kinesis.clone())))
        .dynamodb_client(dynamodb_client(case, &dynamodb))
        .build(|_: &ShardContext| Rests)?;
    let (tell, told) = tokio::sync::oneshot::channel();
    let measured = async {
        let figures = measure(case, &kinesis, &dynamodb).await;
        // The receiver lives until the consumer has ended.
        let _ = tell.send(figures);
    };
    consumer.run_until(measured).await?;
    told.await?
}

/// The same requests by the bare clients.
pub(crate) async fn floor(case: &Case) -> Result<Figures, BoxError> {
    let (kinesis, dynamodb) = (Requests::default(), Requests::default());
    let reads = client_with(&case.kinesis, Some(kinesis.clone()));
    let table = dynamodb_client(case, &dynamodb);
    let name = format!("{}-floor", case.application);
    create_table(&table, &name).await?;
    let listed = reads.list_shards().stream_name(&case.stream).send().await?;
    // A task for each, all begun at once: so do those of a worker that takes all leases in its first round.
    let mut tasks = JoinSet::new();
    for shard in listed.shards() {
        let (case, shard) = (case.clone(), shard.shard_id().to_owned());
        tasks.spawn(poll(reads.clone(), case, shard.clone()));
        tasks.spawn(renew(table.clone(), name.clone(), shard));
    }
    tasks.spawn(scan(table, name));
    tokio::select! {
        figures = measure(case, &kinesis, &dynamodb) => figures,
        Some(ended) = tasks.join_next() => Err(ended?.err().unwrap_or_else(|| "a task has ended".into())),
    }
}

/// What this process takes from the end of its start-up on.
async fn measure(case: &Case, kinesis: &Requests, dynamodb: &Requests) -> Result<Figures, BoxError> {
    sleep(START_UP).await;
    let (began, spent) = (Instant::now(), cpu_seconds_of(std::process::id())?);
    let (gets, writes) = (kinesis.count(), dynamodb.count());
    sleep(Duration::from_secs(case.records as u64)).await;
    let mut figures = Figures::of_this_process(began.elapsed())?;
    figures.cpu_seconds -= spent;
    figures.requests = kinesis.count() - gets;
    figures.dynamodb_requests = dynamodb.count() - writes;
    Ok(figures)
}

async fn poll(client: aws_sdk_kinesis::Client, case: Case, shard: String) -> Result<(), BoxError> {
    let first = client
        .get_shard_iterator()
        .stream_name(&case.stream)
        .shard_id(shard)
        .shard_iterator_type(ShardIteratorType::Latest);
    let mut iterator = first.send().await?.shard_iterator;
    let mut ticks = ticks(IDLE);
    while let Some(at) = iterator {
        ticks.tick().await;
        let page = client.get_records().shard_iterator(at).send().await?;
        iterator = page.next_shard_iterator;
    }
    Err("the shard has ended".into())
}

async fn renew(client: aws_sdk_dynamodb::Client, table: String, shard: String) -> Result<(), BoxError> {
    let mut ticks = ticks(HEARTBEAT);
    for counter in 0_u64.. {
        ticks.tick().await;
        let number = |number: u64| AttributeValue::N(number.to_string());
        client
            .update_item()
            .table_name(&table)
            .key(KEY, AttributeValue::S(shard.clone()))
            .update_expression("SET #leaseCounter = :next")
            .condition_expression("attribute_not_exists(#leaseCounter) OR #leaseCounter = :held")
            .expression_attribute_names("#leaseCounter", "leaseCounter")
            .expression_attribute_values(":next", number(counter + 1))
            .expression_attribute_values(":held", number(counter))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await?;
    }
    Ok(())
}

async fn scan(client: aws_sdk_dynamodb::Client, table: String) -> Result<(), BoxError> {
    let mut ticks = ticks(SCAN);
    loop {
        ticks.tick().await;
        client
            .scan()
            .table_name(&table)
            .consistent_read(true)
            .send()
            .await?;
    }
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn create_table(client: &aws_sdk_dynamodb::Client, name: &str) -> Result<(), BoxError> {
    client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(
            KeySchemaElement::builder()
                .attribute_name(KEY)
                .key_type(KeyType::Hash)
                .build()?,
        )
        .attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name(KEY)
                .attribute_type(ScalarAttributeType::S)
                .build()?,
        )
        .send()
        .await?;
    // The local table is there at once; one that is not makes the first renewal fail.
    Ok(())
}

fn dynamodb_client(case: &Case, requests: &Requests) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::from_conf(
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
            .endpoint_url(&case.dynamodb)
            .interceptor(requests.clone())
            .build(),
    )
}

/// Counts the requests of a client.
#[derive(Debug, Default, Clone)]
struct Requests(Arc<AtomicU64>);

impl Requests {
    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for Requests {
    fn name(&self) -> &'static str {
        "Requests"
    }

    fn read_before_serialization(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), SdkBoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// The same as for reading records of 1 KiB.
const BAR: f64 = 1.25;
const STREAM: &str = "idle";
const SHARDS: i32 = 8;
const KEY: &str = "leaseKey";
/// Leases are taken, shards opened, the first looks are over.
const START_UP: Duration = Duration::from_secs(8);
/// The consumer's defaults: what it leaves between two reads of a shard, two heartbeats of a lease, two looks at the table.
const IDLE: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_secs(4);
const SCAN: Duration = Duration::from_millis(2_600);
