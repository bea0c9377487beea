//! What a plan comes to: leases taken, leases asked for, and one at a time from workers that cannot be asked.

use std::collections::HashMap;

use futures::StreamExt as _;
use futures::stream::{self, FuturesUnordered};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::Assigner;
use crate::assign::Plan;
use crate::coordinator::shards::{Begin, Shards};
use crate::error::StoreError;
use crate::events::ConsumerEvent;
use crate::fleet::HandOvers;
use crate::lease::crowd::Crowd;
use crate::lease::renewal::{HeldLease, Pace};
use crate::lease::{Lease, LeaseKey, WorkerId};
use crate::process::keeper::chain;
use crate::processor::RecordProcessorFactory;
use crate::source::Source;

impl<S: Source, F: RecordProcessorFactory> Assigner<S, F> {
    /// Whether others were faster so often that the rest was left. Fails when every take was refused for good.
    pub(super) async fn take(
        &self,
        plan: &Plan,
        rows: &HashMap<&LeaseKey, &Lease>,
        shards: &mut Shards<S, F>,
    ) -> Result<bool, StoreError> {
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
        let mut crowd = Crowd::default();
        let mut on_take = |take: Take, crowd: &mut Crowd, shards: &mut Shards<S, F>| {
            if let Ok(answer) = &take.answer {
                crowd.on_answer(answer.is_some());
            }
            match self.on_take(take, shards) {
                Some(error) => refused = Some(error),
                None => answered = true,
            }
        };
        for row in wanted {
            if takes.len() >= TAKES_AT_ONCE
                && let Some(take) = takes.next().await
            {
                on_take(take, &mut crowd, shards);
            }
            if crowd.is_dense() {
                break;
            }
            takes.push(self.take_one(row));
        }
        while let Some(take) = takes.next().await {
            on_take(take, &mut crowd, shards);
        }
        match refused {
            Some(error) if !answered => Err(error),
            _ => Ok(crowd.outdates()),
        }
    }

    /// Takes free leases in the name of those they fall to, who see them free much later and find by the index what bears their
    /// name. What is not taken here is taken by them.
    pub(super) async fn take_for_others(&self, plan: &Plan, rows: &HashMap<&LeaseKey, &Lease>) {
        let notice = |(key, to): &'_ (LeaseKey, WorkerId)| {
            let row = self.peers.notices(to).then(|| rows.get(key)).flatten()?;
            Some(((*row).clone(), to.clone()))
        };
        let takes = plan.give.iter().filter_map(notice).map(|(row, to)| async move {
            let taken = match self.stop.is_cancelled() {
                true => Ok(None),
                false => self.shop.store.take(&row, &to).await,
            };
            match &taken {
                Ok(Some(_)) => info!(lease_key = %row.key, worker_id = %to, "lease taken for another worker"),
                Ok(None) => debug!(lease_key = %row.key, "another worker was faster"),
                Err(error) => debug!(lease_key = %row.key, error = %chain(error), "lease cannot be taken"),
            }
        });
        stream::iter(takes)
            .buffer_unordered(TAKES_AT_ONCE)
            .collect::<()>()
            .await;
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

    /// The leases that were asked for, and whether others were faster so often that the rest was left: workers that join at the same
    /// moment do not see each other, and want the same leases.
    pub(super) async fn ask(&self, plan: &Plan, rows: &HashMap<&LeaseKey, &Lease>) -> (Vec<LeaseKey>, bool) {
        let me = self.shop.config.worker_id();
        let asks = plan.hand_over.iter().filter_map(|wish| {
            let row = rows.get(&wish.key).filter(|row| self.is_asked(row))?;
            Some(async move {
                if self.stop.is_cancelled() {
                    return None;
                }
                match self.shop.store.request_hand_over(row, me).await {
                    Ok(true) => {
                        info!(lease_key = %wish.key, from = %wish.from, "asked for the lease");
                        self.shop.bell.ring(ConsumerEvent::HandOverAsked {
                            lease_key: wish.key.clone(),
                            from: wish.from.clone(),
                        });
                        return Some((wish.key.clone(), true));
                    }
                    Ok(false) => {
                        debug!(lease_key = %wish.key, "lease moved meanwhile");
                        return Some((wish.key.clone(), false));
                    }
                    Err(error) => {
                        warn!(lease_key = %wish.key, error = %chain(&error), "lease cannot be asked for");
                    }
                }
                None
            })
        });
        let (mut asked, mut crowd, mut open) = (Vec::new(), Crowd::default(), FuturesUnordered::new());
        let mut on_answer = |answer: Option<(LeaseKey, bool)>, crowd: &mut Crowd| {
            if let Some((key, was_first)) = answer {
                crowd.on_answer(was_first);
                asked.extend(was_first.then_some(key));
            }
        };
        for ask in asks {
            if open.len() >= TAKES_AT_ONCE
                && let Some(answer) = open.next().await
            {
                on_answer(answer, &mut crowd);
            }
            if crowd.is_dense() {
                break;
            }
            open.push(ask);
        }
        while let Some(answer) = open.next().await {
            on_answer(answer, &mut crowd);
        }
        (asked, crowd.outdates())
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
