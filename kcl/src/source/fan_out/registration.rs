//! The consumer that this worker reads as: looked up or registered once for all its shards.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::ConsumerStatus;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use rand::Rng as _;
use tokio::time::{Instant, sleep};
use tracing::{debug, info};

use crate::config::{ConsumerConfig, Retrieval};
use crate::shard::registration::{Answer, Ask, Registration, Why};
use crate::source::failure::{Failure, Kind};
use crate::stream::{Stream, StreamName};

type Found = Result<Arc<str>, Arc<Failure>>;
type LookUp = Shared<BoxFuture<'static, Found>>;

/// The consumers of this worker's streams. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Registrar {
    client: Client,
    config: Arc<ConsumerConfig>,
    known: Arc<Mutex<HashMap<StreamName, (Instant, LookUp)>>>,
}

impl Registrar {
    pub(crate) fn new(client: Client, config: Arc<ConsumerConfig>) -> Self {
        Self {
            client,
            config,
            known: Arc::default(),
        }
    }

    /// The ARN of the consumer, once it can read. All shards of a stream that ask at the same time wait for one look-up.
    ///
    /// # Cancel safety
    /// A look-up goes on with whoever else waits for it, or with the next who asks.
    pub(super) async fn consumer(&self, stream: &Stream) -> Found {
        if let Some(arn) = self.config.fan_out.arn_of(stream.name()) {
            return Ok(Arc::from(arn.as_str()));
        }
        let look_up = self.look_up(stream);
        look_up.await
    }

    /// The consumer is not there any more: the next who asks looks it up.
    pub(super) fn forget(&self, stream: &Stream) {
        self.known().remove(stream.name());
    }

    fn look_up(&self, stream: &Stream) -> LookUp {
        let now = Instant::now();
        let mut known = self.known();
        if let Some((began, look_up)) = known.get(stream.name()) {
            let is_stale = matches!(look_up.peek(), Some(Err(_))) && now >= *began + AGAIN;
            if !is_stale {
                return look_up.clone();
            }
        }
        let begun: BoxFuture<'static, Found> = Box::pin(find(
            self.client.clone(),
            Arc::clone(&self.config),
            stream.clone(),
        ));
        let look_up = begun.shared();
        known.insert(stream.name().clone(), (now, look_up.clone()));
        look_up
    }

    fn known(&self) -> MutexGuard<'_, HashMap<StreamName, (Instant, LookUp)>> {
        // Each holder leaves it whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the consumer is called, and where.
struct Named {
    client: Client,
    stream_arn: String,
    name: String,
}

async fn find(client: Client, config: Arc<ConsumerConfig>, stream: Stream) -> Found {
    let may_register = config.fan_out.retrieval == Retrieval::FanOut;
    let mut rng = config.rng(&format!("register/{stream}"));
    let named = Named {
        stream_arn: stream_arn(&client, &stream).await.map_err(Arc::new)?,
        name: config.fan_out.consumer_name().to_owned(),
        client,
    };
    let mut way = Registration::new(may_register, Instant::now().into_std());
    let mut ask = Ask::Describe(Duration::ZERO);
    let mut failure = None;
    loop {
        let answer = match ask {
            Ask::Describe(pause) => {
                sleep(pause).await;
                named.describe().await
            }
            Ask::Register => named.register().await.map(|()| (Answer::Creating, String::new())),
            Ask::Done | Ask::GiveUp(_) => return Err(Arc::new(gave_up(&named.name, failure))),
        };
        let (answer, arn) = match answer {
            Ok(answered) => answered,
            Err(refused) => (take(refused, &mut failure).map_err(Arc::new)?, String::new()),
        };
        ask = way.on(Instant::now().into_std(), answer, rng.random());
        match ask {
            Ask::Done => {
                info!(stream = %stream, "enhanced fan-out as {arn}");
                return Ok(Arc::from(arn));
            }
            Ask::GiveUp(Why::Missing) => {
                debug!(stream = %stream, "no consumer is registered as {}", named.name);
            }
            _ => {}
        }
    }
}

/// What a failed call means; a failure that no time heals is handed back.
fn take(failure: Failure, last: &mut Option<Failure>) -> Result<Answer, Failure> {
    let answer = match failure.kind {
        Kind::InUse => Answer::InUse,
        Kind::Throttled => Answer::Throttled,
        Kind::Unavailable => Answer::Passing,
        Kind::NotFound if failure.operation == DESCRIBE => Answer::Missing,
        _ => return Err(failure),
    };
    *last = Some(failure);
    Ok(answer)
}

fn gave_up(name: &str, last: Option<Failure>) -> Failure {
    last.unwrap_or_else(|| Failure {
        operation: DESCRIBE,
        kind: Kind::Unavailable,
        code: "NotActive".to_owned(),
        source: format!("consumer {name} does not become active").into(),
    })
}

async fn stream_arn(client: &Client, stream: &Stream) -> Result<String, Failure> {
    const OPERATION: &str = "DescribeStreamSummary";
    if let Some(arn) = stream.arn() {
        return Ok(arn.to_string());
    }
    let call = client
        .describe_stream_summary()
        .stream_name(stream.name().as_str());
    let output = call
        .send()
        .await
        .map_err(|error| Failure::of_sdk(OPERATION, error))?;
    let summary = output.stream_description_summary;
    let summary = summary.ok_or_else(|| Failure::bad_answer(OPERATION, "no summary in the answer"))?;
    Ok(summary.stream_arn)
}

impl Named {
    async fn describe(&self) -> Result<(Answer, String), Failure> {
        let call = self
            .client
            .describe_stream_consumer()
            .stream_arn(&self.stream_arn)
            .consumer_name(&self.name);
        let output = call
            .send()
            .await
            .map_err(|error| Failure::of_sdk(DESCRIBE, error))?;
        let consumer = output.consumer_description;
        let consumer = consumer.ok_or_else(|| Failure::bad_answer(DESCRIBE, "no consumer in the answer"))?;
        let answer = match consumer.consumer_status {
            ConsumerStatus::Active => Answer::Active,
            ConsumerStatus::Deleting => Answer::Deleting,
            _ => Answer::Creating,
        };
        Ok((answer, consumer.consumer_arn))
    }

    async fn register(&self) -> Result<(), Failure> {
        let call = self
            .client
            .register_stream_consumer()
            .stream_arn(&self.stream_arn)
            .consumer_name(&self.name);
        let registered = call.send().await;
        registered.map_err(|error| Failure::of_sdk("RegisterStreamConsumer", error))?;
        info!(stream = %self.stream_arn, "consumer {} registered for enhanced fan-out", self.name);
        Ok(())
    }
}

const DESCRIBE: &str = "DescribeStreamConsumer";
/// Ours: how long what went wrong for one shard counts for the others.
const AGAIN: Duration = Duration::from_secs(5);
