//! One scenario: what is put, what the user's code does, what happens to workers and services, and what is promised all
//! the same.

use std::num::NonZeroUsize;
use std::time::Duration;

use kcl::{ConsumerConfig, ConsumerConfigBuilder};
use kinesis_local::{Fault, Faults, Latency, Reshard};

use super::super::error::TrialError;
use super::super::scenario::Load;
use super::batches::Batches;
use super::records::Records;
use super::stage::STREAM;

/// One scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) shards: u32,
    /// Whether the service's rates and quotas hold.
    pub(super) limits: bool,
    pub(super) latency: Latency,
    pub(super) load: Load,
    pub(super) work: Work,
    pub(super) consumer: ConsumerConfigBuilder,
    /// Bytes that each worker may hold of what it read and has not processed.
    pub(super) budget: NonZeroUsize,
    pub(super) faults: Vec<Fault>,
    /// What happens, in this order.
    pub(super) cues: Vec<Cue>,
    /// How long the workers go on after the last record is done.
    pub(super) settle: Duration,
    pub(super) promises: Promises,
}

/// What the user's code does, by which of the two ways to write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// A `RecordProcessor`.
    Batches(Batches),
    /// A handler of records.
    Records(Records),
}

/// Something that happens at its time.
#[derive(Debug, Clone)]
pub(super) struct Cue {
    pub(super) when: When,
    pub(super) act: Act,
}

/// When something happens; never before what stands before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum When {
    /// At the start.
    Start,
    /// Once this share of all records is put.
    Put(f64),
    /// Once all records are in the stream.
    Stored,
}

/// What happens.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// This worker begins.
    Join(&'static str),
    /// This one's tasks are dropped wherever they are.
    Kill(&'static str),
    /// This one is held for so long: neither a call nor an answer of it gets through, its processors stand still.
    Hold(&'static str, Duration),
    /// This one is asked to stop, and is waited for.
    Stop(&'static str),
    /// The stream changes its shards by itself.
    Reshard(Reshard),
}

/// What must hold beside what always must.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Promises {
    /// Whether records may come again after a loss. They never may without one.
    pub(super) repeats: bool,
    /// Most time that a record may wait.
    pub(super) lag: Option<Duration>,
    /// Most time that a record may wait whose key had no failure before.
    pub(super) calm: Option<Duration>,
    /// Records that must end as dead letters, with their reason.
    pub(super) dead: u64,
    /// How soon a processor that hangs must be named.
    pub(super) named: Option<Duration>,
    /// Most subscriptions, of all shards.
    pub(super) subscriptions: Option<u64>,
    /// What must have been told at least once: else the scenario shows nothing.
    pub(super) told: &'static [&'static str],
    /// Whether no lease may be lost by a worker that was left alone.
    pub(super) keeps_leases: bool,
    /// Most bytes of the process beyond the budget of records read ahead, in a process of its own.
    pub(super) memory: Option<u64>,
}

impl Scenario {
    /// Its name on the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it is, in a line.
    #[must_use]
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// Whether it can be played with the workers in a process of their own: nothing has to be done to the endpoint while
    /// it runs.
    #[must_use]
    pub fn fits_a_process(&self) -> bool {
        self.promises.memory.is_some()
    }

    /// What goes wrong, as a script for the endpoint.
    pub(super) fn script(&self, seed: u64) -> Result<Faults, TrialError> {
        let script = Faults::builder().seed(seed);
        let script = self
            .faults
            .iter()
            .cloned()
            .fold(script, |script, fault| script.fault(fault));
        Ok(script.build()?)
    }

    pub(super) fn new(name: &'static str, about: &'static str, load: Load) -> Self {
        Self {
            name,
            about,
            shards: 4,
            limits: true,
            latency: Latency::service(),
            load,
            work: Work::Batches(Batches::default()),
            consumer: ConsumerConfig::builder(STREAM, STREAM),
            budget: BUDGET,
            faults: Vec::new(),
            cues: Vec::new(),
            settle: Duration::from_secs(15),
            promises: Promises::default(),
        }
    }

    /// Appends what happens next.
    pub(super) fn cue(mut self, when: When, act: Act) -> Self {
        self.cues.push(Cue { when, act });
        self
    }

    /// These workers, from the start.
    pub(super) fn joined_by(self, workers: &[&'static str]) -> Self {
        workers.iter().fold(self, |scenario, worker| {
            scenario.cue(When::Start, Act::Join(worker))
        })
    }
}

/// The default of `prefetch_bytes`.
const BUDGET: NonZeroUsize = NonZeroUsize::new(64 << 20).expect("not zero");
