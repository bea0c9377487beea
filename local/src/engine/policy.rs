//! Resource policies: stored and returned, not enforced.

use super::Engine;
use super::api::{PutResourcePolicyRequest, ResourceRequest};
use super::constraint::Constraints;
use super::error::ServiceError;
use super::operation::Operation;
use super::resource::Resource;

impl Engine {
    pub(crate) fn put_resource_policy(
        &mut self,
        request: PutResourcePolicyRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(Operation::PutResourcePolicy, now_ms)?;
        let mut constraints = Constraints::new();
        constraints.required("policy", request.policy.as_ref());
        constraints.finish()?;
        let policy = request.policy.unwrap_or_default();
        if !policy.trim_start().starts_with('{') || policy.len() > MAX_POLICY_BYTES {
            return Err(ServiceError::invalid_argument("Policy must be valid JSON."));
        }
        *self.policy_of(request.resource_arn.as_deref(), now_ms)? = Some(policy);
        Ok(())
    }

    pub(crate) fn get_resource_policy(
        &mut self,
        request: ResourceRequest,
        now_ms: u64,
    ) -> Result<String, ServiceError> {
        let now_ms = self.begin(Operation::GetResourcePolicy, now_ms)?;
        let policy = self.policy_of(request.resource_arn.as_deref(), now_ms)?;
        policy.clone().ok_or_else(none_there)
    }

    pub(crate) fn delete_resource_policy(
        &mut self,
        request: ResourceRequest,
        now_ms: u64,
    ) -> Result<(), ServiceError> {
        let now_ms = self.begin(Operation::DeleteResourcePolicy, now_ms)?;
        let policy = self.policy_of(request.resource_arn.as_deref(), now_ms)?;
        policy.take().map(|_policy| ()).ok_or_else(none_there)
    }

    fn policy_of(&mut self, arn: Option<&str>, now_ms: u64) -> Result<&mut Option<String>, ServiceError> {
        Ok(match self.resource_mut(arn, now_ms)? {
            Resource::Stream(stream) => &mut stream.policy,
            Resource::Consumer(consumer) => &mut consumer.policy,
        })
    }
}

fn none_there() -> ServiceError {
    ServiceError::not_found("No resource policy is attached to the resource.")
}

/// Source: "Resource-based policies", Developer Guide: 20 KB.
const MAX_POLICY_BYTES: usize = 20 << 10;
