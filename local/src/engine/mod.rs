//! Kinesis Data Streams without a wire: requests as values in, answers as values out, at a time that is given.
//!
//! ```text
//!  wire (decodes, serves, delays, cuts) ──request, now──> Engine ──> Ok(response) | Err(ServiceError)
//!                                                           │
//!        put            write_limits ── stream ── shard     │  records lie in their shards
//!        iterator, get  read_limits  ── shard               │  readers get clones that share the bytes
//!        subscription   polled with `now`, woken by puts    │
//!        lifecycle, reshard, scaling    transition          │  what takes time is due at a moment
//!        retention      ledger                              │  the oldest records go first
//! ```
//!
//! # Contract
//!
//! - Nothing here awaits, reads a clock or draws chance from outside: the same settings and the same calls give
//!   the same answers, byte for byte.
//! - `now_ms` is Unix time in milliseconds. It may stand still; if it goes back, it is taken to stand still.
//! - Work that is due is done when the next call comes, as of the moment it was due. [`Engine::next_due_ms`] tells
//!   a shell when it would matter, [`Engine::tick`] does it without another call.
//! - After any call, [`Engine::take_woken`] names the subscriptions that have something to say.
//! - Memory is bounded by [`Settings::memory_bytes`] and by the counts of streams and shards.
//!
//! `FIDELITY.md` beside this crate says rule by rule what is as the service does it.

mod account;
pub(crate) mod api;
mod arn;
mod bucket;
mod call_limits;
mod constraint;
mod consumers;
mod describe;
pub(crate) mod dice;
mod encryption;
pub(crate) mod error;
mod fault;
mod get;
mod iterator;
mod ledger;
mod lifecycle;
mod list_shards;
mod list_streams;
mod monitoring;
mod operation;
mod overview;
mod page;
mod policy;
mod put;
mod read_limits;
mod reshard;
mod resource;
mod retention;
mod scaling;
mod seal;
pub(crate) mod sequence;
mod settings;
mod shard;
mod stream;
mod stream_settings;
mod subscribe;
mod subscription;
mod tags;
mod transition;
mod write_limits;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::account::Commitment;
use self::api::StreamAddress;
use self::arn::{Owner, stream_not_found};
use self::call_limits::CallLimits;
use self::dice::Dice;
use self::error::ServiceError;
use self::fault::Faults;
use self::ledger::Ledger;
use self::seal::Sealer;
use self::stream::Stream;
use self::subscription::Sessions;
use self::transition::Schedule;

pub(crate) use self::fault::{Effect, Fault, FaultId, When};
pub(crate) use self::operation::Operation;
pub(crate) use self::overview::{ShardOverview, StreamOverview};
#[cfg(test)]
pub(crate) use self::settings::Durations;
pub(crate) use self::settings::{FanOut, Limits, Settings, TrimmedPosition};
pub(crate) use self::subscription::{SubscriptionId, SubscriptionPoll};
pub(crate) use self::transition::Reshard;

/// All streams of one account in one Region.
#[derive(Debug)]
pub(crate) struct Engine {
    settings: Settings,
    owner: Owner,
    streams: BTreeMap<Arc<str>, Stream>,
    schedule: Schedule,
    ledger: Ledger,
    sessions: Sessions,
    calls: CallLimits,
    faults: Faults,
    commitment: Commitment,
    sealer: Sealer,
    dice: Dice,
    now_ms: u64,
    /// Streams ever made.
    incarnations: u64,
}

impl Engine {
    /// An account without streams.
    pub(crate) fn new(settings: Settings) -> Self {
        let mut dice = Dice::new(settings.seed);
        Self {
            owner: Owner::new(settings.account.clone(), settings.region.clone()),
            streams: BTreeMap::new(),
            schedule: Schedule::default(),
            ledger: Ledger::new(settings.memory_bytes),
            sessions: Sessions::default(),
            calls: CallLimits::default(),
            faults: Faults::default(),
            commitment: Commitment::default(),
            sealer: Sealer::new(dice.next()),
            dice,
            now_ms: 0,
            incarnations: 0,
            settings,
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now_ms: u64) {
        self.advance(now_ms);
    }

    /// When the next thing is due, if anything is: a stream that changes, a scripted reshard.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        self.schedule.next_due_ms()
    }

    /// Subscriptions that should be polled now rather than at the time they asked for.
    pub(crate) fn take_woken(&mut self) -> Vec<SubscriptionId> {
        self.sessions.take_woken()
    }

    /// Bytes of records held, with their bookkeeping.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.ledger.held_bytes()
    }

    /// Scripts a reshard, whatever the stream's mode; at once if the moment has passed. One that is impossible by
    /// then is dropped.
    pub(crate) fn schedule_reshard(&mut self, stream: &str, reshard: Reshard, at_ms: u64) {
        // A shard cannot close before its last record came.
        self.schedule
            .script(Arc::from(stream), reshard, at_ms.max(self.now_ms));
    }

    /// The faults that are scripted.
    pub(crate) fn faults_mut(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// The start of every call: what is due is done, and time is what is returned.
    fn advance(&mut self, now_ms: u64) -> u64 {
        self.now_ms = self.now_ms.max(now_ms);
        while let Some(due) = self.schedule.take_due(self.now_ms) {
            self.apply(due);
        }
        self.now_ms
    }

    /// The start of a call of an operation: also counts it against the account's rate.
    fn begin(&mut self, operation: Operation, now_ms: u64) -> Result<u64, ServiceError> {
        let now_ms = self.advance(now_ms);
        if self.settings.limits.control {
            self.calls.admit(operation, "", now_ms)?;
        }
        Ok(now_ms)
    }

    /// The stream a request means, with its expired shards gone.
    fn stream_mut(&mut self, address: &StreamAddress, now_ms: u64) -> Result<&mut Stream, ServiceError> {
        let name = self.owner.resolve(address)?;
        find(&mut self.streams, &mut self.ledger, &self.owner, name, now_ms)
    }

    /// Whether a wait would change what this stream's status says, for tests of durations.
    #[cfg(test)]
    fn status_of(&self, name: &str) -> Option<api::StreamStatus> {
        self.streams.get(name).map(|stream| stream.status)
    }
}

/// A stream by name. A function of its own, so that callers keep the rest of the engine.
fn find<'a>(
    streams: &'a mut BTreeMap<Arc<str>, Stream>,
    ledger: &mut Ledger,
    owner: &Owner,
    name: &str,
    now_ms: u64,
) -> Result<&'a mut Stream, ServiceError> {
    let stream = streams
        .get_mut(name)
        .ok_or_else(|| stream_not_found(name, owner.account()))?;
    retention::forget_expired_shards(stream, ledger, now_ms);
    Ok(stream)
}
