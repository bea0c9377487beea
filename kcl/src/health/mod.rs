//! How a consumer is, for whoever asks: an orchestrator's probes, a status page.
//!
//! ```no_run
//! # async fn example(handle: kcl::ConsumerHandle) {
//! let health = handle.health();
//! let (live, ready) = (health.is_live(), health.is_ready());   // e.g. GET /live and GET /ready
//! for lease in health.leases() {
//!     println!("{}: {:?}", lease.lease_key(), lease.phase());
//! }
//! # }
//! ```

mod board;

use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::board::{ConsumerState, Entry, LeaseState};
use crate::lease::LeaseKey;
use crate::process::pulse::{Call, Pulse};
use crate::shard::progress::Nature;
pub use crate::shard::progress::RetrievalMode;
use crate::streams::listed::StreamTarget;

/// A consumer at one moment; from [`ConsumerHandle::health`](crate::ConsumerHandle::health).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    stage: Stage,
    leases: Vec<LeaseHealth>,
    streams: Vec<StreamHealth>,
}

/// Where a consumer is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Stage {
    /// Not run yet, or still looking for its stream and its table.
    #[default]
    Starting,
    /// It has seen the lease table and takes what falls to it.
    Running,
    /// It gives up its leases.
    Stopping,
    /// It has ended.
    Ended,
}

/// One lease that the consumer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseHealth {
    lease_key: LeaseKey,
    phase: LeasePhase,
    retrieval: Option<RetrievalMode>,
    lag: Option<Duration>,
    since_progress: Option<Duration>,
    trouble: Option<ReadTrouble>,
    call: Option<RunningCall>,
}

/// Reads of a shard that fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadTrouble {
    operation: &'static str,
    code: String,
    denied: bool,
    failures: u32,
    lasting: Duration,
}

impl ReadTrouble {
    /// The call that fails, such as `GetRecords`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// The service's error code, or a word of ours where no service answered.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Whether somebody has to do something about it: rights, credentials, a key.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.denied
    }

    /// How many reads have failed in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// How long ago the first of them failed.
    #[must_use]
    pub fn lasting(&self) -> Duration {
        self.lasting
    }
}

/// A call of a processor that has not returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunningCall {
    method: &'static str,
    running_for: Duration,
}

impl RunningCall {
    /// The method of [`RecordProcessor`](crate::RecordProcessor), such as `process_records`.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// How long it has been running.
    #[must_use]
    pub fn running_for(&self) -> Duration {
        self.running_for
    }
}

/// One of several streams that the consumer reads, or was told to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamHealth {
    stream: StreamTarget,
    phase: StreamPhase,
}

/// How it is with a stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamPhase {
    /// It is there, and read.
    Reading,
    /// The service knows no such stream. It is looked for again.
    Missing,
    /// It is in another region than the Kinesis client, and not read.
    OtherRegion,
    /// The service does not answer what is asked about it. What is read of it is read on, and it is asked again.
    Failing {
        /// What failed.
        operation: &'static str,
        /// The service's error code, or a word of ours where no service answered.
        code: String,
    },
}

/// What is done with a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeasePhase {
    /// A parent shard is not finished.
    WaitingForParents,
    /// `initialize` was called and has not returned.
    Initializing,
    /// Records are waited for, read and processed.
    Running,
    /// A call of the processor failed, and is repeated after a pause.
    Retrying,
    /// All records are processed, the end is being recorded.
    Ending,
    /// The lease is lost or given up.
    Leaving,
}

impl Health {
    /// Where in its life the consumer is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The leases it holds, by key.
    #[must_use]
    pub fn leases(&self) -> &[LeaseHealth] {
        &self.leases
    }

    /// The streams it was told to read, where it reads several; empty in an application of one. A stream that cannot be read does
    /// not make the consumer unready, since it is no reason to keep from the others.
    #[must_use]
    pub fn streams(&self) -> &[StreamHealth] {
        &self.streams
    }

    /// Whether the consumer has not ended. For a liveness probe: when this is false, only a new consumer helps.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.stage != Stage::Ended
    }

    /// Whether the consumer does what it should: it has seen the lease table, each lease it holds runs, ends, or
    /// waits for its parents, and none is denied its records. A worker that holds no lease, since there are enough others, is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Running && self.leases.iter().all(LeaseHealth::is_well)
    }
}

impl StreamHealth {
    /// Which stream.
    #[must_use]
    pub fn stream(&self) -> &StreamTarget {
        &self.stream
    }

    /// How it is with it.
    #[must_use]
    pub fn phase(&self) -> &StreamPhase {
        &self.phase
    }
}

