//! Watches over the identity of an application's only stream. Its leases do not name it, so that a stream that was deleted and
//! made again would be read with the leases of the one before.
//!
//! What shows it is decided in `shard_sync::recreated`, what is done about it by a setting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::audit::create_missing;
use crate::config::OnRecreated;
use crate::error::{BoxError, RunError, StoreError};
use crate::events::ConsumerEvent;
use crate::process::hands::Workshop;
use crate::process::keeper::chain;
use crate::processor::RecordProcessorFactory;
use crate::shard_sync::Shard;
use crate::shard_sync::graph::ShardGraph;
use crate::shard_sync::recreated::{Recreated, Sameness, compare_creation, foreign_leases, former_leases};
use crate::shard_sync::view::{rows_of, table_key};
use crate::source::Source;
use crate::source::identity::target_of;
use crate::store::Listing;
use crate::stream::Stream;
use crate::streams::directory::Directory;

/// Watches for ever; where there are several streams there is nothing to do.
pub(super) async fn watch_over<S: Source, F: RecordProcessorFactory>(
    shop: Arc<Workshop<S, F>>,
    news: Arc<Notify>,
) {
    let Some(only) = shop.config.only_stream() else {
        return;
    };
    let mut watch = Watch {
        doubts: shop.source.doubts(),
        suspicious: 0,
        only,
        shop,
        news,
    };
    let mut rng = watch.shop.config.rng("recreated");
    loop {
        let interval = watch.shop.config.coordination.shard_sync_interval;
        tokio::select! {
            biased;
            () = sleep(interval.mul_f64(rng.random_range(0.9..1.1))) => {}
            () = watch.doubts.notified() => {}
        }
        match watch.look().await {
            Ok(None) => {}
            Ok(Some(shown_by)) => watch.on_recreated(shown_by).await,
            Err(error) => debug!(error = %chain(&*error), "the stream's identity cannot be looked at"),
        }
        sleep(RETRY).await;
    }
}

struct Watch<S, F> {
    shop: Arc<Workshop<S, F>>,
    only: Stream,
    doubts: Arc<Notify>,
    news: Arc<Notify>,
    /// Looks in a row that showed an uncertain mark.
    suspicious: u32,
}

impl<S: Source, F: RecordProcessorFactory> Watch<S, F> {
    /// Whether the stream is another one.
    async fn look(&mut self) -> Result<Option<Recreated>, BoxError> {
        let read = self.shop.streams.borrow().streams().into_iter().next();
        let origin = read.and_then(|stream| stream.origin().cloned());
        let described = match self.shop.source.describe(&target_of(&self.only)).await {
            Ok(described) => Some(described.id),
            Err(failure) if failure.kind.is_denied() => None,
            Err(failure) => return Err(failure.into()),
        };
        if let (Some(was), Some(is)) = (&origin, &described) {
            return Ok(match compare_creation(was.epoch(), is.epoch()) {
                Sameness::Recreated => Some(Recreated::Creation {
                    was: was.clone(),
                    is: is.clone(),
                }),
                Sameness::Same | Sameness::StaleDescription => None,
            });
        }
        let shards = self.shop.source.list_shards(&self.only).await?;
        let table = self.shop.store.list().await?;
        match sign(&shards, &table) {
            None => self.suspicious = 0,
            Some(Sign::Certain(shown_by)) => return Ok(Some(shown_by)),
            Some(Sign::Uncertain(shown_by)) => {
                self.suspicious += 1;
                if self.suspicious >= LOOKS {
                    return Ok(Some(shown_by));
                }
            }
        }
        // It could not be asked about at the start.
        if let (None, Some(id), 0) = (origin, described, self.suspicious) {
            let stream = self.only.with_origin(id);
            self.shop.streams.send_replace(Directory::One(stream));
        }
        Ok(None)
    }

    async fn on_recreated(&mut self, shown_by: Recreated) {
        match decide(&self.shop, shown_by) {
            Err(error) => self.shop.halt.ask(error),
            Ok(()) => {
                self.leave().await;
                while let Err(error) = self.begin_anew().await {
                    warn!(error = %chain(&*error), "the new stream cannot be begun with yet");
                    sleep(RETRY).await;
                }
                self.suspicious = 0;
                self.news.notify_one();
            }
        }
    }

    /// Reads nothing, and waits until what this worker holds is given up. What is not by the failover time loses its lease's row.
    async fn leave(&self) {
        self.shop
            .streams
            .send_replace(Directory::Several(BTreeMap::new()));
        self.news.notify_one();
        let me = self.shop.config.worker_id();
        let deadline = Instant::now() + self.shop.config.leasing.failover;
        while Instant::now() < deadline {
            sleep(GRAIN).await;
            match self.shop.store.list().await {
                Ok(table) if table.leases.iter().all(|row| row.actual_owner() != Some(me)) => return,
                Ok(_) => {}
                Err(error) => debug!(error = %chain(&error), "leases cannot be looked at"),
            }
        }
    }

