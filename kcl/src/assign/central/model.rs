//! The planner's model: workers and leases as ordinals and numbers. No ids, no rows, no times.

/// Everything that one plan is made from. A worker or a lease is its index.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Problem {
    /// Every worker that holds a lease or reports itself.
    pub workers: Vec<Worker>,
    /// Every lease.
    pub leases: Vec<LeaseLoad>,
}

/// One worker.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Worker {
    /// Whether it may be given leases.
    pub presence: Presence,
    /// How busy it says it is. Empty: it is balanced by the throughput of its leases alone.
    pub gauges: Vec<Gauge>,
    /// It was relieved of leases that its gauges do not reflect yet, so it is not relieved again.
    pub settling: bool,
    /// It came lately, and may not have had its share yet.
    pub newcomer: bool,
}

/// What a worker is good for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Presence {
    /// Lives, and may be given leases.
    #[default]
    Active,
    /// Lives, keeps what it has, and gets nothing: it reports that its probe fails, or does not report at all.
    Keeps,
    /// Dead, or never heard of: it gets nothing.
    Gone,
}

/// One measure of how busy a worker is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gauge {
    /// What is measured. Only gauges of one kind are compared.
    pub kind: GaugeKind,
    /// The smoothed value, in percent.
    pub value: f64,
    /// The value above which the worker has too much to do, in percent.
    pub limit: f64,
}

/// What a gauge measures (KCL: `WorkerMetricType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum GaugeKind {
    /// Processor time.
    Cpu,
    /// Memory.
    Memory,
    /// Bytes received.
    NetworkIn,
    /// Bytes sent.
    NetworkOut,
    /// Bytes read from shards.
    Throughput,
}

/// One lease.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeaseLoad {
    /// What its holder reads from the shard, in KiB/s; `None` when nobody has measured it.
    pub throughput: Option<f64>,
    /// Who has it.
    pub stands: Stands,
}

/// Who has a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stands {
    /// Nobody: unowned, expired, or past the deadline of a hand-over.
    Vacant {
        /// The worker that let it expire. It gets the lease back only if nobody else can have it.
        avoid: Option<usize>,
    },
    /// Its holder renews it.
    Held {
        /// The holder.
        by: usize,
        /// Whether the holder's gauges reflect it: not so shortly after it got the lease.
        measured: bool,
    },
    /// Assigned to somebody who has not been seen to renew it yet: no plan touches it.
    Awaited {
        /// Its owner.
        by: usize,
    },
    /// A hand-over is under way: no plan touches it.
    Moving {
        /// Who processes it now.
        from: usize,
        /// Who will.
        to: usize,
    },
    /// Finished, or waiting for its parents: no load, and no plan touches it.
    Idle {
        /// Its holder, if it has one.
        by: Option<usize>,
    },
}

/// What should change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Solution {
    /// Vacant leases and their new owners.
    pub assign: Vec<Assignment>,
    /// Held leases that should change hands, gracefully.
    pub hand_over: Vec<Move>,
    /// Vacant leases for which no worker has room (KCL metric: `LeaseSpillover`).
    pub spillover: usize,
}

impl Solution {
    /// Whether nothing should change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.assign.is_empty() && self.hand_over.is_empty()
    }
}

/// A vacant lease and its new owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Assignment {
    /// Which lease.
    pub lease: usize,
    /// Its new owner.
    pub to: usize,
}

/// A held lease and its next owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Move {
    /// Which lease.
    pub lease: usize,
    /// Its present holder.
    pub from: usize,
    /// Its next owner.
    pub to: usize,
}
