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

/// Ends all shards within the time that the configuration gives, and a little. Leases that `successors` does not name go to
/// whoever takes them first.
/// `in_company`: other workers are there, and may leave at the same time.
pub(super) async fn give_all_up<S: Source, F: RecordProcessorFactory>(
    shards: &mut Shards<S, F>,
    shop: &Workshop<S, F>,
    successors: Vec<(LeaseKey, WorkerId)>,
    in_company: bool,
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
    if in_company {
        // What is not swept up expires.
        let _ = timeout(SWEEP, sweep(shop, &successors)).await;
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

/// Frees leases that were given to a worker that left at the same time: to this one, by its peers, and to peers, by this
/// one. Nobody would take them before they expired.
async fn sweep<S: Source, F: RecordProcessorFactory>(
    shop: &Workshop<S, F>,
    successors: &[(LeaseKey, WorkerId)],
) {
    let listing = match shop.store.list().await {
        Ok(listing) => listing,
        Err(error) => {
            debug!(error = %chain(&error), "lease table cannot be read at the end");
            return;
        }
    };
    let strays = strays(&listing.leases, shop.config.worker_id(), successors);
    let strays = strays.into_iter().map(|lease| async move {
        match shop.store.release(lease).await {
            Ok(true) => info!(lease_key = %lease.key, "lease freed: its next owner has left too"),
            Ok(false) => {}
            Err(error) => debug!(lease_key = %lease.key, error = %chain(&error), "lease cannot be freed"),
        }
    });
    join_all(strays).await;
}

/// Ours: longer than telling a processor that it is cut off, and giving its lease up, may take.
const AFTER_CUT: Duration = Duration::from_secs(6);
/// Ours: a look and some writes.
const SWEEP: Duration = Duration::from_secs(2);
