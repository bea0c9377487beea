//! Turns at ListShards, which every worker of a process shares: all its streams, consumers and closed shards.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::time::{Instant, sleep_until};

use crate::config::ConsumerConfig;
use crate::shard_sync::budget::{ListingBudget, Permit};

/// The process's turns. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Listings(Arc<Mutex<ListingBudget>>);

impl Listings {
    /// The turns of this process; of a seeded consumer its own, as its course must not depend on others.
    pub(super) fn of(config: &ConsumerConfig) -> Self {
        static OF_THE_PROCESS: OnceLock<Listings> = OnceLock::new();
        match config.is_seeded() {
            true => Self::new(),
            false => OF_THE_PROCESS.get_or_init(Self::new).clone(),
        }
    }

    fn new() -> Self {
        Self(Arc::new(Mutex::new(ListingBudget::of_one_process(now()))))
    }

    /// Waits for a turn.
    ///
    /// # Cancel safety
    /// A dropped call has taken none.
    pub(super) async fn turn(&self) {
        loop {
            let permit = self.budget().ask(now());
            match permit {
                Permit::Now => return,
                Permit::At(at) => sleep_until(at.into()).await,
            }
        }
    }

    /// The service said that it was one too many.
    pub(super) fn throttled(&self) {
        self.budget().on_throttled(now());
    }

    fn budget(&self) -> MutexGuard<'_, ListingBudget> {
        // Counted in one step, so a thread that died in between took nothing with it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_run_out_and_come_back_and_a_refusal_stops_everybody() {
        let (one, began) = (Listings::new(), Instant::now());
        let other = one.clone();
        for _ in 0..50 {
            one.turn().await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        for _ in 0..10 {
            other.turn().await;
        }
        assert_eq!(began.elapsed().as_millis() / 100, 10, "ten a second");
        one.throttled();
        other.turn().await;
        assert!(began.elapsed() >= Duration::from_millis(2_500));
    }
}
