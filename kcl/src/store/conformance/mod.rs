//! The suite that every [`LeaseStore`] must pass: leases, the fleet's own rows, heartbeats.
//!
//! Behind the feature `conformance`, for stores of your own:
//!
//! ```ignore
//! #[tokio::test]
//! async fn conforms() {
//!     kcl::store::conformance::run(|| async { MyStore::empty().await }).await;
//! }
//! ```

mod fleet;
mod heartbeats;
mod leases;
mod ownership;

use std::collections::BTreeSet;

use kinesis_aggregation::ShardId;

use super::{CheckpointUpdate, LeaseStore, Renewal};
use crate::lease::{Lease, LeaseKey, WorkerId};
use crate::position::{Checkpoint, Position, SequenceNumber};

/// Runs every case, each on a store of its own. `fresh` makes an empty store, which the suite then prepares.
///
/// # Panics
/// When the store breaks a promise of [`LeaseStore`]; the message names it.
pub async fn run<S, F>(fresh: impl Fn() -> F)
where
    S: LeaseStore,
    F: Future<Output = S>,
{
    let store = || async {
        let store = fresh().await;
        store.prepare().await.expect("an empty store can be prepared");
        store.prepare().await.expect("preparing again changes nothing");
        store
    };
    leases::run(&store).await;
    ownership::run(&store).await;
    fleet::run(&store).await;
    heartbeats::run(&store).await;
}

fn lease(shard: u64) -> Lease {
    Lease::new(
        LeaseKey::of_shard(&ShardId::from_number(shard)),
        Checkpoint::TrimHorizon,
    )
}

async fn created(store: &dyn LeaseStore, lease: Lease) -> Lease {
    assert!(ok(store.create(&lease).await), "{} is new", lease.key);
    lease
}

async fn taken(store: &dyn LeaseStore, observed: &Lease, by: &WorkerId) -> Lease {
    ok(store.take(observed, by).await).expect("the lease is as observed")
}

async fn row(store: &dyn LeaseStore, key: &LeaseKey) -> Lease {
    ok(store.get(key).await).expect("the lease is there")
}

fn held(renewal: Renewal) -> Lease {
    match renewal {
        Renewal::Held(lease) | Renewal::Recovered(lease) => lease,
        other => panic!("still held, but the store says {other:?}"),
    }
}

fn ok<T, E: std::fmt::Debug>(answer: Result<T, E>) -> T {
    answer.expect("the store answers")
}

fn to(checkpoint: Checkpoint) -> CheckpointUpdate {
    CheckpointUpdate {
        checkpoint,
        pending: None,
    }
}

fn at(sequence_number: &str, sub_sequence_number: u64) -> Checkpoint {
    let number = SequenceNumber::parse(sequence_number).expect("invariant: a decimal literal");
    Checkpoint::At(Position::new(number, sub_sequence_number))
}

fn ids(numbers: &[u64]) -> BTreeSet<ShardId> {
    numbers
        .iter()
        .map(|number| ShardId::from_number(*number))
        .collect()
}

fn alice() -> WorkerId {
    WorkerId::new("alice")
}

fn bob() -> WorkerId {
    WorkerId::new("bob")
}

fn carol() -> WorkerId {
    WorkerId::new("carol")
}
