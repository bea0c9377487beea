//! The Kinesis half: everything that knows the engine behind it.
//!
//! The engine is `ferrokinesis`. Three of its ways would break a producer or a consumer that is right, so
//! [`front`] answers two operations itself, on the engine's store, and orders reads against writes:
//!
//! - it refuses more than 5 MiB in one PutRecords, where the service takes 10 MiB ([`put_records`]);
//! - it returns any number of bytes from one GetRecords, and never tells how far behind the reader is
//!   ([`get_records`]);
//! - it makes a record's sequence number before the record can be read, so that a reader in between would move past
//!   the record and never see it ([`front`], the gate).

mod front;
mod get_records;
mod put_records;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use ferrokinesis::store::{Store, StoreOptions};

use self::front::Front;
use crate::serve::{Lifetime, MAX_REQUEST_BYTES};

/// A fresh, empty Kinesis as a service for [`serve`](crate::serve). Its background work ends with `lifetime`.
pub(crate) fn service(lifetime: &Lifetime) -> Router {
    let store = Store::new(StoreOptions {
        create_stream_ms: 0,
        delete_stream_ms: 0,
        update_stream_ms: 0,
        shard_limit: SHARD_LIMIT,
        enforce_limits: false,
        ..StoreOptions::default()
    });
    let draining = lifetime.draining();
    let reaper = ferrokinesis::retention::run_reaper(store.clone(), REAP_SECONDS);
    lifetime.spawn(async move {
        tokio::select! {
            () = draining => {}
            () = reaper => {}
        }
    });
    let engine = ferrokinesis::create_router(store.clone()).layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES));
    Router::new()
        .fallback(front::answer)
        .with_state(Front::new(store, engine))
}

/// Open shards over all streams. Source: AWS developer guide, quotas (20,000 in the large regions).
const SHARD_LIMIT: u32 = 20_000;

/// How often records past their stream's retention are dropped.
const REAP_SECONDS: u64 = 60;
