//! What is counted.

/// A measurement of coordination: name and operation are the KCL's, so that dashboards carry over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Metric {
    /// Leases held now.
    CurrentLeases,
    /// Leases lost without being given up.
    LostLeases,
    /// Heartbeats that the table confirmed.
    RenewedLeases,
    /// Heartbeats without an answer.
    FailedRenewals,
    /// Leases taken.
    TakenLeases,
    /// Leases in the table, at the last look.
    TotalLeases,
    /// Of them, owned ones that nobody renews.
    ExpiredLeases,
    /// Free leases that this worker's plan leaves to others; a worker that leads: for which nobody has room.
    LeaseSpillover,
    /// Workers seen, this one included; a worker that leads: workers that may be given leases.
    NumWorkers,
    /// Rows of the table that cannot be read, at the last look.
    UnreadableLeases,
    /// Leases that this worker assigned or asked for on behalf of others, as the leader.
    Reassignments,
    /// 1 while this worker leads.
    IsLeader,
    /// Leases created for shards without one.
    CreatedLeases,
    /// 1 while hash keys of the stream have no lease.
    PartialLeases,
    /// Metrics rows that could not be written.
    FailedReports,
}

/// How a value is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricKind {
    /// It only grows.
    Amount,
    /// It goes up and down.
    Level,
}

impl Metric {
    /// Each of them.
    pub const ALL: [Self; 15] = [
        Self::CurrentLeases,
        Self::LostLeases,
        Self::RenewedLeases,
        Self::FailedRenewals,
        Self::TakenLeases,
        Self::TotalLeases,
        Self::ExpiredLeases,
        Self::LeaseSpillover,
        Self::NumWorkers,
        Self::UnreadableLeases,
        Self::Reassignments,
        Self::IsLeader,
        Self::CreatedLeases,
        Self::PartialLeases,
        Self::FailedReports,
    ];

    /// The KCL's name. Of the KCL's `X.Success` with values 1 and 0 there are two counts here, of which the second is ours.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CurrentLeases => "CurrentLeases",
            Self::LostLeases => "LostLeases",
            Self::RenewedLeases => "RenewLease.Success",
            Self::FailedRenewals => "RenewLease.Failure",
            Self::TakenLeases => "TakenLeases",
            Self::TotalLeases => "TotalLeases",
            Self::ExpiredLeases => "ExpiredLeases",
            Self::LeaseSpillover => "LeaseSpillover",
            Self::NumWorkers => "NumWorkers",
            Self::UnreadableLeases => "LeaseDeserializationFailureCount",
            Self::Reassignments => "NumOfLeasesReassignment",
            Self::IsLeader => "LeaderDecider:IsLeader",
            Self::CreatedLeases => "CreateLease.Success",
            Self::PartialLeases => "NumStreamsWithPartialLeases",
            Self::FailedReports => "InMemoryMetricStatsReporterFailure",
        }
    }

    /// The KCL's dimension `Operation`.
    #[must_use]
    pub fn operation(self) -> &'static str {
        match self {
            Self::CurrentLeases | Self::LostLeases | Self::RenewedLeases | Self::FailedRenewals => {
                "RenewAllLeases"
            }
            Self::TakenLeases
            | Self::TotalLeases
            | Self::ExpiredLeases
            | Self::LeaseSpillover
            | Self::NumWorkers => "TakeLeases",
            Self::UnreadableLeases | Self::Reassignments => "LeaseAssignmentManager",
            Self::IsLeader => "LeaderDecider",
            Self::CreatedLeases => "ShardSyncTask",
            Self::PartialLeases => "PeriodicShardSyncManager",
            Self::FailedReports => "WorkerMetricStatsReporter",
        }
    }

    /// How its value is to be read.
    #[must_use]
    pub fn kind(self) -> MetricKind {
        match self {
            Self::LostLeases
            | Self::RenewedLeases
            | Self::FailedRenewals
            | Self::TakenLeases
            | Self::Reassignments
            | Self::CreatedLeases
            | Self::FailedReports => MetricKind::Amount,
            Self::CurrentLeases
            | Self::TotalLeases
            | Self::ExpiredLeases
            | Self::LeaseSpillover
            | Self::NumWorkers
            | Self::UnreadableLeases
            | Self::IsLeader
            | Self::PartialLeases => MetricKind::Level,
        }
    }

    /// Its place among [`ALL`](Self::ALL).
    pub(super) fn index(self) -> usize {
        self as usize
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
        let names: BTreeSet<_> = Metric::ALL.map(Metric::name).into();
        assert_eq!(names.len(), Metric::ALL.len());
    }
}