    async fn begin_anew(&self) -> Result<(), BoxError> {
        let described = self.shop.source.describe(&target_of(&self.only)).await;
        let stream = match described {
            Ok(described) => self.only.with_origin(described.id),
            Err(failure) if failure.kind.is_denied() => self.only.clone(),
            Err(failure) => return Err(failure.into()),
        };
        let shards = self.shop.source.list_shards(&stream).await?;
        if shards.is_empty() {
            return Err("no shard is listed".into());
        }
        begin_anew(&self.shop, &stream, &shards).await?;
        self.shop.streams.send_replace(Directory::One(stream));
        Ok(())
    }
}

/// At the start: creates the leases that shards lack, unless those in the table are of a former stream. How many were created.
pub(super) async fn sync_at_start<S: Source, F: RecordProcessorFactory>(
    shop: &Workshop<S, F>,
    stream: &Stream,
    shards: &[Shard],
) -> Result<usize, SyncError> {
    let table = shop.store.list().await?;
    let shown_by = match sign(shards, &table) {
        None => None,
        Some(Sign::Certain(shown_by)) => Some(shown_by),
        Some(Sign::Uncertain(_)) => confirm(shop, stream).await?,
    };
    match shown_by {
        None => Ok(create_missing(shop, stream, shards, &table).await?),
        Some(shown_by) => {
            decide(shop, shown_by).map_err(|error| SyncError::Recreated(Box::new(error)))?;
            Ok(begin_anew(shop, stream, shards).await?)
        }
    }
}

/// Why the leases were not made ready.
#[derive(Debug, thiserror::Error)]
pub(super) enum SyncError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Recreated(Box<RunError>),
}

/// What the stream is, where that may be asked and is answered at once.
pub(super) async fn identified<S: Source, F>(shop: &Workshop<S, F>, stream: &Stream) -> Stream {
    match shop.source.describe(&target_of(stream)).await {
        Ok(described) => stream.with_origin(described.id),
        Err(failure) => {
            if failure.kind.is_denied() {
                info!(error = %chain(&failure), "that the stream is made again while it is read will show by its leases alone");
            }
            stream.clone()
        }
    }
}

enum Sign {
    Certain(Recreated),
    /// It counts when it stays.
    Uncertain(Recreated),
}

fn sign(shards: &[Shard], table: &Listing) -> Option<Sign> {
    let graph = ShardGraph::new(shards.iter().cloned());
    let (key, mark) = foreign_leases(&graph, &rows_of(None, table)).into_iter().next()?;
    let shown_by = Recreated::Lease { key, mark };
    Some(match mark.is_certain() {
        true => Sign::Certain(shown_by),
        false => Sign::Uncertain(shown_by),
    })
}

/// Looks again, and again.
async fn confirm<S: Source, F>(
    shop: &Workshop<S, F>,
    stream: &Stream,
) -> Result<Option<Recreated>, StoreError> {
    let mut last = None;
    for _ in 1..LOOKS {
        sleep(BETWEEN_LOOKS).await;
        // Without an answer the start goes on; it is looked at again while the consumer runs.
        let Ok(shards) = shop.source.list_shards(stream).await else {
            return Ok(None);
        };
        match sign(&shards, &shop.store.list().await?) {
            None => return Ok(None),
            Some(Sign::Certain(shown_by)) => return Ok(Some(shown_by)),
            Some(Sign::Uncertain(shown_by)) => last = Some(shown_by),
        }
    }
    Ok(last)
}

/// Tells of it. Fails where this worker is to end.
fn decide<S, F>(shop: &Workshop<S, F>, shown_by: Recreated) -> Result<(), RunError> {
    let Some(stream) = shop.config.stream().cloned() else {
        return Ok(());
    };
    warn!(stream = %stream, error = %shown_by, "stream was deleted and made again");
    shop.bell.ring(ConsumerEvent::StreamRecreated {
        stream: stream.clone(),
        shown_by: shown_by.clone(),
    });
    match shop.config.recreated {
        OnRecreated::BeginAnew => Ok(()),
        OnRecreated::Stop => Err(RunError::StreamRecreated {
            stream,
            source: Box::new(shown_by),
        }),
    }
}

/// Deletes the former stream's leases and makes those of the new one. What another worker did of it already stays. How many were
/// created.
async fn begin_anew<S: Source, F: RecordProcessorFactory>(
    shop: &Workshop<S, F>,
    stream: &Stream,
    shards: &[Shard],
) -> Result<usize, StoreError> {
    let graph = ShardGraph::new(shards.iter().cloned());
    let table = shop.store.list().await?;
    let former = former_leases(&graph, &rows_of(None, &table));
    for key in &former {
        shop.store.delete(&table_key(None, key)).await?;
    }
    let table = shop.store.list().await?;
    let leases_created = create_missing(shop, stream, shards, &table).await?;
    info!(stream = %stream, leases = leases_created, "stream is begun anew");
    shop.bell.ring(ConsumerEvent::StreamBegunAnew {
        stream: stream.name().clone(),
        leases_deleted: former.len(),
        leases_created,
    });
    Ok(leases_created)
}

/// Ours: the least time between two looks, and after one that failed.
const RETRY: Duration = Duration::from_secs(1);
/// Ours: how often it is looked whether the shards have been left.
const GRAIN: Duration = Duration::from_millis(250);
/// Ours: as often as a stream that seems to be gone is asked about.
const LOOKS: u32 = 3;
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);
