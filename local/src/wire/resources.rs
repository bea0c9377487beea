//! Tags, resource policies, and what concerns the account as a whole.

use super::reader::{Malformed, Members, Reader};
use super::writer::Writer;
use crate::engine::api::{
    AccountSettings, AddTagsRequest, DescribeLimitsResponse, ListTagsRequest, ListTagsResponse,
    PutResourcePolicyRequest, RemoveTagsRequest, ResourceRequest, TagResourceRequest, UntagResourceRequest,
    UpdateAccountSettingsRequest,
};

impl Members for AddTagsRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            "Tags" => self.tags = value.string_map()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for RemoveTagsRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            "TagKeys" => self.tag_keys = value.strings()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for ListTagsRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "StreamName" => self.stream.name = value.string()?,
            "StreamARN" => self.stream.arn = value.string()?,
            "ExclusiveStartTagKey" => self.exclusive_start_tag_key = value.string()?,
            "Limit" => self.limit = value.integer()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for TagResourceRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "ResourceARN" => self.resource_arn = value.string()?,
            "Tags" => self.tags = value.string_map()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for UntagResourceRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "ResourceARN" => self.resource_arn = value.string()?,
            "TagKeys" => self.tag_keys = value.strings()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for ResourceRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "ResourceARN" => self.resource_arn = value.string()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for PutResourcePolicyRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "ResourceARN" => self.resource_arn = value.string()?,
            "Policy" => self.policy = value.string()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

impl Members for UpdateAccountSettingsRequest {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            BILLING_COMMITMENT => {
                let commitment = value.structure::<Commitment>()?;
                self.billing_commitment = commitment.and_then(|commitment| commitment.status);
            }
            _ => value.skip()?,
        }
        Ok(())
    }
}

/// `MinimumThroughputBillingCommitment` of a request.
#[derive(Default)]
struct Commitment {
    status: Option<String>,
}

impl Members for Commitment {
    fn member(&mut self, name: &str, value: &mut Reader<'_>) -> Result<(), Malformed> {
        match name {
            "Status" => self.status = value.string()?,
            _ => value.skip()?,
        }
        Ok(())
    }
}

pub(super) fn tag_page(reply: &ListTagsResponse, writer: &mut Writer) {
    tags(&reply.tags, writer);
    writer.flag("HasMoreTags", reply.has_more_tags);
}

/// The member `Tags` of an answer.
pub(super) fn tags(tags: &[(String, String)], writer: &mut Writer) {
    writer.structures("Tags", tags, |writer, (key, value)| {
        writer.text("Key", key);
        writer.text("Value", value);
    });
}

pub(super) fn policy(policy: &str, writer: &mut Writer) {
    writer.text("Policy", policy);
}

pub(super) fn limits(reply: &DescribeLimitsResponse, writer: &mut Writer) {
    writer.number("ShardLimit", reply.shard_limit.into());
    writer.count("OpenShardCount", reply.open_shard_count);
    writer.count("OnDemandStreamCount", reply.on_demand_stream_count);
    writer.number(
        "OnDemandStreamCountLimit",
        reply.on_demand_stream_count_limit.into(),
    );
}

pub(super) fn settings(reply: &AccountSettings, writer: &mut Writer) {
    writer.structure(BILLING_COMMITMENT, |writer| {
        writer.text("Status", reply.billing_commitment);
        writer.optional_time("StartedAt", reply.started_ms);
        writer.optional_time("EndedAt", reply.ended_ms);
        writer.optional_time("EarliestAllowedEndAt", reply.earliest_allowed_end_ms);
    });
}

const BILLING_COMMITMENT: &str = "MinimumThroughputBillingCommitment";
