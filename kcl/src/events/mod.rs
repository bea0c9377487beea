//! What happens to a consumer's leases, told as it happens: one bounded buffer, read by whoever wants to know.
//!
//! ```text
//!  coordinator ──┐                        ┌──> Events (a Stream)   each reader at its own pace;
//!  keepers ──────┼──> Bell ──> 1,024 last ┼──> Events              what it is too slow for is counted: Missed(n)
//!  auditor ──────┘                        └──> nobody              costs nothing
//! ```

mod record;
mod stream;

use std::time::Duration;

use kinesis_aggregation::{HashKeyRange, ShardId};
use tokio::sync::broadcast;

pub use self::record::RecordEvent;
pub use self::stream::Events;
use crate::fleet::NotPrivate;
use crate::lease::{LeaseKey, StreamId, WorkerId};
use crate::position::{Checkpoint, Position, SequenceNumber};
use crate::shard::progress::RetrievalMode;
use crate::shard_sync::recreated::Recreated;
use crate::stream::StreamName;
use crate::streams::listed::StreamTarget;
use crate::streams::tracker::Why;

/// One thing that happened to this worker, or that it noticed of the others.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ConsumerEvent {
    /// The start is over: the lease table can be used, and shards without lease got one.
    Started {
        /// Leases created by this worker at its start.
        leases_created: usize,
    },
    /// This worker has a lease now (KCL metric: `TakenLeases`).
    LeaseTaken {
        /// Which.
        lease_key: LeaseKey,
        /// Where its shard is read from.
        checkpoint: Checkpoint,
        /// Who had it before; `None`: nobody, or this worker itself.
        from: Option<WorkerId>,
    },
    /// This worker has a lease no more, and did not give it up (KCL metric: `LostLeases`).
    LeaseLost {
        /// Which.
        lease_key: LeaseKey,
        /// Why.
        reason: LossReason,
        /// Who has it now, where the row told.
        to: Option<WorkerId>,
    },
    /// This worker gave a lease up, in good order.
    LeaseHandedOver {
        /// Which.
        lease_key: LeaseKey,
        /// To whom; `None`: to whoever takes it first.
        to: Option<WorkerId>,
    },
    /// Another worker waits for a lease that this one holds.
    HandOverRequested {
        /// Which.
        lease_key: LeaseKey,
        /// Who waits.
        by: Option<WorkerId>,
    },
    /// This worker asked another one for a lease.
    HandOverAsked {
        /// Which.
        lease_key: LeaseKey,
        /// Whom.
        from: WorkerId,
    },
    /// A shard is closed, every record of it was processed, and its end is checkpointed.
    ShardFinished {
        /// Its lease.
        lease_key: LeaseKey,
    },
    /// A processor panicked; its lease is given up and left alone for a while.
    ProcessorPanicked {
        /// Its lease.
        lease_key: LeaseKey,
    },
    /// Another worker is seen for the first time: a lease names it, or it asks for one.
    WorkerJoined {
        /// Who.
        worker_id: WorkerId,
    },
    /// Another worker is seen no more: no lease that lives names it.
    WorkerLeft {
        /// Who.
        worker_id: WorkerId,
    },
    /// Somebody else leads the fleet now, or nobody (KCL metric: `LeaderDecider:IsLeader`).
    LeaderChanged {
        /// Who.
        leader: Option<WorkerId>,
    },
    /// Hash keys have no lease for some time, so their records are read by nobody (KCL: `NumStreamsWithPartialLeases`).
    HoleFound {
        /// The stream.
        stream: StreamName,
        /// The first such keys.
        hash_keys: HashKeyRange,
        /// Leases created to close the hole.
        leases_created: usize,
    },
    /// The lease of a finished shard was removed, because nobody needs it any more.
    LeaseRemoved {
        /// Which.
        lease_key: LeaseKey,
    },
    /// The stream of a shard that was read is not there any more, and with it what was not read of it. The shard ends: the processor's
    /// `shard_ended` is called, as in the KCL.
    StreamDeleted {
        /// Which stream.
        stream: StreamName,
        /// The shard's lease.
        lease_key: LeaseKey,
    },
    /// The application's only stream was deleted and made again. What follows is up to
    /// [`OnRecreated`](crate::OnRecreated).
    StreamRecreated {
        /// Which stream.
        stream: StreamName,
        /// What shows it.
        shown_by: Recreated,
    },
    /// The stream that was made again has leases of its own now.
    StreamBegunAnew {
        /// Which stream.
        stream: StreamName,
        /// Leases of the former one deleted by this worker.
        leases_deleted: usize,
        /// Leases created by this worker.
        leases_created: usize,
    },
    /// An aggregate was dropped, because one of its records lies outside the shard's hash range; see [`OnStray`](crate::OnStray).
    AggregateDropped {
        /// Which lease.
        lease_key: LeaseKey,
        /// The Kinesis record.
        sequence_number: SequenceNumber,
        /// How many user records it held.
        records: usize,
    },
    /// The same, but it was diverted.
    AggregateDiverted {
        /// Which lease.
        lease_key: LeaseKey,
        /// The Kinesis record.
        sequence_number: SequenceNumber,
        /// How many user records it held.
        records: usize,
    },
    /// The record that a checkpoint names is older than what the stream keeps: what lay between is gone unread, if anything was
    /// there. See [`OnTrimmed`](crate::OnTrimmed).
    PositionTrimmed {
        /// Which lease.
        lease_key: LeaseKey,
        /// Where reading was to go on.
        position: Position,
        /// The oldest record there is, where it goes on.
        oldest: SequenceNumber,
    },
    /// A shard is read from now on, and where that is cannot be found out, because the service refuses the reads that it takes: if
    /// the lease moves before its first checkpoint, "now" is judged again, and what came in between is not read.
    StartNotFixed {
        /// Which lease.
        lease_key: LeaseKey,
    },
    /// A row of the lease table cannot be read, so nobody of this crate takes it.
    RowUnreadable {
        /// Its key, if it has one.
        lease_key: Option<LeaseKey>,
        /// The attribute at fault.
        attribute: &'static str,
    },
    /// Another live worker has this worker's id; one of them will stop.
    WorkerIdContested {
        /// The lease that showed it.
        lease_key: LeaseKey,
    },
    /// The children of a finished shard got their leases.
    ChildrenCreated {
        /// The finished shard.
        parent: ShardId,
        /// How many leases were new.
        leases_created: usize,
    },
    /// A shard is read in another way now: fan-out fell back to polling, or came back.
    RetrievalChanged {
        /// Its lease.
        lease_key: LeaseKey,
        /// How it is read from now on.
        mode: RetrievalMode,
        /// The error code that made it fall back, or a word that says why it came back.
        reason: String,
    },
    /// A subscription brought no event for too long and is opened anew (KCL: a `ReadTimeout`).
    SubscriptionSilent {
        /// Its lease.
        lease_key: LeaseKey,
        /// How long nothing has moved.
        silent_for: Duration,
    },
    /// Reading a shard is denied, for want of rights, credentials or a key: it is tried again, and somebody should do something.
    ReadDenied {
        /// Its lease.
        lease_key: LeaseKey,
        /// The call that is denied.
        operation: &'static str,
        /// The service's error code.
        code: String,
    },
    /// Reading a shard is not denied any more.
    ReadRecovered {
        /// Its lease.
        lease_key: LeaseKey,
    },
    /// The reading of a shard stands still while its processor waits.
    ShardStalled {
        /// Its lease.
        lease_key: LeaseKey,
        /// For how long.
        still_for: Duration,
        /// What is done about it.
        remedy: StallRemedy,
    },
    /// A call of a processor has not returned for long (KCL: `logWarningForTaskAfterMillis`).
    ProcessorSlow {
        /// Its lease.
        lease_key: LeaseKey,
        /// The method of `RecordProcessor`, such as `process_records`.
        method: &'static str,
        /// How long it has been running.
        running_for: Duration,
    },
    /// A call of a processor took too long and was dropped, as set by `cancel_calls_after`.
    ProcessorCancelled {
        /// Its lease.
        lease_key: LeaseKey,
        /// The method of `RecordProcessor`.
        method: &'static str,
        /// How long it had been running.
        running_for: Duration,
    },
    /// Something happened to a single record, where records are handled one by one.
    Record(RecordEvent),
    /// Somebody who is not of this private fleet uses its table, so this worker gives its leases up and ends.
    NoLongerPrivate {
        /// Who, or what shows it.
        reason: NotPrivate,
    },
    /// One of several streams is read, and its shards have their leases.
    StreamAdded {
        /// Which.
        stream: StreamId,
        /// Leases created by this worker.
        leases_created: usize,
    },
    /// One of several streams is read no more by this worker.
    StreamLeft {
        /// Which.
        stream: StreamId,
        /// Why.
        why: Why,
    },
    /// Leases of a stream that is done with were deleted by this worker.
    StreamLeasesDeleted {
        /// Which.
        stream: StreamId,
        /// How many.
        leases: usize,
    },
    /// The table holds leases of a stream that this worker was never told to read. They are left alone. Told once.
    StreamLeftAlone {
        /// Which.
        stream: StreamId,
    },
    /// One of several streams cannot be read, or not be looked at; the others go on. Told once for each reason in a row.
    StreamFailed {
        /// Which.
        stream: StreamTarget,
        /// What failed.
        operation: &'static str,
        /// The service's error code, or a word of ours where no service answered.
        code: String,
        /// How long until it is tried again; `None`: not before the list changes.
        retry_in: Option<Duration>,
    },
    /// The application's list of streams was not to be had; the last one stays in force.
    StreamListFailed {
        /// What the tracker said.
        error: String,
    },
    /// The worker was asked to stop, or has to, and gives up its leases.
    Stopping {
        /// How many leases it holds.
        leases_held: usize,
    },
}

