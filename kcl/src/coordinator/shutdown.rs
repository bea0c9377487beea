//! The clean end: every shard is asked, given time, then cut off; every lease is given up.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::shards::Shards;
use crate::consumer::ConsumerState;
use crate::processor::RecordProcessorFactory;
use crate::source::Source;

/// Ends all shards within `patience` and a little.
pub(super) async fn give_all_up<S: Source, F: RecordProcessorFactory>(
    shards: &mut Shards<S, F>,
    patience: Duration,
    state: &watch::Sender<ConsumerState>,
) {
    shards.ask_all_to_stop();
    drain(shards, patience, state).await;
    if shards.held() > 0 {
        warn!(
            leases = shards.held(),
            "processors did not end in time, their leases are given up as they are"
        );
        shards.cut_all();
        drain(shards, AFTER_CUT, state).await;
    }
}

async fn drain<S: Source, F: RecordProcessorFactory>(
    shards: &mut Shards<S, F>,
    patience: Duration,
    state: &watch::Sender<ConsumerState>,
) {
    let deadline = Instant::now() + patience;
    while shards.held() > 0 {
        let Ok(exit) = timeout_at(deadline, shards.next_exit()).await else {
            break;
        };
        shards.on_exit(exit);
        state.send_modify(|state| state.leases_held = shards.held());
    }
}

/// Ours: longer than giving one lease up may take.
const AFTER_CUT: Duration = Duration::from_secs(6);
