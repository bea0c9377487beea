//! What a test may change about the engine. Every number which the service documents is the default.

/// How one engine behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The account every stream belongs to, 12 digits.
    pub(crate) account: String,
    pub(crate) region: String,
    /// Decides everything that is left to chance.
    pub(crate) seed: u64,
    pub(crate) limits: Limits,
    pub(crate) durations: Durations,
    /// Bytes of records to hold in all streams together, data, keys and bookkeeping. Above it the oldest
    /// records go, as if their retention had ended.
    pub(crate) memory_bytes: Option<u64>,
    /// What AT_ and AFTER_SEQUENCE_NUMBER do with a record that is no longer there.
    pub(crate) trimmed_positions: TrimmedPosition,
    /// How often GetRecords answers with an empty page although there are records further on, in parts per
    /// million. The service may at any time; readers must go on.
    pub(crate) empty_pages_per_million: u32,
    pub(crate) fan_out: FanOut,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            seed: 0,
            limits: Limits::off(),
            durations: Durations::default(),
            memory_bytes: None,
            trimmed_positions: TrimmedPosition::StartAtHorizon,
            empty_pages_per_million: 0,
            fan_out: FanOut::default(),
        }
    }
}

/// The rates and quotas the service enforces. Sizes of single requests and records are always enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Writes of a shard: 1,000 records and 1 MiB per second.
    pub(crate) writes: bool,
    /// Reads of a shard: 5 GetRecords per second, 2 MiB per second, the pause after a full page, 5
    /// GetShardIterator per second, and 2 MiB per second of each subscription.
    pub(crate) reads: bool,
    /// Calls per second of each control operation.
    pub(crate) control: bool,
    /// Counts: shards of the account, consumers of a stream, scalings per day, doubling at most, and so on.
    pub(crate) quotas: bool,
    /// Shards an account may have, with `quotas`.
    pub(crate) account_shards: u32,
}

impl Limits {
    /// As the service limits, in its large Regions.
    ///
    /// Source: "Quotas and limits", Kinesis Data Streams Developer Guide.
    pub(crate) const fn service() -> Self {
        Self {
            writes: true,
            reads: true,
            control: true,
            quotas: true,
            account_shards: 20_000,
        }
    }

    /// No rates, no quotas.
    pub(crate) const fn off() -> Self {
        Self {
            writes: false,
            reads: false,
            control: false,
            quotas: false,
            account_shards: 20_000,
        }
    }
}

/// How long the service takes, in milliseconds. 0 is at once: the call returns with the work done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Durations {
    pub(crate) create_stream_ms: u64,
    pub(crate) delete_stream_ms: u64,
    /// UPDATING, after every operation that changes a stream.
    pub(crate) update_stream_ms: u64,
    pub(crate) register_consumer_ms: u64,
    pub(crate) deregister_consumer_ms: u64,
}

/// What a position on a trimmed record means. The service documents neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrimmedPosition {
    /// Reading starts at the oldest record, and what was trimmed is silently missing.
    StartAtHorizon,
    /// `InvalidArgumentException`.
    Refuse,
}

/// The times of SubscribeToShard, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FanOut {
    /// A subscription ends after this. Source: AWS API reference, SubscribeToShard: 5 minutes.
    pub(crate) session_ms: u64,
    /// How long after a successful call another for the same consumer and shard is refused. Source: AWS API
    /// reference, SubscribeToShard: 5 seconds.
    pub(crate) resubscribe_ms: u64,
    /// An idle subscription gets an empty event this often. Observed, about 5 seconds; not documented.
    pub(crate) heartbeat_ms: u64,
    /// Records of one event, bytes. Not documented.
    pub(crate) event_bytes: u64,
}

impl Default for FanOut {
    fn default() -> Self {
        Self {
            session_ms: 300_000,
            resubscribe_ms: 5_000,
            heartbeat_ms: 5_000,
            event_bytes: 1 << 20,
        }
    }
}
