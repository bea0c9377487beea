//! What is counted: the metrics of the KCL under its names, and a few of our own.

use crate::config::MetricsLevel;

/// A measurement. Name, operation, unit and level are the KCL's, so that dashboards carry over;
/// [`is_of_kcl`](Self::is_of_kcl) tells which are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Metric {
    /// How far behind the tip of a shard each read was, empty ones too.
    MillisBehindLatest,
    /// User records that were processed, by batch.
    RecordsProcessed,
    /// Bytes of their data.
    DataBytesProcessed,
    /// Time in `process_records`, by call.
    ProcessRecordsTime,
    /// 1 for a batch that was processed, 0 for a call of the processor that failed.
    ProcessSuccess,
    /// From a batch's turn to its end, checkpoints of the processor included.
    ProcessTime,
    /// Iterators that had expired.
    ExpiredIterators,
    /// 1 for a read that was answered, 0 for one that was not. (The KCL leaves expired iterators out.)
    GetRecordsSuccess,
    /// From asking for records to the answer.
    GetRecordsTime,
    /// 1 for an iterator, 0 for none.
    GetShardIteratorSuccess,
    /// From asking for an iterator to the answer.
    GetShardIteratorTime,
    /// 1 for a checkpoint that was written, 0 for one that was not.
    CheckpointSuccess,
    /// Time to write a checkpoint.
    CheckpointTime,
    /// As [`CheckpointSuccess`](Self::CheckpointSuccess), for the end of a shard.
    FinalCheckpointSuccess,
    /// As [`CheckpointTime`](Self::CheckpointTime), for the end of a shard.
    FinalCheckpointTime,
    /// User records of aggregates that were dropped, because one of them lies outside the shard's hash range. Ours.
    DroppedRecords,
    /// These aggregates. Ours.
    DroppedAggregates,
    /// Aggregates with a record outside the shard's hash range that were given to the
    /// [diversion](crate::OnStray::divert). Ours.
    DivertedAggregates,
    /// 1 for a subscription of enhanced fan-out that was opened, 0 for one that was not. Ours.
    SubscribeSuccess,
    /// Subscriptions that fell silent and were opened anew. Ours.
    SilentSubscriptions,
    /// As [`MillisBehindLatest`](Self::MillisBehindLatest), all shards in one: its greatest value is the worst lag.
    ApplicationMillisBehindLatest,
    /// Time in `initialize`, by call.
    InitializeTime,
    /// Time in `shard_ended`, `shutdown_requested` and `lease_lost`, by call.
    ShutdownTime,
    /// Leases created for children of finished shards.
    ChildLeasesCreated,
    /// Times at which the lease of a merge's other parent was not there yet.
    MissingMergeParentLease,
    /// Leases created for shards without one.
    CreatedLeases,
    /// 1 for a comparison of shards and leases that was done, 0 for one that failed.
    ShardSyncSuccess,
    /// Its time.
    ShardSyncTime,
    /// Leases held now.
    CurrentLeases,
    /// Leases lost without being given up.
    LostLeases,
    /// 1 for a heartbeat that the table confirmed, 0 for one without an answer.
    RenewedLeases,
    /// From sending a heartbeat to its answer.
    RenewTime,
    /// Leases taken.
    TakenLeases,
    /// Leases in the table, at each look.
    TotalLeases,
    /// Of them, owned ones that nobody renews.
    ExpiredLeases,
    /// Free leases that this worker's plan leaves to others.
    LeaseSpillover,
    /// Workers seen, this one included.
    NumWorkers,
    /// 1 for a look at the lease table that was answered, 0 for one that was not.
    ListLeasesSuccess,
    /// Its time.
    ListLeasesTime,
    /// 1 for a round of looking, planning and taking, 0 for one that the table cut short.
    TakeLeasesSuccess,
    /// Its time.
    TakeLeasesTime,
    /// Rows of the table that cannot be read, at each look.
    UnreadableLeases,
    /// Leases that this worker assigned or asked for on behalf of others, as the leader.
    Reassignments,
    /// Leases for which no worker has room, as the leader sees it.
    UnplacedLeases,
    /// Workers that may be given leases, as the leader sees it.
    ActiveWorkers,
    /// 1 for a round of assignment, 0 for one that failed.
    AssignmentSuccess,
    /// Its time.
    AssignmentTime,
    /// 1 while this worker leads.
    IsLeader,
    /// Streams with hash keys that have no lease.
    PartialLeases,
    /// Streams for which this worker's last comparison of shards and leases asked for new leases.
    StreamsToSync,
    /// Streams that are read, of an application of several.
    ActiveStreams,
    /// Streams that are read no more, or only until a wait is over, and whose leases are to be deleted then.
    StreamsPendingDeletion,
    /// Streams of whose leases this worker deleted the last because the service knows them no more.
    MissingStreamsDeleted,
    /// Streams of whose leases this worker deleted the last.
    DeletedStreams,
    /// Metrics rows that could not be written.
    FailedReports,
    /// 1 for a metrics row that was written, 0 for one that was not.
    ReportSuccess,
    /// Its time.
    ReportTime,
    /// 1 for a start that succeeded, 0 for one that did not.
    StartSuccess,
    /// Values that were not uploaded. Ours.
    MetricsLost,
}

