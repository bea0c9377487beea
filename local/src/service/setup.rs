//! What a builder collects, and the two halves that it makes of it.

use std::time::SystemTime;

use super::clock::Clock;
use super::history::Recorder;
use super::kinesis::KinesisService;
use super::latency::Latency;
use super::world::World;
use crate::dynamodb::DynamoDbService;
use crate::engine::{Limits, Settings};
use crate::error::StartError;
use crate::faults::Faults;

/// The settings that both ways of serving have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) service_limits: bool,
    pub(crate) latency: Latency,
    pub(crate) faults: Faults,
    pub(crate) max_memory: Option<u64>,
    pub(crate) seed: u64,
    pub(crate) history_limit: usize,
}

impl Setup {
    /// Both halves in one world, whose clock shows `wall` now.
    pub(crate) fn build(&self, wall: SystemTime) -> Result<(KinesisService, DynamoDbService), StartError> {
        let recorder = Recorder::new(self.history_limit);
        let world = World::new(
            Clock::starting_at(wall),
            &self.faults,
            self.latency.clone(),
            recorder,
        );
        let settings = Settings {
            seed: self.seed,
            limits: if self.service_limits {
                Limits::service()
            } else {
                Limits::off()
            },
            memory_bytes: self.max_memory,
            ..Settings::default()
        };
        let dynamodb = DynamoDbService::open(world.clone())?;
        let kinesis = KinesisService::new(settings, world, self.faults.reshards());
        Ok((kinesis, dynamodb))
    }
}
