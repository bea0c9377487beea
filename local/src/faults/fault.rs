//! One thing that goes wrong: an action, and the conditions under which it is taken.

use std::time::Duration;

use super::action::{Action, FaultService, Refusal};
use super::call::Call;
use super::error::FaultError;
use super::script::shard_number;

/// One thing that goes wrong, and when. Made by what goes wrong, narrowed by conditions; what is not narrowed
/// matches everything the action can act on.
///
/// ```
/// use std::time::Duration;
/// use kinesis_local::Fault;
///
/// // The first three puts to one shard are throttled, and only of one client.
/// let hot = Fault::throttle()
///     .operation("PutRecords")
///     .stream("orders")
///     .shard("shardId-000000000002")
///     .client("till-7")
///     .times(3);
///
/// // For one minute, ten minutes from now, one in twenty writes happens and its answer is lost.
/// let lossy = Fault::reply_lost()
///     .operation("PutRecords")
///     .after(Duration::from_secs(600))
///     .lasting(Duration::from_secs(60))
///     .chance(0.05);
/// # let _ = (hot, lossy);
/// ```
///
/// Conditions are checked in this order: half, operation, stream or table, shard, client, time, then
/// [`skip`](Self::skip), [`times`](Self::times) and last [`chance`](Self::chance). Of several faults that strike one
/// call, delays and clock skews add up, and of endings the first added wins.
#[must_use = "a fault does nothing until it is added"]
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub(super) action: Action,
    pub(super) service: Option<FaultService>,
    pub(super) operations: Vec<String>,
    pub(super) resource: Option<String>,
    pub(super) shard: Option<String>,
    pub(super) client: Option<String>,
    pub(super) is_conditional: bool,
    pub(super) after: Duration,
    pub(super) lasting: Option<Duration>,
    pub(super) skip: u32,
    pub(super) times: Option<u32>,
    pub(super) chance: f64,
}

impl Fault {
    fn new(action: Action) -> Self {
        Self {
            action,
            service: None,
            operations: Vec::new(),
            resource: None,
            shard: None,
            client: None,
            is_conditional: false,
            after: Duration::ZERO,
            lasting: None,
            skip: 0,
            times: None,
            chance: 1.0,
        }
    }

    /// The call is refused and nothing happens: any error code, with its HTTP status, 400 to 599. The message is
    /// the service's usual one for an `InternalFailure` and otherwise says that the error was asked for; see
    /// [`message`](Self::message).
    ///
    /// Narrowed to a shard, a PutRecords loses only the entries that belong to it, each with this code.
    pub fn error(code: impl Into<String>, status: u16) -> Self {
        let code = code.into();
        let message = if code == "InternalFailure" {
            "Internal Service Failure".to_owned()
        } else {
            "This error was asked for.".to_owned()
        };
        Self::new(Action::Error(Refusal {
            code,
            status,
            message,
        }))
    }

    /// The call is refused as over its rate: `ProvisionedThroughputExceededException` for data calls and DynamoDB,
    /// `LimitExceededException` for the other operations of Kinesis.
    ///
    /// Narrowed to a shard, a PutRecords loses only the entries that belong to it.
    pub fn throttle() -> Self {
        Self::new(Action::Throttle)
    }

    /// Entries of PutRecords are refused one by one, the others are stored; a PutRecord is refused as a whole.
    /// [`times`](Self::times) and [`chance`](Self::chance) count entries. The code is
    /// `ProvisionedThroughputExceededException`; for another one use [`entries_refused_with`](Self::entries_refused_with).
    pub fn entries_refused() -> Self {
        Self::entries_refused_with("ProvisionedThroughputExceededException")
    }

    /// As [`entries_refused`](Self::entries_refused) with this `ErrorCode`; the service knows `InternalFailure`
    /// beside throttling.
    pub fn entries_refused_with(code: impl Into<String>) -> Self {
        let Self { action, .. } = Self::error(code, 400);
        match action {
            Action::Error(mut refusal) => {
                if refusal.code == "InternalFailure" {
                    refusal.status = 500;
                }
                Self::new(Action::RefuseEntries(refusal))
            }
            other => Self::new(other),
        }
    }