/// What a metric's values are, and so how they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricKind {
    /// Amounts that add up: the sum matters.
    Amount,
    /// 1 for what succeeded, 0 for what failed: the sum counts successes, the mean is their rate.
    Outcome,
    /// It goes up and down: the last value matters, and the extremes.
    Level,
    /// One duration for each event: mean and extremes matter.
    Time,
}

/// The unit of a metric's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricUnit {
    /// A number of things.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
}

impl MetricUnit {
    /// The unit as CloudWatch spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Bytes => "Bytes",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    operation: &'static str,
    name: &'static str,
    level: MetricsLevel,
    kind: MetricKind,
}

/// How many metrics are told apart by shard: the first so many.
pub(super) const OF_SHARD: usize = 20;

impl Metric {
    /// Each of them: those of a shard first, lag before all.
    pub const ALL: [Self; 59] = [
        Self::MillisBehindLatest,
        Self::RecordsProcessed,
        Self::DataBytesProcessed,
        Self::ProcessRecordsTime,
        Self::ProcessSuccess,
        Self::ProcessTime,
        Self::ExpiredIterators,
        Self::GetRecordsSuccess,
        Self::GetRecordsTime,
        Self::GetShardIteratorSuccess,
        Self::GetShardIteratorTime,
        Self::CheckpointSuccess,
        Self::CheckpointTime,
        Self::FinalCheckpointSuccess,
        Self::FinalCheckpointTime,
        Self::DroppedRecords,
        Self::DroppedAggregates,
        Self::DivertedAggregates,
        Self::SubscribeSuccess,
        Self::SilentSubscriptions,
        Self::ApplicationMillisBehindLatest,
        Self::InitializeTime,
        Self::ShutdownTime,
        Self::ChildLeasesCreated,
        Self::MissingMergeParentLease,
        Self::CreatedLeases,
        Self::ShardSyncSuccess,
        Self::ShardSyncTime,
        Self::CurrentLeases,
        Self::LostLeases,
        Self::RenewedLeases,
        Self::RenewTime,
        Self::TakenLeases,
        Self::TotalLeases,
        Self::ExpiredLeases,
        Self::LeaseSpillover,
        Self::NumWorkers,
        Self::ListLeasesSuccess,
        Self::ListLeasesTime,
        Self::TakeLeasesSuccess,
        Self::TakeLeasesTime,
        Self::UnreadableLeases,
        Self::Reassignments,
        Self::UnplacedLeases,
        Self::ActiveWorkers,
        Self::AssignmentSuccess,
        Self::AssignmentTime,
        Self::IsLeader,
        Self::PartialLeases,
        Self::StreamsToSync,
        Self::ActiveStreams,
        Self::StreamsPendingDeletion,
        Self::MissingStreamsDeleted,
        Self::DeletedStreams,
        Self::FailedReports,
        Self::ReportSuccess,
        Self::ReportTime,
        Self::StartSuccess,
        Self::MetricsLost,
    ];

