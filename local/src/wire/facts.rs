//! What a request is about, for scripts that let some requests fail and not others.

use super::Request;
use crate::engine::api::{ConsumerAddress, StreamAddress};

/// The stream and the shard that a request names. Not checked against anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Facts<'r> {
    /// The name, be it given as such or in an ARN.
    pub(crate) stream: Option<&'r str>,
    /// The shard that is read, listed from or changed.
    pub(crate) shard: Option<&'r str>,
    /// GetRecords names both by an iterator, which the engine can open.
    pub(crate) iterator: Option<&'r str>,
}

/// What a request is about.
pub(crate) fn facts(request: &Request) -> Facts<'_> {
    let of = |address| Facts::of_stream(address);
    match request {
        Request::PutRecord(request) => of(&request.stream),
        Request::PutRecords(request) => of(&request.stream),
        Request::GetRecords(request) => Facts {
            iterator: request.shard_iterator.as_deref(),
            ..of(&request.stream)
        },
        Request::GetShardIterator(request) => of(&request.stream).shard(&request.shard_id),
        Request::SubscribeToShard(request) => Facts::of_arn(&request.consumer_arn).shard(&request.shard_id),
        Request::ListShards(request) => of(&request.stream),
        Request::SplitShard(request) => of(&request.stream).shard(&request.shard_to_split),
        Request::MergeShards(request) => of(&request.stream).shard(&request.shard_to_merge),
        Request::UpdateShardCount(request) => of(&request.stream),
        Request::CreateStream(request) => Facts {
            stream: request.stream_name.as_deref(),
            ..Facts::default()
        },
        Request::DeleteStream(request) => of(&request.stream),
        Request::DescribeStream(request) => of(&request.stream),
        Request::DescribeStreamSummary(request) => of(&request.stream),
        Request::UpdateStreamMode(request) => of(&request.stream),
        Request::UpdateMaxRecordSize(request) => of(&request.stream),
        Request::UpdateStreamRecordDistributionStrategy(request) => of(&request.stream),
        Request::UpdateStreamWarmThroughput(request) => of(&request.stream),
        Request::IncreaseStreamRetentionPeriod(request) | Request::DecreaseStreamRetentionPeriod(request) => {
            of(&request.stream)
        }
        Request::RegisterStreamConsumer(request) => Facts::of_arn(&request.stream_arn),
        Request::DescribeStreamConsumer(request) | Request::DeregisterStreamConsumer(request) => {
            Facts::of_consumer(request)
        }
        Request::ListStreamConsumers(request) => of(&request.stream),
        Request::StartStreamEncryption(request) | Request::StopStreamEncryption(request) => {
            of(&request.stream)
        }
        Request::EnableEnhancedMonitoring(request) | Request::DisableEnhancedMonitoring(request) => {
            of(&request.stream)
        }
        Request::AddTagsToStream(request) => of(&request.stream),
        Request::RemoveTagsFromStream(request) => of(&request.stream),
        Request::ListTagsForStream(request) => of(&request.stream),
        Request::TagResource(request) => Facts::of_arn(&request.resource_arn),
        Request::UntagResource(request) => Facts::of_arn(&request.resource_arn),
        Request::ListTagsForResource(request)
        | Request::GetResourcePolicy(request)
        | Request::DeleteResourcePolicy(request) => Facts::of_arn(&request.resource_arn),
        Request::PutResourcePolicy(request) => Facts::of_arn(&request.resource_arn),
        Request::ListStreams(_)
        | Request::DescribeLimits(_)
        | Request::DescribeAccountSettings(_)
        | Request::UpdateAccountSettings(_) => Facts::default(),
    }
}

impl<'r> Facts<'r> {
    fn of_stream(address: &'r StreamAddress) -> Self {
        match &address.name {
            Some(name) => Self {
                stream: Some(name),
                ..Self::default()
            },
            None => Self::of_arn(&address.arn),
        }
    }

    fn of_consumer(address: &'r ConsumerAddress) -> Self {
        match &address.consumer_arn {
            Some(_) => Self::of_arn(&address.consumer_arn),
            None => Self::of_arn(&address.stream_arn),
        }
    }

    fn of_arn(arn: &'r Option<String>) -> Self {
        Self {
            stream: arn.as_deref().and_then(stream_in_arn),
            ..Self::default()
        }
    }

    fn shard(self, shard: &'r Option<String>) -> Self {
        Self {
            shard: shard.as_deref(),
            ..self
        }
    }
}

/// The stream's name in the ARN of a stream, or of a consumer of it.
fn stream_in_arn(arn: &str) -> Option<&str> {
    let (_, resource) = arn.split_once(":stream/")?;
    resource.split(['/', ':']).next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::tests::request_of;
    use super::*;
    use crate::engine::Operation;

    #[test]
    fn requests_name_their_stream_and_shard() {
        let shard = Some("shardId-000000000001");
        for operation in Operation::ALL {
            let request = request_of(operation);
            let facts = facts(&request);
            let (stream, shard, iterator) = match operation {
                Operation::GetShardIterator
                | Operation::SubscribeToShard
                | Operation::SplitShard
                | Operation::MergeShards => (Some("orders"), shard, None),
                Operation::GetRecords => (Some("orders"), None, Some("0123abcd")),
                Operation::ListStreams
                | Operation::DescribeLimits
                | Operation::DescribeAccountSettings
                | Operation::UpdateAccountSettings => (None, None, None),
                _ => (Some("orders"), None, None),
            };
            let expected = Facts {
                stream,
                shard,
                iterator,
            };
            assert_eq!(facts, expected, "{operation:?}");
        }
    }

    #[test]
    fn a_stream_is_found_in_its_own_arns_only() {
        for (arn, stream) in [
            (
                "arn:aws:kinesis:us-east-1:000000000000:stream/a.b-c_1",
                Some("a.b-c_1"),
            ),
            (
                "arn:aws-cn:kinesis:cn-north-1:1:stream/a/consumer/c:1700000000",
                Some("a"),
            ),
            ("arn:aws:kinesis:us-east-1:1:stream/a:channel/x", Some("a")),
            ("arn:aws:kinesis:us-east-1:1:stream/", None),
            ("arn:aws:dynamodb:us-east-1:1:table/a", None),
            ("", None),
        ] {
            assert_eq!(stream_in_arn(arn), stream, "{arn}");
        }
    }
}
