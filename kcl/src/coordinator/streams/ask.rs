//! What the service says of one stream.

use std::sync::Arc;

use crate::lease::StreamId;
use crate::process::hands::Workshop;
use crate::shard_sync::Shard;
use crate::shard_sync::coverage::is_covered;
use crate::shard_sync::view::rows_of;
use crate::source::Source;
use crate::source::failure::Failure;
use crate::store::Listing;
use crate::stream::Stream;
use crate::streams::listed::StreamTarget;
use crate::streams::roster::Described;

/// What was found out about one stream.
pub(super) type Answer = (StreamTarget, Result<(Described, Option<Vec<Shard>>), Failure>);

/// Finds out what a stream is, and which shards it has if some may lack a lease.
pub(super) async fn ask_about<S: Source, F>(
    shop: Arc<Workshop<S, F>>,
    target: StreamTarget,
    table: Arc<Listing>,
    synced: Option<StreamId>,
) -> Answer {
    let found = async {
        let described = shop.source.describe(&target).await?;
        if synced.as_ref() == Some(&described.id) || is_covered(&rows_of(Some(&described.id), &table)) {
            return Ok((described, None));
        }
        let position = shop.config.initial_position();
        let stream = Stream::one_of_several(described.id.clone(), described.arn.clone(), position);
        let shards = shop.source.list_shards(&stream).await?;
        Ok((described, Some(shards)))
    };
    let found = found.await;
    (target, found)
}
