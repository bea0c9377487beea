//! The numbers of the leader's plan.

/// How the leader spreads leases (KCL: `LeaseAssignmentStrategy`).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Strategy {
    /// By what workers say of themselves, and by the throughput of leases (KCL: `WORKER_UTILIZATION_AWARE`).
    Utilization(UtilizationSettings),
    /// Each worker the same number of leases (KCL: `LEASE_COUNT_BASED`).
    LeaseCount,
}

/// What a plan of the leader keeps to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How leases are spread. Default: by utilisation, as KCL.
    pub strategy: Strategy,
    /// The most unfinished leases that one worker gets (KCL: `maxLeasesForWorker`, default no limit). The leader's
    /// number holds for every worker. Too low a number leaves shards unread, see
    /// [`Solution::spillover`](super::Solution::spillover).
    pub max_leases_per_worker: usize,
    /// The most hand-overs that one plan begins. Default: no limit. Vacant leases are not counted. KCL has no such
    /// number.
    pub max_moves: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: Strategy::Utilization(UtilizationSettings::default()),
            max_leases_per_worker: usize::MAX,
            max_moves: usize::MAX,
        }
    }
}

/// Settings of the plan by utilisation (KCL: `WorkerUtilizationAwareAssignmentConfig`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UtilizationSettings {
    /// How much of a worker's excess over the fleet's average is taken from it at a time, in percent (KCL:
    /// `dampeningPercentage`, 60). More evens out sooner, and overshoots when gauges lag.
    pub dampening_percent: f64,
    /// How far from the average a worker may be before leases move, in percent of the average (KCL:
    /// `reBalanceThresholdPercentage`, 10).
    pub threshold_percent: f64,
    /// How far from the average a gauge may be before leases move, in points of its operating range. Ours, 5: on an
    /// idle fleet a tenth of the average is noise.
    pub threshold_points: f64,
    /// Whether a lease may move that is larger than what should be taken (KCL: `allowThroughputOvershoot`, true).
    pub allow_overshoot: bool,
    /// What one worker may read, in KiB/s (KCL: `maxThroughputPerHostKBps`, no limit).
    pub max_throughput_per_worker: f64,
}

impl Default for UtilizationSettings {
    /// Source: KCL, `WorkerUtilizationAwareAssignmentConfig`.
    fn default() -> Self {
        Self {
            dampening_percent: 60.0,
            threshold_percent: 10.0,
            threshold_points: 5.0,
            allow_overshoot: true,
            max_throughput_per_worker: f64::MAX,
        }
    }
}

/// How far a plan goes beyond giving away vacant leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Vacant leases only.
    Vacant,
    /// And workers that hold nothing, or came lately, get their share of what others hold.
    Newcomers,
    /// And workers that have too much are relieved.
    Balance,
}