    /// The KCL's name. `Success` and `Time` mean those of the [operation](Self::operation).
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The KCL's dimension `Operation`.
    #[must_use]
    pub fn operation(self) -> &'static str {
        self.facts().operation
    }

    /// How its values are to be read.
    #[must_use]
    pub fn kind(self) -> MetricKind {
        self.facts().kind
    }

    /// The level from which on it is published.
    #[must_use]
    pub fn level(self) -> MetricsLevel {
        self.facts().level
    }

    /// The unit of its values.
    #[must_use]
    pub fn unit(self) -> MetricUnit {
        match self {
            Self::DataBytesProcessed => MetricUnit::Bytes,
            Self::MillisBehindLatest | Self::ApplicationMillisBehindLatest => MetricUnit::Milliseconds,
            _ if self.kind() == MetricKind::Time => MetricUnit::Milliseconds,
            _ => MetricUnit::Count,
        }
    }

    /// Whether it is told apart by shard.
    #[must_use]
    pub fn is_by_shard(self) -> bool {
        self.index() < OF_SHARD
    }

    /// Whether it bears the worker's name (KCL: dimension `WorkerIdentifier`).
    #[must_use]
    pub fn is_by_worker(self) -> bool {
        matches!(self.operation(), "RenewAllLeases" | "TakeLeases")
    }

    /// Whether the KCL has it.
    #[must_use]
    pub fn is_of_kcl(self) -> bool {
        !matches!(
            self,
            Self::DroppedRecords
                | Self::DroppedAggregates
                | Self::DivertedAggregates
                | Self::SubscribeSuccess
                | Self::SilentSubscriptions
                | Self::MetricsLost
        )
    }

    /// Its place among [`ALL`](Self::ALL).
    pub(in crate::metrics) fn index(self) -> usize {
        self as usize
    }

    /// Source: KCL 3.5, the classes that add data to a metrics scope.
    #[expect(clippy::too_many_lines, reason = "a table: one row for each metric")]
    fn facts(self) -> Facts {
        use MetricKind::{Amount, Level, Outcome, Time};
        use MetricsLevel::{Detailed, Summary};
        let (operation, name, level, kind) = match self {
            Self::MillisBehindLatest => ("ProcessTask", "MillisBehindLatest", Summary, Level),
            Self::RecordsProcessed => ("ProcessTask", "RecordsProcessed", Summary, Amount),
            Self::DataBytesProcessed => ("ProcessTask", "DataBytesProcessed", Summary, Amount),
            Self::ProcessRecordsTime => (
                "ProcessTask",
                "RecordProcessor.processRecords.Time",
                Summary,
                Time,
            ),
            Self::ProcessSuccess => ("ProcessTask", "Success", Summary, Outcome),
            Self::ProcessTime => ("ProcessTask", "Time", Summary, Time),
            Self::ExpiredIterators => ("ProcessTask", "ExpiredIterator", Summary, Amount),
            Self::GetRecordsSuccess => (
                "ProcessTask",
                "KinesisDataFetcher.getRecords.Success",
                Detailed,
                Outcome,
            ),
            Self::GetRecordsTime => (
                "ProcessTask",
                "KinesisDataFetcher.getRecords.Time",
                Detailed,
                Time,
            ),
            Self::GetShardIteratorSuccess => (
                "ProcessTask",
                "KinesisDataFetcher.getShardIterator.Success",
                Detailed,
                Outcome,
            ),
            Self::GetShardIteratorTime => (
                "ProcessTask",
                "KinesisDataFetcher.getShardIterator.Time",
                Detailed,
                Time,
            ),
            Self::CheckpointSuccess => ("ProcessTask", "UpdateLease.Success", Detailed, Outcome),
            Self::CheckpointTime => ("ProcessTask", "UpdateLease.Time", Detailed, Time),
            Self::FinalCheckpointSuccess => ("ShutdownTask", "UpdateLease.Success", Detailed, Outcome),
            Self::FinalCheckpointTime => ("ShutdownTask", "UpdateLease.Time", Detailed, Time),
            Self::DroppedRecords => ("ProcessTask", "DroppedRecords", Summary, Amount),
            Self::DroppedAggregates => ("ProcessTask", "DroppedAggregates", Summary, Amount),
            Self::DivertedAggregates => ("ProcessTask", "DivertedAggregates", Summary, Amount),
            Self::SubscribeSuccess => ("ProcessTask", "SubscribeToShard.Success", Detailed, Outcome),
            Self::SilentSubscriptions => ("ProcessTask", "SubscribeToShard.Silent", Summary, Amount),
            Self::ApplicationMillisBehindLatest => {
                ("ApplicationTracker", "MillisBehindLatest", Summary, Level)
            }
            Self::InitializeTime => ("InitializeTask", "RecordProcessor.initialize.Time", Summary, Time),
            Self::ShutdownTime => ("ShutdownTask", "RecordProcessor.shutdown.Time", Summary, Time),
            Self::ChildLeasesCreated => ("ShutdownTask", "CreateLease.Success", Detailed, Outcome),
            Self::MissingMergeParentLease => ("ShutdownTask", "MissingMergeParentLease", Summary, Amount),
            Self::CreatedLeases => ("ShardSyncTask", "CreateLease.Success", Detailed, Outcome),
            Self::ShardSyncSuccess => ("ShardSyncTask", "Success", Summary, Outcome),
            Self::ShardSyncTime => ("ShardSyncTask", "Time", Summary, Time),
            Self::CurrentLeases => ("RenewAllLeases", "CurrentLeases", Summary, Level),
            Self::LostLeases => ("RenewAllLeases", "LostLeases", Summary, Amount),
            Self::RenewedLeases => ("RenewAllLeases", "RenewLease.Success", Detailed, Outcome),
            Self::RenewTime => ("RenewAllLeases", "RenewLease.Time", Detailed, Time),
            Self::TakenLeases => ("TakeLeases", "TakenLeases", Summary, Amount),
            Self::TotalLeases => ("TakeLeases", "TotalLeases", Detailed, Level),
            Self::ExpiredLeases => ("TakeLeases", "ExpiredLeases", Summary, Level),
            Self::LeaseSpillover => ("TakeLeases", "LeaseSpillover", Summary, Level),
            Self::NumWorkers => ("TakeLeases", "NumWorkers", Summary, Level),
            Self::ListLeasesSuccess => ("TakeLeases", "ListLeases.Success", Detailed, Outcome),
            Self::ListLeasesTime => ("TakeLeases", "ListLeases.Time", Detailed, Time),
            Self::TakeLeasesSuccess => ("TakeLeases", "Success", Summary, Outcome),
            Self::TakeLeasesTime => ("TakeLeases", "Time", Summary, Time),
            Self::UnreadableLeases => (
                "LeaseAssignmentManager",
                "LeaseDeserializationFailureCount",
                Summary,
                Level,
            ),
            Self::Reassignments => (
                "LeaseAssignmentManager",
                "NumOfLeasesReassignment",
                Summary,
                Amount,
            ),
            Self::UnplacedLeases => ("LeaseAssignmentManager", "LeaseSpillover", Summary, Level),
            Self::ActiveWorkers => ("LeaseAssignmentManager", "NumWorkers", Summary, Level),
            Self::AssignmentSuccess => ("LeaseAssignmentManager", "Success", Summary, Outcome),
            Self::AssignmentTime => ("LeaseAssignmentManager", "Time", Summary, Time),
            Self::IsLeader => ("LeaderDecider", "LeaderDecider:IsLeader", Detailed, Level),
            Self::PartialLeases => (
                "PeriodicShardSyncManager",
                "NumStreamsWithPartialLeases",
                Summary,
                Level,
            ),
            Self::StreamsToSync => ("PeriodicShardSyncManager", "NumStreamsToSync", Summary, Level),
            Self::ActiveStreams => ("MultiStreamTracker", "ActiveStreams.Count", Summary, Level),
            Self::StreamsPendingDeletion => (
                "MultiStreamTracker",
                "StreamsPendingDeletion.Count",
                Summary,
                Level,
            ),
            Self::MissingStreamsDeleted => (
                "MultiStreamTracker",
                "NonExistingStreamDelete.Count",
                Summary,
                Amount,
            ),
            Self::DeletedStreams => ("MultiStreamTracker", "DeletedStreams.Count", Summary, Amount),
            Self::FailedReports => (
                "WorkerMetricStatsReporter",
                "InMemoryMetricStatsReporterFailure",
                Summary,
                Amount,
            ),
            Self::ReportSuccess => ("WorkerMetricStatsReporter", "Success", Summary, Outcome),
            Self::ReportTime => ("WorkerMetricStatsReporter", "Time", Summary, Time),
            Self::StartSuccess => ("Scheduler:Initialize", "Initialize.Success", Summary, Outcome),
            Self::MetricsLost => ("MetricsUpload", "MetricsLost", Summary, Amount),
        };
        Facts {
            operation,
            name,
            level,
            kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_has_a_place_and_a_name_of_its_own() {
        for (place, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(metric.index(), place, "{metric:?}");
        }
        let names: BTreeSet<_> = Metric::ALL.map(|m| (m.operation(), m.name())).into();
        assert_eq!(names.len(), Metric::ALL.len());
    }

    #[test]
    fn shards_are_told_apart_where_the_kcl_does_it() {
        for metric in Metric::ALL {
            let by_shard = metric.operation() == "ProcessTask"
                || (metric.operation() == "ShutdownTask" && metric.name().starts_with("UpdateLease"));
            assert_eq!(metric.is_by_shard(), by_shard, "{metric:?}");
            assert!(!(metric.is_by_shard() && metric.is_by_worker()), "{metric:?}");
        }
    }
}
