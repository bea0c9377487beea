//! The clean end: every shard is asked, given time, then cut off; every lease is given to a worker that is there.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{debug, info, warn};

use super::shards::Shards;
use crate::handover::farewell::strays;
use crate::lease::{LeaseKey, WorkerId};
use crate::process::hands::Workshop;
use crate::process::keeper::chain;
use crate::processor::RecordProcessorFactory;
use crate::source::Source;

/// What a worker that stops knows of the others.
pub(super) struct Others<Had, Takes> {
    /// Whether a worker had a lease at the last look.
    pub(super) had: Had,
    /// Whether it is known to take what bears its name.
    pub(super) takes: Takes,
}

/// Ends all shards within the time that the configuration gives, and a little. Leases that `successors` does not name go to
/// whoever takes them first.
/// `others`: what is known of others; `None`: no other worker is there, who might leave at the same time.
pub(super) async fn give_all_up<S: Source, F: RecordProcessorFactory>(
    shards: &mut Shards<S, F>,
    shop: &Workshop<S, F>,
    successors: Vec<(LeaseKey, WorkerId)>,
    others: Option<Others<impl Fn(&WorkerId, &LeaseKey) -> bool, impl Fn(&WorkerId) -> bool>>,
) {
    shards.stop_all(&successors);
    drain(shards, shop.config.coordination.shutdown_timeout + AFTER_CUT).await;
    if shards.held() > 0 {
        warn!(
            leases = shards.held(),
            "shards did not end, their leases are given up as they are"
        );
        shards.cut_all();
        drain(shards, AFTER_CUT).await;
    }
    if let Some(others) = others
        && timeout(SWEEP, sweep(shop, &successors, others)).await.is_err()
    {
        info!("the last look for leases given to workers that left took too long, such leases expire");
    }
}

async fn drain<S: Source, F: RecordProcessorFactory>(shards: &mut Shards<S, F>, patience: Duration) {
    let deadline = Instant::now() + patience;
    while shards.held() > 0 {
        let Ok(exit) = timeout_at(deadline, shards.next_exit()).await else {
            break;
        };
        shards.on_exit(exit);
    }
}

/// Gives leases anew that were given to a worker that left at the same time: to this one, by its peers, and to peers, by this
/// one. Nobody would take them before they expired.
async fn sweep<S: Source, F: RecordProcessorFactory>(
    shop: &Workshop<S, F>,
    successors: &[(LeaseKey, WorkerId)],
    others: Others<impl Fn(&WorkerId, &LeaseKey) -> bool, impl Fn(&WorkerId) -> bool>,
) {
    let Others { had, takes } = others;
    let mut given = successors.to_vec();
    loop {
        let listing = match shop.store.list().await {
            Ok(listing) => listing,
            Err(error) => {
                debug!(error = %chain(&error), "lease table cannot be read at the end");
                return;
            }
        };
        let strays = strays(&listing.leases, shop.config.worker_id(), &given, &had, &takes);
        let gifts = strays.into_iter().map(|(lease, to)| async move {
            let written = match &to {
                Some(to) => shop.store.assign(lease, to).await,
                None => shop.store.release(lease).await,
            };
            let worker_id = to.as_ref().map_or("", |to| to.as_str());
            match written {
                Ok(true) => {
                    info!(lease_key = %lease.key, worker_id, "lease given anew: its next owner has left too");
                    return Some((lease.key.clone(), to?));
                }
                Ok(false) => {}
                Err(error) => debug!(lease_key = %lease.key, error = %chain(&error), "lease cannot be given"),
            }
            None
        });
        let gifts: Vec<_> = join_all(gifts).await.into_iter().flatten().collect();
        if gifts.is_empty() {
            return;
        }
        // Who got them may have looked for the last time before it did, and so has left: that shows now.
        given.retain(|(key, _)| gifts.iter().all(|(gift, _)| gift != key));
        given.extend(gifts);
    }
}

/// Ours: longer than telling a processor that it is cut off, and giving its lease up, may take.
const AFTER_CUT: Duration = Duration::from_secs(6);
/// Ours: a look and some writes.
const SWEEP: Duration = Duration::from_secs(2);
