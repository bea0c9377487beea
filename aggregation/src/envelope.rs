//! The envelope around an aggregate: magic in front, digest behind.

use crate::deaggregate::RawReason;
use crate::hash_key::md5_of;

/// The four bytes every aggregate starts with.
///
/// Source: KPL, aggregation-format.md.
pub const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];

/// Bytes of the MD5 digest every aggregate ends with.
pub const DIGEST_LEN: usize = 16;

/// Bytes which the envelope adds to the protobuf body: magic and digest.
pub const ENVELOPE_LEN: usize = MAGIC.len() + DIGEST_LEN;

/// The partition key of a Kinesis record that holds an aggregate. It places nothing, because the KPL sends
/// the first record's hash key as explicit hash key along with it.
///
/// Source: KPL, `aws/kinesis/core/kinesis_record.cc`.
pub const OUTER_PARTITION_KEY: &str = "a";

/// Whether consumers will try to unpack this data: magic, at least one byte of body, and the right digest.
///
/// The body itself is not looked at. The digest is computed only where the magic fits, so asking costs
/// nothing for ordinary data.
pub fn looks_like_aggregate(data: &[u8]) -> bool {
    sealed(data).is_ok_and(Sealed::is_sound)
}

/// What may be an aggregate: magic, a body, and what should be its digest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealed<'a> {
    pub(crate) body: &'a [u8],
    digest: &'a [u8; DIGEST_LEN],
}

/// The parts of the envelope, if there is one.
pub(crate) fn sealed(data: &[u8]) -> Result<Sealed<'_>, RawReason> {
    data.strip_prefix(&MAGIC)
        .and_then(|rest| rest.split_last_chunk::<DIGEST_LEN>())
        .filter(|(body, _)| !body.is_empty())
        .map(|(body, digest)| Sealed { body, digest })
        .ok_or(RawReason::NotAggregate)
}

impl Sealed<'_> {
    /// Whether its digest is right.
    pub(crate) fn is_sound(self) -> bool {
        self.has(&md5_of(self.body))
    }

    /// The same, where the digest of the body is known.
    pub(crate) fn has(self, digest: &[u8; DIGEST_LEN]) -> bool {
        self.digest == digest
    }
}
