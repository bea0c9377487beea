//! Registered consumers: RegisterStreamConsumer and its siblings.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::Engine;
use super::account::max_consumers;
use super::api::{
    ConsumerAddress, ConsumerDescription, ConsumerStatus, ListConsumersRequest, ListConsumersResponse,
    RegisterConsumerRequest, StreamStatus,
};
use super::arn::{self, CONSUMER_PATTERN, STREAM_PATTERN};
use super::constraint::Constraints;
use super::error::ServiceError;
use super::operation::Operation;
use super::seal::Kind;
use super::shard::seconds;
use super::stream::Stream;
use super::subscription::SubscriptionId;
use super::{lifecycle, tags};

/// A registered consumer.
#[derive(Debug, Clone)]
pub(crate) struct Consumer {
    pub(crate) name: String,
    pub(crate) created_ms: u64,
    active_ms: u64,
    gone_ms: Option<u64>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) policy: Option<String>,
    /// Each shard's latest successful SubscribeToShard: when, and the subscription.
    pub(crate) subscribed: BTreeMap<u32, (u64, SubscriptionId)>,
    /// Each shard's latest SubscribeToShard that was within the rate.
    pub(crate) asked: BTreeMap<u32, u64>,
}

impl Consumer {
    pub(crate) fn status(&self, now_ms: u64) -> ConsumerStatus {
        match self.gone_ms {
            Some(_) => ConsumerStatus::Deleting,
            None if now_ms < self.active_ms => ConsumerStatus::Creating,
            None => ConsumerStatus::Active,
        }
    }

    /// A shard that has expired is not subscribed to again.
    pub(crate) fn forget_shard(&mut self, shard: u32) {
        self.subscribed.remove(&shard);
        self.asked.remove(&shard);
    }

    pub(crate) fn is_gone(&self, now_ms: u64) -> bool {
        self.gone_ms.is_some_and(|at| at <= now_ms)
    }
}

impl Stream {
    /// Drops consumers whose deletion is over.
    pub(super) fn forget_gone_consumers(&mut self, now_ms: u64) {
        let gone = self
            .consumers
            .values()
            .filter(|consumer| consumer.is_gone(now_ms));
        let latest = gone.map(|consumer| seconds(consumer.created_ms)).max();
        if let Some(latest) = latest {
            self.last_gone_consumer_s = self.last_gone_consumer_s.max(Some(latest));
            self.consumers.retain(|_, consumer| !consumer.is_gone(now_ms));
        }
    }

    /// The consumer an ARN names, if that very one is still there.
    pub(super) fn consumer_mut(&mut self, named: arn::Consumer<'_>, now_ms: u64) -> Option<&mut Consumer> {
        self.consumers
            .get_mut(named.name)
            .filter(|consumer| seconds(consumer.created_ms) == named.created_s && !consumer.is_gone(now_ms))
    }
}

