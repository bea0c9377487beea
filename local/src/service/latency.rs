//! How long calls take: a simple model of the service, off by default.

use std::time::Duration;

/// How long each kind of call takes, half of it on the way in and half on the way out.
///
/// ```
/// use std::time::Duration;
/// use kinesis_local::Latency;
///
/// let slow_writes = Latency::service().put(Duration::from_millis(120));
/// # let _ = slow_writes;
/// ```
#[must_use = "a latency model does nothing until it is given to a builder"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    put: Duration,
    get: Duration,
    fan_out: Duration,
    list_shards: Duration,
    other: Duration,
    dynamodb: Duration,
    jitter_percent: u32,
}

impl Default for Latency {
    fn default() -> Self {
        Self::none()
    }
}

impl Latency {
    /// Every answer as soon as it is there. The default of every builder.
    pub const fn none() -> Self {
        Self {
            put: Duration::ZERO,
            get: Duration::ZERO,
            fan_out: Duration::ZERO,
            list_shards: Duration::ZERO,
            other: Duration::ZERO,
            dynamodb: Duration::ZERO,
            jitter_percent: 0,
        }
    }

    /// About as the service answers within one Region: puts 10 ms, reads 15 ms, fan-out events 70 ms, ListShards
    /// 30 ms, other calls of Kinesis 20 ms, DynamoDB 5 ms, each up to 20 % more or less.
    ///
    /// Source: the Developer Guide gives about 70 ms from write to read for enhanced fan-out; the others are common
    /// experience, rounded.
    pub const fn service() -> Self {
        Self {
            put: Duration::from_millis(10),
            get: Duration::from_millis(15),
            fan_out: Duration::from_millis(70),
            list_shards: Duration::from_millis(30),
            other: Duration::from_millis(20),
            dynamodb: Duration::from_millis(5),
            jitter_percent: 20,
        }
    }

    /// PutRecord and PutRecords.
    pub const fn put(mut self, latency: Duration) -> Self {
        self.put = latency;
        self
    }

    /// GetRecords and GetShardIterator.
    pub const fn get(mut self, latency: Duration) -> Self {
        self.get = latency;
        self
    }

    /// Each event of a subscription.
    pub const fn fan_out(mut self, latency: Duration) -> Self {
        self.fan_out = latency;
        self
    }

    /// ListShards.
    pub const fn list_shards(mut self, latency: Duration) -> Self {
        self.list_shards = latency;
        self
    }

    /// All other operations of Kinesis, SubscribeToShard itself among them.
    pub const fn other(mut self, latency: Duration) -> Self {
        self.other = latency;
        self
    }

    /// Every operation of DynamoDB.
    pub const fn dynamodb(mut self, latency: Duration) -> Self {
        self.dynamodb = latency;
        self
    }

    /// How much a latency varies to either side, percent of it, evenly; above 100 is 100. Default 0, and 20 in
    /// [`service`](Self::service). Drawn from the seed of the faults.
    pub const fn jitter_percent(mut self, percent: u32) -> Self {
        self.jitter_percent = if percent > 100 { 100 } else { percent };
        self
    }

    /// How long a call takes. `below` draws a number below its argument; it is only asked if something varies.
    pub(crate) fn of(&self, kind: LatencyKind, below: impl FnOnce(usize) -> usize) -> Duration {
        let base = match kind {
            LatencyKind::Put => self.put,
            LatencyKind::Get => self.get,
            LatencyKind::FanOut => self.fan_out,
            LatencyKind::ListShards => self.list_shards,
            LatencyKind::Other => self.other,
            LatencyKind::DynamoDb => self.dynamodb,
        };
        if base.is_zero() || self.jitter_percent == 0 {
            return base;
        }
        // From -jitter to +jitter percent, in steps of a tenth of a percent.
        let spread = self.jitter_percent * 20;
        let drawn = u32::try_from(below(spread as usize + 1)).unwrap_or(0);
        base * (1_000 + drawn - self.jitter_percent * 10) / 1_000
    }
}

/// What a latency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LatencyKind {
    Put,
    Get,
    FanOut,
    ListShards,
    Other,
    DynamoDb,
}

impl LatencyKind {
    /// That of an operation of Kinesis.
    pub(crate) fn of_kinesis(operation: &str) -> Self {
        match operation {
            "PutRecord" | "PutRecords" => Self::Put,
            "GetRecords" | "GetShardIterator" => Self::Get,
            "ListShards" => Self::ListShards,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_goes_both_ways_and_no_further() {
        let model = Latency::service();
        let put = |drawn: usize| model.of(LatencyKind::of_kinesis("PutRecords"), |_| drawn);
        assert_eq!(put(0), Duration::from_millis(8));
        assert_eq!(put(200), Duration::from_millis(10));
        assert_eq!(put(400), Duration::from_millis(12));
        let all = model.jitter_percent(1_000).get(Duration::from_millis(100));
        assert_eq!(
            all.of(LatencyKind::Get, |bound| bound - 1),
            Duration::from_millis(200)
        );
        assert_eq!(all.of(LatencyKind::Get, |_| 0), Duration::ZERO);
    }

    #[test]
    fn no_latency_draws_nothing() {
        for kind in [
            LatencyKind::Put,
            LatencyKind::FanOut,
            LatencyKind::DynamoDb,
            LatencyKind::Other,
        ] {
            let drawn = Latency::none()
                .jitter_percent(50)
                .of(kind, |_| panic!("nothing varies"));
            assert_eq!(drawn, Duration::ZERO);
        }
        let kinds = ["GetShardIterator", "ListShards", "CreateStream"].map(LatencyKind::of_kinesis);
        assert_eq!(
            kinds,
            [LatencyKind::Get, LatencyKind::ListShards, LatencyKind::Other]
        );
    }
}
