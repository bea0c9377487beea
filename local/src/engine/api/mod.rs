//! What the engine is asked and what it answers: plain values, before any wire format.
//!
//! A request holds what a client sent, not yet checked: members that the service requires are optional here,
//! and enumerations are text. The engine checks them and words the refusal. Times are milliseconds since the
//! Unix epoch.

mod account;
mod consumers;
mod read;
mod shards;
mod streams;
mod write;

pub(crate) use self::account::*;
pub(crate) use self::consumers::*;
pub(crate) use self::read::*;
pub(crate) use self::shards::*;
pub(crate) use self::streams::*;
pub(crate) use self::write::*;

/// Which stream a request means: by name, by ARN, or by both where they agree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StreamAddress {
    pub(crate) name: Option<String>,
    pub(crate) arn: Option<String>,
}

impl StreamAddress {
    pub(crate) fn name(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            arn: None,
        }
    }

    pub(crate) fn arn(arn: impl Into<String>) -> Self {
        Self {
            name: None,
            arn: Some(arn.into()),
        }
    }
}

/// A request that names a stream and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StreamRequest {
    pub(crate) stream: StreamAddress,
}

/// `StreamStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamStatus {
    Creating,
    Deleting,
    Active,
    Updating,
}

impl StreamStatus {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Deleting => "DELETING",
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
        }
    }
}

/// `StreamMode`, as in `StreamModeDetails`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamMode {
    Provisioned,
    OnDemand,
}

impl StreamMode {
    pub(crate) const ALL: &'static [&'static str] = &["PROVISIONED", "ON_DEMAND"];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Provisioned => "PROVISIONED",
            Self::OnDemand => "ON_DEMAND",
        }
    }
}

/// `RecordDistributionStrategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distribution {
    /// The service spreads records itself and ignores keys.
    Auto,
    UserPartitionKey,
}

impl Distribution {
    pub(crate) const ALL: &'static [&'static str] = &["AUTO", "USER_PARTITION_KEY"];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "AUTO",
            Self::UserPartitionKey => "USER_PARTITION_KEY",
        }
    }
}

/// `EncryptionType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EncryptionType {
    None,
    Kms,
}

impl EncryptionType {
    pub(crate) const ALL: &'static [&'static str] = &["NONE", "KMS"];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Kms => "KMS",
        }
    }
}
