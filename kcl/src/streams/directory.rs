//! The streams that are read at one moment, found by the keys of their leases.

use std::collections::BTreeMap;

use crate::lease::{LeaseKey, StreamId};
use crate::stream::Stream;

/// The streams that are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Directory {
    /// The only stream of its application; keys of leases name none.
    One(Stream),
    /// Those of an application of several, which may be none.
    Several(BTreeMap<StreamId, Stream>),
}

impl Directory {
    /// The stream that a lease is for, if it is read.
    pub(crate) fn of_key(&self, key: &LeaseKey) -> Option<&Stream> {
        key.shard()?;
        match (self, key.stream()) {
            (Self::One(stream), None) => Some(stream),
            (Self::Several(streams), Some(id)) => streams.get(&id),
            _ => None,
        }
    }

    /// Whether a stream is read.
    pub(crate) fn has(&self, stream: &Stream) -> bool {
        match (self, stream.id()) {
            (Self::One(one), None) => one == stream,
            (Self::Several(streams), Some(id)) => streams.contains_key(id),
            _ => false,
        }
    }

    /// All of them.
    pub(crate) fn streams(&self) -> Vec<Stream> {
        match self {
            Self::One(stream) => vec![stream.clone()],
            Self::Several(streams) => streams.values().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use kinesis_aggregation::ShardId;

    use super::*;
    use crate::config::InitialPosition;
    use crate::stream::StreamName;
    use crate::streams::arn::StreamArn;

    #[test]
    fn keys_find_their_stream_and_no_other() {
        let name = StreamName::new("orders").unwrap();
        let id = StreamId::new("123456789012", &name, 17).unwrap();
        let arn = StreamArn::new("aws", "eu-west-1", "123456789012", &name).unwrap();
        let one = Directory::One(Stream::only(name, InitialPosition::Latest));
        let several = Directory::Several(BTreeMap::from([(
            id.clone(),
            Stream::one_of_several(id.clone(), arn, InitialPosition::TrimHorizon),
        )]));
        let bare = LeaseKey::of_shard(&ShardId::from_number(3));
        let named = LeaseKey::of_stream_shard(&id, &ShardId::from_number(3));
        let earlier = LeaseKey::new("123456789012:orders:16:shardId-000000000003");
        let cases = [
            (&one, &bare, true),
            (&one, &named, false),
            (&several, &named, true),
            (&several, &bare, false),
            (&several, &earlier, false),
            (&several, &LeaseKey::new("nonsense!"), false),
        ];
        for (directory, key, found) in cases {
            assert_eq!(directory.of_key(key).is_some(), found, "{key}");
            if let Some(stream) = directory.of_key(key) {
                assert_eq!(&stream.lease_key(&ShardId::from_number(3)), key);
            }
        }
    }
}
