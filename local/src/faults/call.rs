//! What a rule is matched against.

use super::action::FaultService;

/// Who calls: what a request tells about its sender without being asked to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The access key id of the signature.
    access_key: Option<String>,
    /// The application's name in the user agent.
    application: Option<String>,
}

impl Caller {
    /// From the headers `authorization` and `user-agent` (or `x-amz-user-agent`).
    pub(crate) fn from_headers(authorization: Option<&str>, user_agents: [Option<&str>; 2]) -> Self {
        Self {
            access_key: authorization.and_then(access_key).map(str::to_owned),
            application: user_agents
                .into_iter()
                .flatten()
                .find_map(application)
                .map(str::to_owned),
        }
    }

    /// Whether a rule for this client means this caller.
    pub(crate) fn is(&self, client: &str) -> bool {
        self.access_key.as_deref() == Some(client) || self.application.as_deref() == Some(client)
    }

    /// One word for records of what happened.
    pub(crate) fn name(&self) -> &str {
        self.application
            .as_deref()
            .or(self.access_key.as_deref())
            .unwrap_or("-")
    }
}

/// `AWS4-HMAC-SHA256 Credential=KEY/20260101/region/service/aws4_request, ...`. A key may hold slashes, so it ends
/// at the fourth from the right.
fn access_key(authorization: &str) -> Option<&str> {
    let (_, rest) = authorization.split_once("Credential=")?;
    let scope = rest.split(',').next()?.trim();
    scope.rsplitn(5, '/').nth(4).filter(|key| !key.is_empty())
}

/// `... app/NAME ...`, as the SDKs write the application's name.
fn application(user_agent: &str) -> Option<&str> {
    user_agent
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix("app/"))
        .filter(|name| !name.is_empty())
}

/// One call, or one event of a subscription, as rules see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) service: FaultService,
    pub(crate) operation: &'a str,
    /// The stream's or table's name.
    pub(crate) resource: Option<&'a str>,
    pub(crate) shard: Option<&'a str>,
    pub(crate) caller: &'a Caller,
    /// Whether it is a write under a condition.
    pub(crate) is_conditional: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_known_by_its_key_and_its_application() {
        let signature = "AWS4-HMAC-SHA256 Credential=worker/1/20260101/us-east-1/kinesis/aws4_request, \
                         SignedHeaders=host, Signature=00";
        let agent = "aws-sdk-rust/1.3 os/linux app/biller";
        let both = Caller::from_headers(Some(signature), [None, Some(agent)]);
        assert!(both.is("worker/1") && both.is("biller") && !both.is("worker") && !both.is("-"));
        assert_eq!(both.name(), "biller");
        let key_only = Caller::from_headers(Some(signature), [Some("aws-sdk-rust/1.3 app/"), None]);
        assert_eq!(key_only.name(), "worker/1");
    }

    #[test]
    fn what_is_no_signature_names_nobody() {
        for authorization in [
            "",
            "Basic abc",
            "Credential=",
            "Credential=a/b/c",
            "Credential=/d/r/s/aws4_request",
        ] {
            let caller = Caller::from_headers(Some(authorization), [None, None]);
            assert_eq!(caller, Caller::default(), "{authorization:?}");
            assert_eq!(caller.name(), "-");
        }
    }
}