impl LeaseHealth {
    /// Which lease.
    #[must_use]
    pub fn lease_key(&self) -> &LeaseKey {
        &self.lease_key
    }

    /// What is done with it.
    #[must_use]
    pub fn phase(&self) -> LeasePhase {
        self.phase
    }

    /// How its shard is read. `None`: nothing was read yet.
    #[must_use]
    pub fn retrieval(&self) -> Option<RetrievalMode> {
        self.retrieval
    }

    /// How far behind the tip the last read was, as the service says (`MillisBehindLatest`); zero at the tip. `None`: not
    /// known yet.
    #[must_use]
    pub fn lag(&self) -> Option<Duration> {
        self.lag
    }

    /// How long ago something moved: records came, the lag shrank or was none, a batch was processed.
    #[must_use]
    pub fn since_progress(&self) -> Option<Duration> {
        self.since_progress
    }

    /// What is wrong with reading, while it fails.
    #[must_use]
    pub fn trouble(&self) -> Option<&ReadTrouble> {
        self.trouble.as_ref()
    }

    /// The call of its processor that has not returned.
    #[must_use]
    pub fn running_call(&self) -> Option<RunningCall> {
        self.call
    }

    fn is_well(&self) -> bool {
        self.phase.is_at_work() && !self.trouble.as_ref().is_some_and(ReadTrouble::is_denied)
    }

    fn of(lease_key: &LeaseKey, state: &LeaseState) -> Self {
        let looked = state.pulse.as_ref().map(Pulse::look);
        let (progress, call) = match looked {
            Some((progress, call)) => (Some(progress), call),
            None => (None, None),
        };
        let now = Instant::now();
        let ago = |at: std::time::Instant| now.into_std().saturating_duration_since(at);
        let trouble = progress.as_ref().and_then(|progress| progress.incident());
        Self {
            lease_key: lease_key.clone(),
            phase: state.phase,
            retrieval: progress.as_ref().and_then(|progress| progress.mode()),
            lag: progress.as_ref().and_then(|progress| progress.lag()),
            since_progress: progress.as_ref().map(|progress| ago(progress.moved_at())),
            trouble: trouble.map(|incident| ReadTrouble {
                operation: incident.trouble.operation,
                code: incident.trouble.code.clone(),
                denied: incident.trouble.nature == Nature::Denied,
                failures: incident.failures,
                lasting: ago(incident.since),
            }),
            call: call.map(|Call { method, since }| RunningCall {
                method,
                running_for: now.saturating_duration_since(since),
            }),
        }
    }
}

impl LeasePhase {
    fn is_at_work(self) -> bool {
        match self {
            Self::WaitingForParents | Self::Running | Self::Ending | Self::Leaving => true,
            Self::Initializing | Self::Retrying => false,
        }
    }
}

impl ConsumerState {
    pub(crate) fn health(&self) -> Health {
        let leases = self.leases.iter();
        let stream = |(stream, phase): (&StreamTarget, &StreamPhase)| StreamHealth {
            stream: stream.clone(),
            phase: phase.clone(),
        };
        Health {
            stage: self.stage,
            leases: leases.map(|(key, state)| LeaseHealth::of(key, state)).collect(),
            streams: self.streams.iter().map(stream).collect(),
        }
    }
}

impl Health {
    pub(crate) fn ended() -> Self {
        Self {
            stage: Stage::Ended,
            leases: Vec::new(),
            streams: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(stage: Stage, phases: &[LeasePhase]) -> ConsumerState {
        let key = |number: usize| LeaseKey::new(&format!("shardId-{number:012}"));
        ConsumerState {
            stage,
            leases: phases
                .iter()
                .enumerate()
                .map(|(number, phase)| {
                    let (phase, pulse) = (*phase, None);
                    (key(number), LeaseState { phase, pulse })
                })
                .collect(),
            ..ConsumerState::default()
        }
    }

    #[test]
    fn ready_means_that_every_lease_runs() {
        use LeasePhase::*;
        let cases = [
            (Stage::Starting, &[][..], false),
            (Stage::Running, &[], true),
            (Stage::Running, &[Running, WaitingForParents, Ending], true),
            (Stage::Running, &[Running, Initializing], false),
            (Stage::Running, &[Retrying], false),
            (Stage::Stopping, &[Running], false),
        ];
        for (stage, phases, ready) in cases {
            let health = state(stage, phases).health();
            assert_eq!(health.is_ready(), ready, "{stage:?} {phases:?}");
            assert!(health.is_live());
        }
        assert!(!Health::ended().is_live());
    }
}