impl Engine {
    pub(crate) fn register_stream_consumer(
        &mut self,
        request: RegisterConsumerRequest,
        now_ms: u64,
    ) -> Result<ConsumerDescription, ServiceError> {
        let now_ms = self.begin(Operation::RegisterStreamConsumer, now_ms)?;
        let mut constraints = Constraints::new();
        let name = constraints.required("consumerName", request.consumer_name.as_deref());
        if let Some(name) = name {
            constraints.name("consumerName", name);
        }
        if let Some(tags) = &request.tags {
            tags::check(tags, &mut constraints);
        }
        constraints.finish()?;
        let name = name.unwrap_or_default();
        tags::check_count(request.tags.as_ref().map_or(0, |tags| tags.len()))?;
        let arn = self
            .owner
            .parse_arn("streamARN", request.stream_arn.as_deref(), STREAM_PATTERN)?;
        let stream = super::find(
            &mut self.streams,
            &mut self.ledger,
            &self.owner,
            arn.stream,
            now_ms,
        )?;
        if matches!(stream.status, StreamStatus::Creating | StreamStatus::Deleting) {
            return Err(lifecycle::not_active(stream, self.owner.account()));
        }
        stream.forget_gone_consumers(now_ms);
        if stream.consumers.contains_key(name) {
            return Err(ServiceError::in_use(format!(
                "Consumer {name} under stream {} already exists for account {}.",
                stream.name,
                self.owner.account()
            )));
        }
        let count = stream.consumers.len();
        let most = max_consumers(stream.mode, self.commitment);
        let creating = |consumer: &&Consumer| consumer.status(now_ms) == ConsumerStatus::Creating;
        let being_created = stream.consumers.values().filter(creating).count();
        if self.settings.limits.quotas && (count >= most || being_created >= MAX_CREATING) {
            return Err(ServiceError::limit_exceeded(
                "You have reached the maximum number of registered consumers for this stream.",
            ));
        }
        // One that is made again has another ARN, which tells seconds apart and no less.
        let free_s = stream.last_gone_consumer_s.map_or(0, |gone| gone + 1);
        let created_ms = now_ms.max(free_s * 1000);
        let active_ms = now_ms.saturating_add(self.settings.durations.register_consumer_ms);
        let consumer = Consumer {
            name: name.to_owned(),
            created_ms,
            active_ms,
            gone_ms: None,
            tags: request.tags.unwrap_or_default(),
            policy: None,
            subscribed: BTreeMap::new(),
            asked: BTreeMap::new(),
        };
        let mut description = self.describe_consumer(&consumer, arn.stream, now_ms);
        // The answer tells of the start, however short the rest is.
        description.status = ConsumerStatus::Creating;
        if let Some(stream) = self.streams.get_mut(arn.stream) {
            stream.consumers.insert(name.to_owned(), consumer);
        }
        Ok(description)
    }

    pub(crate) fn deregister_stream_consumer(
        &mut self,
        request: ConsumerAddress,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(Operation::DeregisterStreamConsumer, now_ms)?;
        let takes_ms = self.settings.durations.deregister_consumer_ms;
        let (_, consumer) = self.consumer_at(Operation::DeregisterStreamConsumer, &request, now_ms)?;
        if consumer.gone_ms.is_some() {
            return Err(ServiceError::in_use(format!(
                "Consumer {} is being deleted already.",
                consumer.name
            )));
        }
        consumer.gone_ms = Some(now_ms.saturating_add(takes_ms));
        let ended: Vec<_> = consumer.subscribed.values().map(|(_, id)| *id).collect();
        self.sessions.wake(ended);
        Ok(())
    }

    pub(crate) fn describe_stream_consumer(
        &mut self,
        request: ConsumerAddress,
        now_ms: u64,
    ) -> Result<ConsumerDescription, ServiceError> {
        let now_ms = self.begin(Operation::DescribeStreamConsumer, now_ms)?;
        let (stream, consumer) = self.consumer_at(Operation::DescribeStreamConsumer, &request, now_ms)?;
        let consumer = consumer.clone();
        Ok(self.describe_consumer(&consumer, &stream, now_ms))
    }

    pub(crate) fn list_stream_consumers(
        &mut self,
        request: ListConsumersRequest,
        now_ms: u64,
    ) -> Result<ListConsumersResponse, ServiceError> {
        let now_ms = self.begin(Operation::ListStreamConsumers, now_ms)?;
        let mut constraints = Constraints::new();
        if let Some(most) = request.max_results {
            constraints.range("maxResults", most, 1, 10_000);
        }
        constraints.finish()?;
        let after = request
            .next_token
            .as_deref()
            .map(|token| self.sealer.open_page(Kind::Consumers, token, now_ms))
            .transpose()?;
        let most = usize::try_from(request.max_results.unwrap_or(DEFAULT_RESULTS)).unwrap_or(1);
        let name = self.owner.resolve(&request.stream)?.to_owned();
        let stream = super::find(&mut self.streams, &mut self.ledger, &self.owner, &name, now_ms)?;
        let created = request.stream_creation_timestamp_ms;
        if created.is_some_and(|asked| seconds(asked) != seconds(stream.created_ms)) {
            return Err(arn::stream_not_found(&name, self.owner.account()));
        }
        if self.settings.limits.control {
            self.calls.admit(Operation::ListStreamConsumers, &name, now_ms)?;
        }
        stream.forget_gone_consumers(now_ms);
        let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let rest = stream.consumers.range::<str, _>((from, Bound::Unbounded));
        let mut found: Vec<Consumer> = rest
            .take(most + 1)
            .map(|(_, consumer)| consumer.clone())
            .collect();
        let has_more = found.len() > most;
        found.truncate(most);
        let last = found.last().filter(|_| has_more);
        let next_token = last.map(|last| self.sealer.seal_page(Kind::Consumers, &last.name, now_ms));
        let consumers = found
            .iter()
            .map(|consumer| self.describe_consumer(consumer, &name, now_ms))
            .collect();
        Ok(ListConsumersResponse {
            consumers,
            next_token,
        })
    }

