//! Tags, resource policies, and what concerns the account as a whole.

use std::collections::BTreeMap;

use super::StreamAddress;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AddTagsRequest {
    pub(crate) stream: StreamAddress,
    pub(crate) tags: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RemoveTagsRequest {
    pub(crate) stream: StreamAddress,
    pub(crate) tag_keys: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ListTagsRequest {
    pub(crate) stream: StreamAddress,
    pub(crate) exclusive_start_tag_key: Option<String>,
    pub(crate) limit: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListTagsResponse {
    /// Key and value, in the order of the keys.
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) has_more_tags: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TagResourceRequest {
    pub(crate) resource_arn: Option<String>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UntagResourceRequest {
    pub(crate) resource_arn: Option<String>,
    pub(crate) tag_keys: Option<Vec<String>>,
}

/// A request that names a stream or a consumer by ARN and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ResourceRequest {
    pub(crate) resource_arn: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PutResourcePolicyRequest {
    pub(crate) resource_arn: Option<String>,
    pub(crate) policy: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DescribeLimitsResponse {
    pub(crate) shard_limit: u32,
    pub(crate) open_shard_count: usize,
    pub(crate) on_demand_stream_count: usize,
    pub(crate) on_demand_stream_count_limit: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UpdateAccountSettingsRequest {
    /// `MinimumThroughputBillingCommitment.Status`, as text.
    pub(crate) billing_commitment: Option<String>,
}

/// `MinimumThroughputBillingCommitment` of DescribeAccountSettings and UpdateAccountSettings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccountSettings {
    /// `ENABLED`, `DISABLED` or `ENABLED_UNTIL_EARLIEST_ALLOWED_END`.
    pub(crate) billing_commitment: &'static str,
    pub(crate) started_ms: Option<u64>,
    pub(crate) ended_ms: Option<u64>,
    pub(crate) earliest_allowed_end_ms: Option<u64>,
}
