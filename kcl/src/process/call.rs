//! One call of the user's code: watched, cut off by choice, its panic caught.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::timeout;

use super::pulse::Pulse;

/// Why a call gave nothing.
pub(crate) enum Broken {
    Panicked(Box<dyn Any + Send>),
    /// It was dropped after so long.
    Cancelled(Overdue),
}

/// A call of the processor that took too long.
#[derive(Debug, thiserror::Error)]
#[error("{method} has not returned in {} s and was cancelled", after.as_secs())]
pub(crate) struct Overdue {
    pub(crate) method: &'static str,
    pub(crate) after: Duration,
}

/// Carries a call out under the eyes of the pulse; with `cancel` for no longer than that.
///
/// # Cancel safety
/// Dropping it drops the call.
pub(crate) async fn watched<T>(
    pulse: &Pulse,
    cancel: Option<Duration>,
    method: &'static str,
    call: impl Future<Output = T>,
) -> Result<T, Broken> {
    let _in_call = pulse.begin(method);
    let caught = AssertUnwindSafe(call).catch_unwind();
    let returned = match cancel {
        None => caught.await,
        Some(after) => match timeout(after, caught).await {
            Ok(returned) => returned,
            Err(_) => return Err(Broken::Cancelled(Overdue { method, after })),
        },
    };
    returned.map_err(Broken::Panicked)
}