    /// The call takes this much longer, half of it before and half of it after its work.
    pub fn latency(added: Duration) -> Self {
        Self::new(Action::Latency(added))
    }

    /// The call does all its work, and then the connection is cut before a byte of the answer. Of a write the
    /// client cannot know that it happened.
    pub fn reply_lost() -> Self {
        Self::new(Action::ReplyLost)
    }

    /// The connection is cut before anything happens.
    pub fn connection_cut() -> Self {
        Self::new(Action::ConnectionCut)
    }

    /// A subscription falls silent at its next event and stays open: no bytes, no end.
    pub fn half_open() -> Self {
        Self::new(Action::HalfOpen)
    }

    /// An event of a subscription comes twice.
    pub fn duplicate_event() -> Self {
        Self::new(Action::DuplicateEvent)
    }

    /// A subscription's connection is cut in place of its next event.
    pub fn subscription_cut() -> Self {
        Self::new(Action::SubscriptionCut)
    }

    /// ListShards answers as it would have this long ago.
    pub fn stale_shards(by: Duration) -> Self {
        Self::new(Action::StaleShards(by))
    }

    /// A Query or Scan on a secondary index of DynamoDB sees the table as it was this long ago, though never older
    /// than the moment this fault was added. An index never goes back: a later, shorter lag shows more, a later,
    /// longer one does not show less.
    pub fn index_lag(by: Duration) -> Self {
        Self::new(Action::IndexLag(by))
    }

    /// The caller's clock runs ahead of the service's by this: what it sends as a timestamp is that much later,
    /// and what the service sends it (the `Date` header, arrival times) that much earlier, both as seen from the
    /// true clock. To be narrowed by [`client`](Self::client). Signatures are not judged; add
    /// [`error`](Self::error)`("InvalidSignatureException", 403)` for a service that refuses them.
    pub fn clock_ahead(by: Duration) -> Self {
        Self::new(Action::ClockSkew { ms: signed_ms(by) })
    }

    /// As [`clock_ahead`](Self::clock_ahead), the other way.
    pub fn clock_behind(by: Duration) -> Self {
        Self::new(Action::ClockSkew { ms: -signed_ms(by) })
    }

    /// The error's message, for [`error`](Self::error) and [`entries_refused_with`](Self::entries_refused_with);
    /// no effect on others.
    pub fn message(mut self, text: impl Into<String>) -> Self {
        if let Action::Error(refusal) | Action::RefuseEntries(refusal) = &mut self.action {
            refusal.message = text.into();
        }
        self
    }

    /// Only one half. Default: both, where the action concerns both.
    pub fn service(mut self, service: FaultService) -> Self {
        self.service = Some(service);
        self
    }