    /// The consumer an address means, and its stream's name.
    fn consumer_at(
        &mut self,
        operation: Operation,
        address: &ConsumerAddress,
        now_ms: u64,
    ) -> Result<(String, &mut Consumer), ServiceError> {
        let named = if let Some(arn) = &address.consumer_arn {
            let arn = self.owner.parse_arn("consumerARN", Some(arn), CONSUMER_PATTERN)?;
            let Some(consumer) = arn.consumer else {
                return Err(ServiceError::invalid_argument(
                    "ConsumerARN does not name a consumer.",
                ));
            };
            let other_name = address
                .consumer_name
                .as_ref()
                .is_some_and(|name| name != consumer.name);
            let other_stream = address
                .stream_arn
                .as_ref()
                .is_some_and(|stream| *stream != self.owner.stream_arn(arn.stream));
            if other_name || other_stream {
                return Err(ServiceError::invalid_argument(
                    "ConsumerARN, StreamARN and ConsumerName do not name the same consumer.",
                ));
            }
            (
                arn.stream.to_owned(),
                consumer.name.to_owned(),
                Some(consumer.created_s),
            )
        } else {
            let (Some(stream), Some(name)) = (&address.stream_arn, &address.consumer_name) else {
                return Err(ServiceError::invalid_argument(
                    "Must specify either ConsumerARN, or both StreamARN and ConsumerName.",
                ));
            };
            let arn = self.owner.parse_arn("streamARN", Some(stream), STREAM_PATTERN)?;
            (arn.stream.to_owned(), name.clone(), None)
        };
        let (stream_name, name, created_s) = named;
        if self.settings.limits.control {
            self.calls.admit(operation, &stream_name, now_ms)?;
        }
        let stream = super::find(
            &mut self.streams,
            &mut self.ledger,
            &self.owner,
            &stream_name,
            now_ms,
        )?;
        let consumer = stream.consumers.get_mut(&name).filter(|consumer| {
            !consumer.is_gone(now_ms) && created_s.is_none_or(|made| made == seconds(consumer.created_ms))
        });
        match consumer {
            Some(consumer) => Ok((stream_name, consumer)),
            None => Err(not_found(&name, &stream_name)),
        }
    }

    fn describe_consumer(&self, consumer: &Consumer, stream: &str, now_ms: u64) -> ConsumerDescription {
        let created_s = seconds(consumer.created_ms);
        ConsumerDescription {
            consumer_name: consumer.name.clone(),
            consumer_arn: self.owner.consumer_arn(stream, &consumer.name, created_s),
            status: consumer.status(now_ms),
            created_ms: consumer.created_ms,
            stream_arn: self.owner.stream_arn(stream),
        }
    }
}

pub(super) fn not_found(consumer: &str, stream: &str) -> ServiceError {
    ServiceError::not_found(format!("Consumer {consumer} under stream {stream} not found."))
}

/// Source: AWS API reference, RegisterStreamConsumer.
const MAX_CREATING: usize = 5;
/// Source: AWS API reference, ListStreamConsumers, `MaxResults`.
const DEFAULT_RESULTS: i64 = 100;
