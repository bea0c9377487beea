//! One call of a handler: its deadline kept, its panic caught.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::timeout;

use super::answers::Answers;
use crate::config::OnDeadline;
use crate::dead_letter::panic_message;
use crate::error::BoxError;
use crate::lanes::outcome::Reason;
use crate::process::keeper::chain;

/// Waits for a handler. `overdue` is called once if it takes longer than the deadline.
///
/// # Cancel safety
/// Dropping it drops the handler.
pub(super) async fn attend(
    call: impl Future<Output = Result<Answers, BoxError>>,
    deadline: Option<Duration>,
    on_deadline: OnDeadline,
    overdue: impl FnOnce(),
) -> Result<Answers, Reason> {
    let mut caught = pin!(AssertUnwindSafe(call).catch_unwind());
    let ended = match deadline {
        None => caught.await,
        Some(deadline) => match timeout(deadline, &mut caught).await {
            Ok(ended) => ended,
            Err(_) => {
                overdue();
                match on_deadline {
                    OnDeadline::Cancel => return Err(Reason::DeadlineExceeded(deadline)),
                    OnDeadline::Tell => caught.await,
                }
            }
        },
    };
    match ended {
        Ok(Ok(answers)) => Ok(answers),
        Ok(Err(error)) => Err(reason_of(&*error)),
        Err(panic) => Err(Reason::Panicked(panic_message(&*panic))),
    }
}

fn reason_of(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Reason {
    // Ours travel through a handler's error type as they are.
    match error.downcast_ref::<DroppedUnanswered>() {
        Some(DroppedUnanswered) => Reason::Dropped,
        None => Reason::Failed(chain(error)),
    }
}

/// A record was taken from a stream and dropped.
#[derive(Debug, thiserror::Error)]
#[error("dropped without an answer")]
pub(super) struct DroppedUnanswered;
