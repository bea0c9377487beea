//! Tags of streams and of consumers.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::Engine;
use super::api::{
    AddTagsRequest, ListTagsRequest, ListTagsResponse, RemoveTagsRequest, ResourceRequest,
    TagResourceRequest, UntagResourceRequest,
};
use super::constraint::Constraints;
use super::error::ServiceError;
use super::operation::Operation;
use super::resource::Resource;

impl Engine {
    pub(crate) fn add_tags_to_stream(
        &mut self,
        request: AddTagsRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(Operation::AddTagsToStream, now_ms)?;
        let tags = required_tags(request.tags)?;
        let stream = self.stream_mut(&request.stream, now_ms)?;
        add(&mut stream.tags, tags)
    }

    pub(crate) fn remove_tags_from_stream(
        &mut self,
        request: RemoveTagsRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(Operation::RemoveTagsFromStream, now_ms)?;
        let keys = required_keys(request.tag_keys)?;
        let stream = self.stream_mut(&request.stream, now_ms)?;
        stream.tags.retain(|key, _| !keys.contains(key));
        Ok(())
    }

    pub(crate) fn list_tags_for_stream(
        &mut self,
        request: ListTagsRequest,
        now_ms: u64,
    ) -> Result<ListTagsResponse, ServiceError> {
        let now_ms = self.begin(Operation::ListTagsForStream, now_ms)?;
        let mut constraints = Constraints::new();
        if let Some(limit) = request.limit {
            constraints.range("limit", limit, 1, 50);
        }
        if let Some(start) = &request.exclusive_start_tag_key {
            constraints.length("exclusiveStartTagKey", start, 1, 128);
        }
        constraints.finish()?;
        let limit = usize::try_from(request.limit.unwrap_or(50)).unwrap_or(1);
        let stream = self.stream_mut(&request.stream, now_ms)?;
        let start = request.exclusive_start_tag_key.as_deref();
        let from = start.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = stream.tags.range::<str, _>((from, Bound::Unbounded));
        let mut tags: Vec<_> = rest
            .take(limit + 1)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let has_more_tags = tags.len() > limit;
        tags.truncate(limit);
        Ok(ListTagsResponse { tags, has_more_tags })
    }

    pub(crate) fn tag_resource(
        &mut self,
        request: TagResourceRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(Operation::TagResource, now_ms)?;
        let tags = required_tags(request.tags)?;
        add(self.tags_of(request.resource_arn.as_deref(), now_ms)?, tags)
    }

    pub(crate) fn untag_resource(
        &mut self,
        request: UntagResourceRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(Operation::UntagResource, now_ms)?;
        let keys = required_keys(request.tag_keys)?;
        self.tags_of(request.resource_arn.as_deref(), now_ms)?
            .retain(|key, _| !keys.contains(key));
        Ok(())
    }

    pub(crate) fn list_tags_for_resource(
        &mut self,
        request: ResourceRequest,
        now_ms: u64,
    ) -> Result<Vec<(String, String)>, ServiceError> {
        let now_ms = self.begin(Operation::ListTagsForResource, now_ms)?;
        let tags = self.tags_of(request.resource_arn.as_deref(), now_ms)?;
        Ok(tags
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn tags_of(
        &mut self,
        arn: Option<&str>,
        now_ms: u64,
    ) -> Result<&mut BTreeMap<String, String>, ServiceError> {
        Ok(match self.resource_mut(arn, now_ms)? {
            Resource::Stream(stream) => &mut stream.tags,
            Resource::Consumer(consumer) => &mut consumer.tags,
        })
    }
}

fn required_tags(tags: Option<BTreeMap<String, String>>) -> Result<BTreeMap<String, String>, ServiceError> {
    let mut constraints = Constraints::new();
    let Some(tags) = tags else {
        constraints.missing("tags");
        return constraints.finish().map(|()| BTreeMap::new());
    };
    if tags.is_empty() {
        constraints.violated("tags", "{}", "Member must have length greater than or equal to 1");
    }
    check(&tags, &mut constraints);
    constraints.finish()?;
    Ok(tags)
}

fn required_keys(keys: Option<Vec<String>>) -> Result<Vec<String>, ServiceError> {
    let mut constraints = Constraints::new();
    let Some(keys) = keys else {
        constraints.missing("tagKeys");
        return constraints.finish().map(|()| Vec::new());
    };
    let count = keys.len();
    if count == 0 || count > 50 {
        let bound = if count == 0 {
            "greater than or equal to 1"
        } else {
            "less than or equal to 50"
        };
        constraints.violated(
            "tagKeys",
            &format!("[{count} keys]"),
            &format!("Member must have length {bound}"),
        );
    }
    for key in keys.iter().take(50) {
        constraints.length("tagKeys", key, 1, 128);
    }
    constraints.finish()?;
    Ok(keys)
}

/// Each key and value against the service's model.
pub(super) fn check(tags: &BTreeMap<String, String>, constraints: &mut Constraints) {
    if tags.len() > 200 {
        let count = format!("{{{} tags}}", tags.len());
        constraints.violated(
            "tags",
            &count,
            "Member must have length less than or equal to 200",
        );
        return;
    }
    for (key, value) in tags {
        constraints.length("tags", key, 1, 128);
        constraints.length("tags", value, 0, 256);
    }
}

fn add(tags: &mut BTreeMap<String, String>, more: BTreeMap<String, String>) -> Result<(), ServiceError> {
    let new = more.keys().filter(|key| !tags.contains_key(*key)).count();
    check_count(tags.len() + new)?;
    tags.extend(more);
    Ok(())
}

/// Source: AWS API reference, AddTagsToStream.
pub(super) fn check_count(count: usize) -> Result<(), ServiceError> {
    if count > 50 {
        return Err(ServiceError::invalid_argument(
            "A resource cannot have more than 50 tags.",
        ));
    }
    Ok(())
}
