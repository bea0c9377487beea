//! Settings that are a choice between named cases.

/// Whether user records of one shard travel packed together (KPL: `AggregationEnabled`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Aggregation {
    /// Many user records per Kinesis record, if the stream's service leaves them on the shards of their keys: the
    /// producer asks before the first aggregate, and from time to time. Consumers must take aggregates apart, as the
    /// KCL does.
    Enabled,
    /// Many user records per Kinesis record, without asking: for credentials that may not ask, on streams known not to
    /// distribute records by themselves (record distribution `AUTO`), where KCL consumers would drop aggregates.
    Always,
    /// One Kinesis record per user record.
    Disabled,
}

/// How fast one shard is written to (KPL: `RateLimit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RateLimit {
    /// This share of a shard's quota of 1,000 records and 1 MiB per second.
    Percent(u32),
    /// No limit of ours; the service throttles.
    Unlimited,
}

impl RateLimit {
    /// A share of the shard's quota, in percent. Above 100 the service decides what is too much.
    #[must_use]
    pub fn percent(percent: u32) -> Self {
        Self::Percent(percent)
    }
}

/// Whether the rate of one shard gives way to others who write to it (no KPL equal).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdaptiveRate {
    /// The rate falls when the service throttles and rises while it does not, below [`RateLimit`] at all times.
    Enabled,
    /// The rate is [`RateLimit`]'s, whatever the service says.
    Disabled,
}

/// What is kept when something fails (no KPL equal: it keeps no order).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ordering {
    /// Records of one key are first stored in the order they were put, whatever fails meanwhile: a shard has one
    /// request on its way, and what failed goes before what came later.
    PerKey,
    /// Records of one key are stored in order as long as nothing fails or is late. What failed delays nothing else, and
    /// a request that is unanswered for 100 ms may be passed by up to three others of its shard.
    Relaxed,
}

/// The partition key of an aggregate as a whole, and who shares one (no KPL equal: it always sends `a`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OuterKey {
    /// The one-byte key `a`, as the KPL sends: the cheapest.
    Fixed,
    /// The partition key of the first record inside: tools that look at keys see a real one.
    FirstRecord,
    /// Each aggregate holds records of one partition key, and has that key: for consumers that spread work by key
    /// without taking aggregates apart. Packs only what shares a key.
    PerKey,
}
