//! One scenario: how much is put, what goes wrong meanwhile, and what is promised all the same.

use std::time::Duration;

use kinesis_local::{Fault, Faults, Latency};
use kpl::{ProducerConfig, ProducerConfigBuilder};

use super::error::TrialError;
use super::events::Source;
use super::observer::POISONED_CLIENT;
use super::resharder::Resharding;

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
    pub(super) producer: ProducerConfigBuilder,
    pub(super) faults: Vec<Fault>,
    pub(super) resharding: Option<Resharding>,
    /// Bytes a second that another producer puts.
    pub(super) competitor: Option<u64>,
    /// The record of this number is what the service refuses with all that comes along.
    pub(super) poison: Option<usize>,
    pub(super) promises: Promises,
}

/// What is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) source: Source,
    pub(super) records: usize,
    /// Without a pace, as fast as the producer takes them.
    pub(super) per_second: Option<u64>,
}

/// What must hold beside what always must: nothing acknowledged is lost, nothing stored is unexplained.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Promises {
    pub(super) failures: Failures,
    /// Whether keys may lose their order.
    pub(super) disorder: bool,
    /// Least share of the shards' limit, of what a competitor leaves of it.
    pub(super) goodput: Option<f64>,
    /// Most entries refused as over the rate, of all that were sent.
    pub(super) throttled: Option<f64>,
    pub(super) p50: Option<Duration>,
    /// Most bytes of the process beyond the budget of records in flight, in a process of its own.
    pub(super) memory: Option<u64>,
    /// Whether aggregates must have landed where consumers drop them: else the scenario shows nothing.
    pub(super) misplaced: bool,
}

/// Which records may fail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Failures {
    /// None.
    #[default]
    None,
    /// Exactly one, refused by the service.
    ThePoison,
    /// Some, and all because their time to live ran out.
    Expired,
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

    /// Shards at its start.
    #[must_use]
    pub fn shards(&self) -> u32 {
        self.shards
    }

    /// What goes wrong, as a script for the endpoint. It strikes the producer alone.
    pub(super) fn script(&self, seed: u64) -> Result<Faults, TrialError> {
        let refused = Fault::error("InvalidArgumentException", 400).client(POISONED_CLIENT);
        let faults = self.faults.iter().cloned();
        let mut script = Faults::builder().seed(seed).fault(refused);
        for fault in faults {
            script = script.fault(fault.client(PRODUCER));
        }
        Ok(script.build()?)
    }

    pub(super) fn new(name: &'static str, about: &'static str, load: Load) -> Self {
        Self {
            name,
            about,
            shards: 4,
            limits: false,
            latency: Latency::service(),
            load,
            producer: ProducerConfig::builder(),
            faults: Vec::new(),
            resharding: None,
            competitor: None,
            poison: None,
            promises: Promises::default(),
        }
    }
}

/// Who the producer signs as.
pub(super) const PRODUCER: &str = "producer";
/// Source: AWS developer guide, quotas and limits. Applies to: writes of one shard.
pub(super) const SHARD_BYTES_PER_SECOND: u64 = 1 << 20;
