//! What the application wants to be read: its list, asked for again and again.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::{Follower, RETRY};
use crate::error::BoxError;
use crate::events::ConsumerEvent;
use crate::health::StreamPhase;
use crate::process::keeper::chain;
use crate::processor::RecordProcessorFactory;
use crate::source::Source;
use crate::streams::listed::{StreamConfig, StreamTarget};

impl<S: Source, F: RecordProcessorFactory> Follower<S, F> {
    /// Has the application say what it wants to be read. How long until it is asked again.
    pub(super) async fn ask_for_list(&mut self) -> Duration {
        let interval = self.desk.several.settings.interval;
        // The user's code, which may block its thread or panic.
        let mut asking = JoinSet::new();
        let list = AssertUnwindSafe(self.desk.several.list()).catch_unwind();
        asking.spawn_on(list, &self.desk.floor);
        let patience = interval.max(LIST_PATIENCE);
        let listed: Result<Vec<StreamConfig>, BoxError> = match timeout(patience, asking.join_next()).await {
            Ok(Some(Ok(Ok(listed)))) => listed,
            Ok(_) => Err("the tracker panicked".into()),
            Err(_) => Err(format!("the tracker did not answer in {patience:?}").into()),
        };
        match listed {
            Ok(list) => {
                self.list_failures = 0;
                self.take_list(list);
                interval
            }
            Err(error) => {
                let pause = (RETRY * (1 << self.list_failures.min(10))).min(interval);
                self.list_failures += 1;
                let error = chain(&*error);
                warn!(
                    error,
                    elapsed_ms = pause.as_millis(),
                    "streams cannot be listed, the last list stays in force"
                );
                self.ring(ConsumerEvent::StreamListFailed { error });
                pause
            }
        }
    }

    fn take_list(&mut self, list: Vec<StreamConfig>) {
        let region = self.desk.shop.source.region();
        let is_elsewhere = |config: &StreamConfig| match (config.target(), &region) {
            (StreamTarget::Arn(arn), Some(region)) => arn.region() != region,
            _ => false,
        };
        let (elsewhere, here): (Vec<_>, Vec<_>) = list.into_iter().partition(is_elsewhere);
        for config in elsewhere {
            let target = config.target();
            self.show(target, StreamPhase::OtherRegion);
            if self.refused.insert(target.clone()) {
                warn!(stream = %target, "stream is in another region, it takes a consumer of its own");
                self.ring(ConsumerEvent::StreamFailed {
                    stream: target.clone(),
                    operation: "region",
                    code: "OtherRegion".to_owned(),
                    retry_in: None,
                });
            }
        }
        self.roster.on_list(&here, Instant::now().into_std());
    }
}

/// Ours: a request of the tracker's own.
const LIST_PATIENCE: Duration = Duration::from_secs(10);
