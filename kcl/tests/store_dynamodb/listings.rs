//! Whole tables: every page, foreign rows passed over, broken ones reported.

use std::collections::BTreeSet;
use std::num::NonZeroU8;

use kcl::lease::LeaseKey;
use kcl::store::dynamodb::ScanConsistency;
use kcl::store::{FleetStore, LeaseStore};
use kcl::{ShardId, StoreError};

use crate::world::{World, item, java_row, n, s};

#[tokio::test]
async fn foreign_rows_are_passed_over_and_broken_ones_reported() {
    let world = World::start().await;
    world.put(java_row()).await;
    let foreign = [
        item([
            ("leaseKey", s("Leader")),
            ("entityType", s("LEADER")),
            ("ownerName", s("java-1")),
            ("leaseDuration", s("120000")),
            ("recordVersionNumber", s("r1")),
        ]),
        item([
            ("leaseKey", s("Migration3.0")),
            ("entityType", s("CLIENT_VERSION_MIGRATION")),
            ("cv", s("CLIENT_VERSION_3X")),
        ]),
        item([
            ("leaseKey", s("w1")),
            ("entityType", s("WORKER_METRIC_STATS")),
            ("lut", n("1700000000")),
        ]),
        item([("leaseKey", s("news")), ("entityType", s("NEWS"))]),
    ];
    for row in foreign {
        world.put(row).await;
    }
    world
        .put(item([
            ("leaseKey", s("broken")),
            ("checkpoint", s("soon")),
            ("leaseCounter", n("1")),
        ]))
        .await;
    world.put(item([("leaseKey", s("bare"))])).await;

    for scan in [ScanConsistency::Strong, ScanConsistency::Eventual] {
        let listing = world
            .store
            .clone()
            .with_scan_consistency(scan)
            .list()
            .await
            .unwrap();
        assert_eq!(listing.leases.len(), 1);
        let mut skipped: Vec<_> = listing
            .skipped
            .iter()
            .map(|row| (row.key.as_ref().map(LeaseKey::as_str), row.attribute))
            .collect();
        skipped.sort_unstable();
        assert_eq!(
            skipped,
            [(Some("bare"), "checkpoint"), (Some("broken"), "checkpoint")]
        );
    }
    let beside = world.store.scan().await.unwrap().beside;
    assert_eq!((beside.workers.len(), beside.unknown), (1, 1));
    assert!(beside.leader.is_some() && beside.client_version.is_some());
    let error = world.store.get(&LeaseKey::new("broken")).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Row { key, attribute: "checkpoint", .. } if key.as_str() == "broken")
    );
    assert!(!error.is_retryable());
    assert_eq!(world.store.get(&LeaseKey::new("Leader")).await.unwrap(), None);
}

#[tokio::test]
async fn listings_go_over_all_pages() {
    let world = World::start().await;
    // Rows of about 100 kB: a page of a scan ends at 1 MB.
    for number in 0..25 {
        let key = ShardId::from_number(number);
        let mut row = java_row();
        row.insert("leaseKey".to_owned(), s(key.as_str()));
        row.insert("padding".to_owned(), s(&"x".repeat(100_000)));
        world.put(row).await;
    }
    let parts = NonZeroU8::new(4).unwrap();
    let store = world.store.clone().with_scan_segments(parts);
    assert_eq!(store.list().await.unwrap().leases.len(), 25, "in parts");
    let listing = world.store.list().await.unwrap();
    let keys: BTreeSet<_> = listing.leases.iter().map(|lease| lease.key.clone()).collect();
    assert_eq!((keys.len(), listing.leases.len()), (25, 25));
}