/// What is done about a shard whose reading stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StallRemedy {
    /// It is read anew, after the last records that the processor was given.
    ReadAnew,
    /// Its lease is given up, and left alone by this worker for a while.
    GivenUp,
}

/// Why a lease was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossReason {
    /// Another worker has taken it.
    Taken,
    /// The failover time passed without a heartbeat that the table confirmed, by this worker's own clock: the process
    /// stood still, or the table did not answer.
    Expired,
    /// Its row is gone.
    Deleted,
    /// Another worker of the same id has taken it.
    SameId,
}

/// One item of [`Events`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// This happened.
    Event(ConsumerEvent),
    /// So many events are gone, because this reader was too slow for them.
    Missed(u64),
}

/// The sending side. Cheap to clone; ringing it where nobody listens costs next to nothing.
#[derive(Debug, Clone)]
pub(crate) struct Bell {
    sender: broadcast::Sender<ConsumerEvent>,
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self {
            sender: broadcast::Sender::new(BUFFER),
        }
    }

    pub(crate) fn ring(&self, event: ConsumerEvent) {
        // An error only says that nobody listens.
        let _ = self.sender.send(event);
    }

    /// The way to listen that does not keep the events going.
    pub(crate) fn ear(&self) -> Ear {
        Ear(self.sender.downgrade())
    }
}

/// Where to listen; ends with the consumer.
#[derive(Debug, Clone)]
pub(crate) struct Ear(broadcast::WeakSender<ConsumerEvent>);

impl Ear {
    pub(crate) fn listen(&self) -> Events {
        Events::new(self.0.upgrade().map(|sender| sender.subscribe()))
    }
}

/// Ours: a fleet's start with a thousand leases fits, at about 200 bytes each.
const BUFFER: usize = 1_024;
