//! What a plan comes to: leases taken, leases asked for, and one at a time from workers that cannot be asked.

use std::collections::HashMap;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::Assigner;
use crate::assign::Plan;
use crate::coordinator::shards::{Begin, Shards};
use crate::error::StoreError;
use crate::events::ConsumerEvent;
use crate::fleet::HandOvers;
use crate::lease::renewal::{HeldLease, Pace};
use crate::lease::{Lease, LeaseKey, WorkerId};
use crate::process::keeper::chain;
use crate::processor::RecordProcessorFactory;
use crate::source::Source;

impl<S: Source, F: RecordProcessorFactory> Assigner<S, F> {
    /// Fails when every take was refused for good.
    pub(super) async fn take(
        &self,
        plan: &Plan,
        rows: &HashMap<&LeaseKey, &Lease>,
        shards: &mut Shards<S, F>,
    ) -> Result<(), StoreError> {
        let free = plan
            .take
            .iter()
            // A held lease that lost its owner is its keeper's to lose first.
            .filter(|key| !shards.holds(key) && !shards.is_cooling(key));
        let wanted: Vec<Lease> = free
            .filter_map(|key| rows.get(key))
            .map(|row| (*row).clone())
            .collect();
        let (mut takes, mut refused, mut answered) = (FuturesUnordered::new(), None, false);
        let mut on_take = |take: Option<Take>, shards: &mut Shards<S, F>| match take
            .map(|take| self.on_take(take, shards))
        {
            Some(Some(error)) => refused = Some(error),
            Some(None) => answered = true,
            None => {}
        };
        for row in wanted {
            if takes.len() >= TAKES_AT_ONCE {
                on_take(takes.next().await, shards);
            }
            takes.push(self.take_one(row));
        }
        while !takes.is_empty() {
            on_take(takes.next().await, shards);
        }
        match refused {
            Some(error) if !answered => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) async fn take_one(&self, row: Lease) -> Take {
        let sent_at = Instant::now().into_std();
        let answer = match self.stop.is_cancelled() {
            true => Ok(None),
            false => self.shop.store.take(&row, self.shop.config.worker_id()).await,
        };
        Take {
            from: row.actual_owner().cloned(),
            key: row.key,
            sent_at,
            answer,
        }
    }

    /// `Some`: refused, and it would be again.
    pub(super) fn on_take(&self, take: Take, shards: &mut Shards<S, F>) -> Option<StoreError> {
        let Take {
            key,
            from,
            sent_at,
            answer,
        } = take;
        match answer {
            Ok(Some(lease)) => {
                info!(lease_key = %key, position = %lease.checkpoint, "lease taken");
                self.shop.bell.ring(ConsumerEvent::LeaseTaken {
                    lease_key: key,
                    checkpoint: lease.checkpoint.clone(),
                    from: from.filter(|from| from != self.shop.config.worker_id()),
                });
                let pace = Pace::new(self.shop.config.leasing.failover);
                let begin = match self.unfinished.blocks(&lease) {
                    true => Begin::WhenTold,
                    false => Begin::Now,
                };
                match shards.life() {
                    None => shards.start(HeldLease::new(lease, pace, sent_at), begin),
                    Some(Some(life)) => {
                        shards.start(HeldLease::by_heartbeat(lease, pace, life.beat_at), begin);
                    }
                    // Taken for dead meanwhile. It bears our name, and is taken again once we live again.
                    Some(None) => {}
                }
            }
            Ok(None) => debug!(lease_key = %key, "another worker was faster"),
            Err(error) => {
                warn!(lease_key = %key, error = %chain(&error), "lease cannot be taken");
                return (!error.is_retryable()).then_some(error);
            }
        }
        None
    }

    /// Takes one lease from a loaded worker that would not notice if it were asked: abruptly, as such workers do among
    /// themselves. How many were taken.
    pub(super) async fn steal(
        &mut self,
        plan: &Plan,
        rows: &HashMap<&LeaseKey, &Lease>,
        shards: &mut Shards<S, F>,
    ) -> usize {
        let now = Instant::now();
        let due = self
            .stolen_at
            .is_none_or(|at| now - at >= self.shop.config.leasing.failover * 2);
        let rows = plan.hand_over.iter().filter_map(|wish| rows.get(&wish.key));
        let Some(row) = rows.filter(|row| !self.is_asked(row)).find(|_| due) else {
            return 0;
        };
        self.stolen_at = Some(now);
        let take = self.take_one((*row).clone()).await;
        let taken = matches!(&take.answer, Ok(Some(_)));
        self.on_take(take, shards);
        usize::from(taken)
    }

    /// Whether the owner of a lease is asked for it, and not robbed.
    fn is_asked(&self, row: &Lease) -> bool {
        let hand_overs = self.membership.borrow().hand_overs();
        hand_overs == HandOvers::OfAll || row.owner_is_of_this_crate()
    }

    /// How many leases were asked for.
    pub(super) async fn ask(&self, plan: &Plan, rows: &HashMap<&LeaseKey, &Lease>) -> usize {
        let me = self.shop.config.worker_id();
        let mut asks = FuturesUnordered::new();
        let mut asked = 0;
        for wish in &plan.hand_over {
            let Some(row) = rows.get(&wish.key).filter(|row| self.is_asked(row)) else {
                continue;
            };
            if self.stop.is_cancelled() {
                break;
            }
            if asks.len() >= TAKES_AT_ONCE {
                asked += asks.next().await.unwrap_or_default();
            }
            asks.push(async move {
                match self.shop.store.request_hand_over(row, me).await {
                    Ok(true) => {
                        info!(lease_key = %wish.key, from = %wish.from, "asked for the lease");
                        self.shop.bell.ring(ConsumerEvent::HandOverAsked {
                            lease_key: wish.key.clone(),
                            from: wish.from.clone(),
                        });
                        return 1;
                    }
                    Ok(false) => debug!(lease_key = %wish.key, "lease moved meanwhile"),
                    Err(error) => {
                        warn!(lease_key = %wish.key, error = %chain(&error), "lease cannot be asked for");
                    }
                }
                0
            });
        }
        while let Some(one) = asks.next().await {
            asked += one;
        }
        asked
    }
}

/// One attempt to take a lease, and its answer.
pub(super) struct Take {
    key: LeaseKey,
    from: Option<WorkerId>,
    sent_at: std::time::Instant,
    answer: Result<Option<Lease>, StoreError>,
}

/// Ours: enough to take hundreds of leases in a second, and no storm on the table.
const TAKES_AT_ONCE: usize = 16;
