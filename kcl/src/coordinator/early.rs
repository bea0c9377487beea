//! Where children are read beside their parents: finds those of the shards that this worker reads, soon after a split or merge,
//! and has them get leases.
//!
//! Who reads a shard looks, not who leads or audits: so it does not matter what the leader knows of this way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use kinesis_aggregation::ShardId;
use rand::Rng as _;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::audit::create;
use crate::error::BoxError;
use crate::health::{ConsumerState, LeasePhase};
use crate::lease::StreamId;
use crate::process::hands::Workshop;
use crate::process::keeper::chain;
use crate::processor::RecordProcessorFactory;
use crate::shard_sync::early::{EarlyChildren, Pace, Sight, early_leases};
use crate::shard_sync::graph::ShardGraph;
use crate::shard_sync::view::rows_of;
use crate::source::Source;
use crate::stream::Stream;

/// Looks for ever. `news` is told when there are new leases to take.
pub(super) async fn find_children<S: Source, F: RecordProcessorFactory>(
    shop: Arc<Workshop<S, F>>,
    board: Weak<watch::Sender<ConsumerState>>,
    news: Arc<Notify>,
) {
    let pace = Pace::new(shop.config.coordination.shard_sync_interval);
    let mut rng = shop.config.rng("early");
    let mut seen: BTreeMap<Option<StreamId>, Seen> = BTreeMap::new();
    loop {
        let streams = shop.streams.borrow().streams();
        seen.retain(|id, _| streams.iter().any(|stream| stream.id() == id.as_ref()));
        let read = |stream: &Stream| !in_progress(&shop, &board, stream).is_empty();
        let streams: Vec<Stream> = streams.into_iter().filter(read).collect();
        if streams.is_empty() {
            sleep(pace.pause(1, rng.random())).await;
        }
        for stream in &streams {
            sleep(pace.pause(streams.len(), rng.random())).await;
            let shards = in_progress(&shop, &board, stream);
            if shards.is_empty() {
                continue;
            }
            let seen = seen.entry(stream.id().cloned()).or_default();
            match look(&shop, stream, &shards, &mut seen.children).await {
                Ok(created) => {
                    seen.failing = false;
                    if created > 0 {
                        info!(stream = %stream, leases = created, "leases created for children of shards that are read");
                        news.notify_one();
                    }
                }
                // It is looked for again and again: one line is enough.
                Err(error) if std::mem::replace(&mut seen.failing, true) => {
                    debug!(stream = %stream, error = %chain(&*error), "children of shards cannot be looked for");
                }
                Err(error) => {
                    warn!(stream = %stream, error = %chain(&*error), "children of shards cannot be looked for, they are looked for again");
                }
            }
        }
    }
}

/// Of one stream.
#[derive(Debug, Default)]
struct Seen {
    children: EarlyChildren,
    failing: bool,
}

/// The shards of a stream that this worker reads; none where it reads the stream no more.
fn in_progress<S: Source, F>(
    shop: &Workshop<S, F>,
    board: &Weak<watch::Sender<ConsumerState>>,
    stream: &Stream,
) -> BTreeSet<ShardId> {
    let Some(board) = board.upgrade() else {
        return BTreeSet::new();
    };
    let directory = shop.streams.borrow();
    let state = board.borrow();
    let read = state.leases.iter().filter(|(key, lease)| {
        lease.phase != LeasePhase::Leaving && directory.of_key(key).is_some_and(|of| of == stream)
    });
    read.filter_map(|(key, _)| key.shard()).collect()
}

/// One look at a stream. How many leases were created.
async fn look<S: Source, F>(
    shop: &Workshop<S, F>,
    stream: &Stream,
    in_progress: &BTreeSet<ShardId>,
    seen: &mut EarlyChildren,
) -> Result<usize, BoxError> {
    let shards = ShardGraph::new(shop.source.list_shards(stream).await?);
    let children = match seen.on_listing(&shards, in_progress) {
        Sight::NothingNew => return Ok(0),
        Sight::Distrusted(why) => {
            debug!(stream = %stream, error = ?why, "listing of shards contradicts itself, the next one counts");
            return Ok(0);
        }
        Sight::Children(children) => children,
    };
    // After the shards: a lease that is not there then was not made with its shard.
    let rows = rows_of(stream.id(), &shop.store.list().await?);
    let created = create(shop, stream, early_leases(&shards, &rows)).await?;
    seen.on_compared(children);
    Ok(created)
}