    /// Only this operation, by its name in the API reference. Given several times: any of them. Default: all that
    /// the action can act on.
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.operations.push(operation.into());
        self
    }

    /// Only calls that name this stream, by name or ARN, and reads and subscriptions of it.
    pub fn stream(mut self, stream: impl Into<String>) -> Self {
        self.resource = Some(stream.into());
        self.service = Some(FaultService::Kinesis);
        self
    }

    /// Only calls that name this table of DynamoDB.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.resource = Some(table.into());
        self.service = Some(FaultService::DynamoDb);
        self
    }

    /// Only calls that concern this shard, such as `shardId-000000000000`.
    pub fn shard(mut self, shard: impl Into<String>) -> Self {
        self.shard = Some(shard.into());
        self.service = Some(FaultService::Kinesis);
        self
    }

    /// Only calls of this client: the access key id that it signs with, or the application name of its SDK.
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.client = Some(client.into());
        self
    }

    /// Only writes of DynamoDB that carry a condition.
    pub fn conditional(mut self) -> Self {
        self.is_conditional = true;
        self.service = Some(FaultService::DynamoDb);
        self
    }

    /// Not before this long after it was added; for the script of a builder, after the start. Default 0.
    pub fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }

    /// Only this long. Default: without end.
    pub fn lasting(mut self, period: Duration) -> Self {
        self.lasting = Some(period);
        self
    }

    /// This many matching calls pass unharmed first. Default 0.
    pub fn skip(mut self, calls: u32) -> Self {
        self.skip = calls;
        self
    }

    /// Strikes so often at most. Default: without end.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// How likely it strikes a matching call, 0 to 1. Default 1. Drawn from the script's seed.
    pub fn chance(mut self, chance: f64) -> Self {
        self.chance = chance;
        self
    }

    /// The rule in one line, as the control endpoint lists it.
    pub(crate) fn summary(&self) -> String {
        let mut text = self.action.name().to_owned();
        let parts = [
            (!self.operations.is_empty()).then(|| format!(" of {}", self.operations.join(", "))),
            self.resource.as_ref().map(|name| format!(" on {name}")),
            self.shard.as_ref().map(|shard| format!(" in {shard}")),
            self.client.as_ref().map(|client| format!(" for {client}")),
        ];
        text.extend(parts.into_iter().flatten());
        text
    }

    pub(super) fn check(&self) -> Result<(), FaultError> {
        if !(0.0..=1.0).contains(&self.chance) {
            return Err(FaultError::Chance { chance: self.chance });
        }
        if let Action::Error(refusal) | Action::RefuseEntries(refusal) = &self.action {
            refusal.check()?;
        }
        if let Some(shard) = &self.shard
            && shard_number(shard).is_none()
        {
            return Err(FaultError::Shard { shard: shard.clone() });
        }
        if let Some(service) = self.service
            && !self.action.concerns(service, None)
        {
            return Err(FaultError::Action {
                action: self.action.name(),
                operation: service.name().to_owned(),
            });
        }
        self.operations
            .iter()
            .try_for_each(|operation| self.check_operation(operation))
    }

    fn check_operation(&self, operation: &str) -> Result<(), FaultError> {
        let halves: Vec<FaultService> = [FaultService::Kinesis, FaultService::DynamoDb]
            .into_iter()
            .filter(|&half| self.service.is_none_or(|service| service == half))
            .filter(|half| half.has(operation))
            .collect();
        if halves.is_empty() {
            return Err(FaultError::Operation {
                operation: operation.to_owned(),
                service: self.service.map_or("either half", FaultService::name),
            });
        }
        if !halves
            .iter()
            .any(|&half| self.action.concerns(half, Some(operation)))
        {
            return Err(FaultError::Action {
                action: self.action.name(),
                operation: operation.to_owned(),
            });
        }
        if self.shard.is_some() && is_write(operation) && !self.action.is_refusal() {
            return Err(FaultError::ShardOfWrite {
                action: self.action.name(),
                operation: operation.to_owned(),
            });
        }
        Ok(())
    }

    /// Whether the call is one this fault is about, time and counts aside.
    pub(super) fn matches(&self, call: &Call<'_>) -> bool {
        let shard_fits = match &self.shard {
            None => true,
            // Which shard an entry belongs to is known to the engine only.
            Some(_) if is_write(call.operation) => self.action.is_refusal(),
            Some(shard) => call.shard == Some(shard.as_str()),
        };
        shard_fits
            && self.service.is_none_or(|service| service == call.service)
            && self.action.concerns(call.service, Some(call.operation))
            && (self.operations.is_empty() || self.operations.iter().any(|name| name == call.operation))
            && self
                .resource
                .as_deref()
                .is_none_or(|name| call.resource == Some(name))
            && self.client.as_deref().is_none_or(|client| call.caller.is(client))
            && (!self.is_conditional || call.is_conditional)
    }

    /// What becomes of the entries of a put, if it is they that this fault is about.
    pub(super) fn entry_refusal(&self, call: &Call<'_>) -> Option<Refusal> {
        if !is_write(call.operation) || call.service != FaultService::Kinesis {
            return None;
        }
        match &self.action {
            Action::RefuseEntries(refusal) => Some(refusal.clone()),
            Action::Error(refusal) if self.shard.is_some() => Some(refusal.clone()),
            Action::Throttle if self.shard.is_some() => Some(Refusal::throttle(call.service, call.operation)),
            _ => None,
        }
    }
}

fn is_write(operation: &str) -> bool {
    matches!(operation, "PutRecord" | "PutRecords")
}

fn signed_ms(by: Duration) -> i64 {
    i64::try_from(by.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "fault_test.rs"]
mod tests;
