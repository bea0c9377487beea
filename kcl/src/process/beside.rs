//! What a processor does between its calls, while its shard waits for something.

use std::any::Any;
use std::future::{Future, pending};
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

use super::Checkpointer;
use crate::processor::{RecordProcessor, WorkUntil};

/// Lets a processor go on with what it accepted.
pub(super) async fn work_on<P: RecordProcessor>(
    processor: &mut Option<P>,
    until: WorkUntil,
    checkpointer: &Checkpointer,
) -> Result<(), Panic> {
    let Some(processor) = processor else {
        return match until {
            WorkUntil::Room | WorkUntil::Finished => Ok(()),
            WorkUntil::Interrupted => pending().await,
        };
    };
    unwound(async { processor.work_on(until, checkpointer).await }).await
}

/// Waits, and lets a processor go on meanwhile.
pub(super) async fn beside<P: RecordProcessor, T>(
    processor: &mut Option<P>,
    checkpointer: &Checkpointer,
    wait: impl Future<Output = T>,
) -> Result<T, Panic> {
    let working = async {
        match work_on(processor, WorkUntil::Interrupted, checkpointer).await {
            Ok(()) => pending().await,
            Err(panic) => panic,
        }
    };
    tokio::select! {
        biased;
        done = wait => Ok(done),
        panic = working => Err(panic),
    }
}

pub(super) type Panic = Box<dyn Any + Send>;

pub(super) async fn unwound<T>(call: impl Future<Output = T>) -> Result<T, Panic> {
    AssertUnwindSafe(call).catch_unwind().await
}
