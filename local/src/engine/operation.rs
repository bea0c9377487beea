//! The operations by their names on the wire, and how often each may be called.

/// An operation of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Operation {
    AddTagsToStream,
    CreateStream,
    DecreaseStreamRetentionPeriod,
    DeleteResourcePolicy,
    DeleteStream,
    DeregisterStreamConsumer,
    DescribeAccountSettings,
    DescribeLimits,
    DescribeStream,
    DescribeStreamConsumer,
    DescribeStreamSummary,
    DisableEnhancedMonitoring,
    EnableEnhancedMonitoring,
    GetRecords,
    GetResourcePolicy,
    GetShardIterator,
    IncreaseStreamRetentionPeriod,
    ListShards,
    ListStreamConsumers,
    ListStreams,
    ListTagsForResource,
    ListTagsForStream,
    MergeShards,
    PutRecord,
    PutRecords,
    PutResourcePolicy,
    RegisterStreamConsumer,
    RemoveTagsFromStream,
    SplitShard,
    StartStreamEncryption,
    StopStreamEncryption,
    SubscribeToShard,
    TagResource,
    UntagResource,
    UpdateAccountSettings,
    UpdateMaxRecordSize,
    UpdateShardCount,
    UpdateStreamMode,
    UpdateStreamRecordDistributionStrategy,
    UpdateStreamWarmThroughput,
}

impl Operation {
    /// All of them.
    pub(crate) const ALL: [Self; 40] = [
        Self::AddTagsToStream,
        Self::CreateStream,
        Self::DecreaseStreamRetentionPeriod,
        Self::DeleteResourcePolicy,
        Self::DeleteStream,
        Self::DeregisterStreamConsumer,
        Self::DescribeAccountSettings,
        Self::DescribeLimits,
        Self::DescribeStream,
        Self::DescribeStreamConsumer,
        Self::DescribeStreamSummary,
        Self::DisableEnhancedMonitoring,
        Self::EnableEnhancedMonitoring,
        Self::GetRecords,
        Self::GetResourcePolicy,
        Self::GetShardIterator,
        Self::IncreaseStreamRetentionPeriod,
        Self::ListShards,
        Self::ListStreamConsumers,
        Self::ListStreams,
        Self::ListTagsForResource,
        Self::ListTagsForStream,
        Self::MergeShards,
        Self::PutRecord,
        Self::PutRecords,
        Self::PutResourcePolicy,
        Self::RegisterStreamConsumer,
        Self::RemoveTagsFromStream,
        Self::SplitShard,
        Self::StartStreamEncryption,
        Self::StopStreamEncryption,
        Self::SubscribeToShard,
        Self::TagResource,
        Self::UntagResource,
        Self::UpdateAccountSettings,
        Self::UpdateMaxRecordSize,
        Self::UpdateShardCount,
        Self::UpdateStreamMode,
        Self::UpdateStreamRecordDistributionStrategy,
        Self::UpdateStreamWarmThroughput,
    ];

    /// The name, as after the dot in `X-Amz-Target`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AddTagsToStream => "AddTagsToStream",
            Self::CreateStream => "CreateStream",
            Self::DecreaseStreamRetentionPeriod => "DecreaseStreamRetentionPeriod",
            Self::DeleteResourcePolicy => "DeleteResourcePolicy",
            Self::DeleteStream => "DeleteStream",
            Self::DeregisterStreamConsumer => "DeregisterStreamConsumer",
            Self::DescribeAccountSettings => "DescribeAccountSettings",
            Self::DescribeLimits => "DescribeLimits",
            Self::DescribeStream => "DescribeStream",
            Self::DescribeStreamConsumer => "DescribeStreamConsumer",
            Self::DescribeStreamSummary => "DescribeStreamSummary",
            Self::DisableEnhancedMonitoring => "DisableEnhancedMonitoring",
            Self::EnableEnhancedMonitoring => "EnableEnhancedMonitoring",
            Self::GetRecords => "GetRecords",
            Self::GetResourcePolicy => "GetResourcePolicy",
            Self::GetShardIterator => "GetShardIterator",
            Self::IncreaseStreamRetentionPeriod => "IncreaseStreamRetentionPeriod",
            Self::ListShards => "ListShards",
            Self::ListStreamConsumers => "ListStreamConsumers",
            Self::ListStreams => "ListStreams",
            Self::ListTagsForResource => "ListTagsForResource",
            Self::ListTagsForStream => "ListTagsForStream",
            Self::MergeShards => "MergeShards",
            Self::PutRecord => "PutRecord",
            Self::PutRecords => "PutRecords",
            Self::PutResourcePolicy => "PutResourcePolicy",
            Self::RegisterStreamConsumer => "RegisterStreamConsumer",
            Self::RemoveTagsFromStream => "RemoveTagsFromStream",
            Self::SplitShard => "SplitShard",
            Self::StartStreamEncryption => "StartStreamEncryption",
            Self::StopStreamEncryption => "StopStreamEncryption",
            Self::SubscribeToShard => "SubscribeToShard",
            Self::TagResource => "TagResource",
            Self::UntagResource => "UntagResource",
            Self::UpdateAccountSettings => "UpdateAccountSettings",
            Self::UpdateMaxRecordSize => "UpdateMaxRecordSize",
            Self::UpdateShardCount => "UpdateShardCount",
            Self::UpdateStreamMode => "UpdateStreamMode",
            Self::UpdateStreamRecordDistributionStrategy => "UpdateStreamRecordDistributionStrategy",
            Self::UpdateStreamWarmThroughput => "UpdateStreamWarmThroughput",
        }
    }

    /// The operation of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.as_str() == name)
    }

    /// Calls per second, and of what. `None` for the data operations, which shards limit.
    ///
    /// Source: AWS API reference, each operation; "Quotas and limits", Developer Guide. Where neither gives a
    /// number, that of the operation's siblings.
    pub(crate) const fn rate(self) -> Option<Rate> {
        match self {
            Self::GetRecords
            | Self::GetShardIterator
            | Self::PutRecord
            | Self::PutRecords
            | Self::SubscribeToShard => None,
            Self::DescribeLimits => Some(Rate::account(1)),
            Self::DescribeStream | Self::UpdateShardCount => Some(Rate::account(10)),
            Self::DescribeStreamSummary => Some(Rate::account(20)),
            Self::ListShards => Some(Rate::stream(1_000)),
            Self::DescribeStreamConsumer => Some(Rate::stream(20)),
            Self::DeregisterStreamConsumer | Self::ListStreamConsumers => Some(Rate::stream(5)),
            _ => Some(Rate::account(5)),
        }
    }
}

/// How often an operation may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) per_second: usize,
    /// Each stream has the rate for itself; else the account has it.
    pub(crate) of_stream: bool,
}

impl Rate {
    const fn account(per_second: usize) -> Self {
        Self {
            per_second,
            of_stream: false,
        }
    }

    const fn stream(per_second: usize) -> Self {
        Self {
            per_second,
            of_stream: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_is_found_by_its_name() {
        let names: BTreeSet<_> = Operation::ALL
            .iter()
            .map(|operation| operation.as_str())
            .collect();
        assert_eq!(names.len(), Operation::ALL.len());
        for operation in Operation::ALL {
            assert_eq!(Operation::from_name(operation.as_str()), Some(operation));
            assert_eq!(format!("{operation:?}"), operation.as_str());
        }
        assert_eq!(Operation::from_name("putRecord"), None);
    }
}
