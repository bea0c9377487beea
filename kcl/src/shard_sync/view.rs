//! One stream's part of a table that holds several.
//!
//! Plans think in shards of one stream, whose leases have bare shard ids as keys. Here the rows of a stream are picked
//! out and renamed so, and the plan's leases are named for the table again.

use crate::lease::{Lease, LeaseKey, StreamId};
use crate::store::{Listing, SkippedRow};

/// The rows of one stream, each under the bare id of its shard. `None` in a single-stream application: the rows whose keys
/// name no stream.
#[must_use]
pub fn rows_of(stream: Option<&StreamId>, listing: &Listing) -> Listing {
    let stream = stream.map(ToString::to_string);
    let stream = stream.as_deref();
    let bare = |key: &LeaseKey| strip(stream, key.as_str()).map(LeaseKey::new);
    Listing {
        leases: listing
            .leases
            .iter()
            .filter_map(|lease| {
                Some(Lease {
                    key: bare(&lease.key)?,
                    ..lease.clone()
                })
            })
            .collect(),
        skipped: listing
            .skipped
            .iter()
            .filter_map(|row| {
                Some(SkippedRow {
                    key: Some(bare(row.key.as_ref()?)?),
                    ..row.clone()
                })
            })
            .collect(),
    }
}

/// The key in the table of a lease that a plan named by its shard.
#[must_use]
pub fn table_key(stream: Option<&StreamId>, planned: &LeaseKey) -> LeaseKey {
    match stream {
        Some(stream) => LeaseKey::new(&format!("{stream}:{planned}")),
        None => planned.clone(),
    }
}

/// A lease that a plan wants, as it goes into the table.
#[must_use]
pub fn table_lease(stream: Option<&StreamId>, planned: Lease) -> Lease {
    Lease {
        key: table_key(stream, &planned.key),
        stream: stream.cloned(),
        ..planned
    }
}

fn strip<'a>(stream: Option<&str>, key: &'a str) -> Option<&'a str> {
    let (before, shard) = match key.rsplit_once(':') {
        Some((before, shard)) => (Some(before), shard),
        None => (None, key),
    };
    (before == stream).then_some(shard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Checkpoint;

    fn id(text: &str) -> StreamId {
        StreamId::parse(text).unwrap()
    }

    #[test]
    fn streams_do_not_see_each_other() {
        let keys = [
            "shardId-000000000000",
            "1:a:17:shardId-000000000000",
            "1:a:18:shardId-000000000000",
        ];
        let lease = |key: &&str| Lease::new(LeaseKey::new(key), Checkpoint::TrimHorizon);
        let odd = |key: Option<&str>| SkippedRow {
            key: key.map(LeaseKey::new),
            attribute: "checkpoint",
            reason: "odd".to_owned(),
        };
        let table = Listing {
            leases: keys.iter().map(lease).collect(),
            skipped: vec![
                odd(Some("1:a:17:shardId-000000000001")),
                odd(None),
                odd(Some("1:b:17:x")),
            ],
        };
        for stream in [None, Some(id("1:a:17")), Some(id("1:a:18"))] {
            let stream = stream.as_ref();
            let rows = rows_of(stream, &table);
            assert_eq!(rows.leases.len(), 1, "{stream:?}");
            assert_eq!(rows.leases[0].key.as_str(), "shardId-000000000000");
            let back = table_lease(stream, rows.leases[0].clone());
            assert!(keys.contains(&back.key.as_str()));
            assert_eq!(
                (back.key.stream().as_ref(), back.stream.as_ref()),
                (stream, stream)
            );
        }
        assert_eq!(rows_of(Some(&id("1:a:17")), &table).skipped.len(), 1);
        assert!(
            rows_of(Some(&id("1:a:1")), &table).leases.is_empty(),
            "a beginning is not enough"
        );
    }
}
