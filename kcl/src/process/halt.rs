//! The way to end the whole consumer from inside a shard.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::error::RunError;

/// Asks the consumer to stop, and says why. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Halt {
    why: Arc<Mutex<Option<RunError>>>,
    asked: CancellationToken,
}

impl Halt {
    /// Asks. The first reason counts.
    pub(crate) fn ask(&self, why: RunError) {
        let mut first = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.asked.is_cancelled() {
            *first = Some(why);
            self.asked.cancel();
        }
    }

    /// Waits until somebody asks. Gives the reason once, and waits for ever after that.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn asked(&self) -> RunError {
        self.asked.cancelled().await;
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner).take();
        match why {
            Some(why) => why,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(what: &str) -> RunError {
        RunError::Shards {
            stream: crate::StreamName::new("sales").unwrap(),
            reason: what.to_owned(),
        }
    }

    #[tokio::test]
    async fn the_first_reason_counts() {
        let halt = Halt::default();
        halt.ask(missing("first"));
        halt.ask(missing("second"));
        let why = halt.clone().asked().await;
        assert!(why.to_string().contains("first"), "{why}");
    }
}
