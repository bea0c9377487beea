//! The start: is there a stream, is there a table, do they agree? Bounded, so that a mistake is told and not waited out.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use rand::Rng as _;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::membership::{self, JoinError};
use super::recreated::{SyncError, identified, sync_at_start};
use crate::error::{RunError, StoreError};
use crate::events::ConsumerEvent;
use crate::fleet::Fleet;
use crate::process::hands::Workshop;
use crate::process::keeper::chain;
use crate::processor::RecordProcessorFactory;
use crate::shard_sync::Shard;
use crate::source::Source;
use crate::source::failure::{Failure, Kind};
use crate::stream::Stream;
use crate::streams::directory::Directory;

/// Makes sure that there are leases to take; what the fleet is that takes them.
pub(super) async fn start<S: Source, F: RecordProcessorFactory>(
    shop: &Workshop<S, F>,
) -> Result<Fleet, RunError> {
    // Neither needs the other, and a stream that is missing is told first.
    let only = shop.config.only_stream();
    let listed = async {
        match &only {
            Some(stream) => {
                let (identified, shards) = tokio::join!(identified(shop, stream), shards(shop, stream));
                Some((identified, shards))
            }
            // Of several streams, one that is missing is no reason to keep from the others.
            None => None,
        }
    };
    let (listed, prepared) = tokio::join!(listed, prepare_table(shop));
    let listed = listed.map(|(stream, shards)| shards.map(|shards| (stream, shards)));
    let listed = listed.transpose()?;
    prepared?;
    let fleet = join_fleet(shop).await?;
    let leases_created = match listed {
        Some((stream, shards)) => {
            let created = sync_leases(shop, &stream, &shards).await?;
            shop.streams.send_replace(Directory::One(stream));
            created
        }
        None => 0,
    };
    if leases_created > 0 {
        info!(leases = leases_created, "leases created for shards without one");
    }
    shop.bell.ring(ConsumerEvent::Started { leases_created });
    Ok(fleet)
}

async fn join_fleet<S: Source, F: RecordProcessorFactory>(shop: &Workshop<S, F>) -> Result<Fleet, RunError> {
    let patience = shop.config.coordination.start_timeout;
    let jitter = shop.config.rng("start/join").random();
    let joined = until(patience, jitter, || membership::join(shop), JoinError::may_pass);
    match joined.await {
        Ok((fleet, _)) => Ok(fleet),
        Err(JoinError::Store(source)) => Err(unusable(shop, source)),
        Err(JoinError::Fatal(error)) => Err(error),
    }
}

async fn shards<S: Source, F>(shop: &Workshop<S, F>, stream: &Stream) -> Result<Vec<Shard>, RunError> {
    let patience = shop.config.coordination.start_timeout;
    let listed = until(
        patience,
        shop.config.rng("start/list").random(),
        || shop.source.list_shards(stream),
        |failure| failure.kind.is_transient(),
    )
    .await;
    let stream = stream.name().clone();
    match listed {
        Ok(shards) if shards.is_empty() => Err(RunError::Shards {
            stream,
            reason: "none is listed".to_owned(),
        }),
        Ok(shards) => Ok(shards),
        Err(Failure {
            operation,
            kind,
            code,
            source,
        }) => Err(match kind {
            Kind::NotFound => RunError::StreamMissing { stream, source },
            Kind::Credentials => RunError::NoCredentials { operation, source },
            Kind::AccessDenied => RunError::AccessDenied {
                operation,
                stream,
                source,
            },
            kind if kind.is_transient() => RunError::Unreachable {
                operation,
                stream,
                waited: patience,
                source,
            },
            _ => RunError::Refused {
                operation,
                stream,
                code,
                source,
            },
        }),
    }
}

async fn prepare_table<S: Source, F>(shop: &Workshop<S, F>) -> Result<(), RunError> {
    let patience = shop.config.coordination.start_timeout;
    let jitter = shop.config.rng("start/prepare").random();
    let prepared = until(
        patience,
        jitter,
        || shop.store.prepare(),
        StoreError::is_retryable,
    );
    prepared.await.map_err(|source| unusable(shop, source))
}

async fn sync_leases<S: Source, F: RecordProcessorFactory>(
    shop: &Workshop<S, F>,
    stream: &Stream,
    shards: &[Shard],
) -> Result<usize, RunError> {
    let patience = shop.config.coordination.start_timeout;
    let jitter = shop.config.rng("start/sync").random();
    let synced = until(
        patience,
        jitter,
        || sync_at_start(shop, stream, shards),
        |error| matches!(error, SyncError::Store(source) if source.is_retryable()),
    );
    synced.await.map_err(|error| match error {
        SyncError::Store(source) => unusable(shop, source),
        SyncError::Recreated(error) => *error,
    })
}

fn unusable<S: Source, F>(shop: &Workshop<S, F>, source: StoreError) -> RunError {
    let table = shop.config.lease_table_name().to_owned();
    RunError::LeaseTable { table, source }
}

/// Repeats what failed for a while, as long as waiting may help.
async fn until<T, E, Fut>(
    patience: Duration,
    jitter: u64,
    mut call: impl FnMut() -> Fut,
    may_help: impl Fn(&E) -> bool,
) -> Result<T, E>
where
    E: std::error::Error + 'static,
    Fut: Future<Output = Result<T, E>>,
{
    let deadline = Instant::now() + patience;
    let mut pauses = ExponentialBuilder::new()
        .with_min_delay(MIN_PAUSE)
        .with_max_delay(MAX_PAUSE)
        .with_jitter()
        .with_jitter_seed(jitter)
        .without_max_times()
        .build();
    loop {
        match call().await {
            Err(error) if may_help(&error) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(error);
                }
                warn!(error = %chain(&error), "start has to wait");
                sleep(pauses.next().unwrap_or(MAX_PAUSE).min(left)).await;
            }
            answer => return answer,
        }
    }
}

/// Ours: an endpoint that is just coming up is there within a second.
const MIN_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(2);
