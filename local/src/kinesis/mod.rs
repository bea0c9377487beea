//! The Kinesis half: everything that knows the engine behind it.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use ferrokinesis::store::{Store, StoreOptions};

use crate::serve::MAX_REQUEST_BYTES;

/// Open shards over all streams. The service gives an account 1,000 to 20,000 by region; a test wants no limit here.
const SHARD_LIMIT: u32 = 20_000;

/// A fresh, empty Kinesis as a service for [`serve`](crate::serve).
pub(crate) fn service() -> Router {
    let store = Store::new(StoreOptions {
        create_stream_ms: 0,
        delete_stream_ms: 0,
        update_stream_ms: 0,
        shard_limit: SHARD_LIMIT,
        enforce_limits: false,
        ..StoreOptions::default()
    });
    ferrokinesis::create_router(store).layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
}
