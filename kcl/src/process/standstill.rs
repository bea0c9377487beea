//! Waiting for a shard's reading to stand still.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::pulse::Pulse;
use crate::events::StallRemedy;
use crate::shard::progress::{Judgement, Watch};

/// Waits until the reading of a shard counts as stuck: what to do, and for how long it stands still.
pub(super) async fn stuck(watch: &mut Watch, pulse: &Pulse, waiting: Instant) -> (StallRemedy, Duration) {
    let mut free_since = waiting;
    loop {
        let now = Instant::now();
        let Some(progress) = pulse.progress() else {
            // Others hold the memory: that is nobody's standstill.
            free_since = now + PARKED_LOOK;
            sleep(PARKED_LOOK).await;
            continue;
        };
        match watch.judge(now.into_std(), &progress, free_since.into_std()) {
            Judgement::Wait(until) => sleep_until(until.into()).await,
            Judgement::Restart(still_for) => return (StallRemedy::ReadAnew, still_for),
            Judgement::GiveUp(still_for) => return (StallRemedy::GivenUp, still_for),
        }
    }
}

/// Ours: how often it is looked whether there is memory again.
const PARKED_LOOK: Duration = Duration::from_secs(1);
