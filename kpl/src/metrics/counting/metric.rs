//! What is measured: the metrics of the Kinesis Producer Library (KPL) under its names, and our own.

use crate::config::{MetricsGranularity, MetricsLevel};

/// A measurement.
///
/// [`name`](Self::name), unit, level and deepest dimension of the first fifteen are the KPL's, so that dashboards carry
/// over; the others are ours ([`is_of_kpl`](Self::is_of_kpl)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Metric {
    /// User records taken.
    UserRecordsReceived,
    /// User records without an outcome, sampled. For all streams together it is the sum of the streams'.
    UserRecordsPending,
    /// 1 for a user record that was delivered, 0 for one that failed: the mean is the rate of success.
    UserRecordsPut,
    /// Bytes of data of delivered user records.
    UserRecordsDataPut,
    /// 1 for a Kinesis record that was stored, 0 for one that was not, of requests that were answered.
    KinesisRecordsPut,
    /// Bytes of stored Kinesis records, with their partition keys, which the KPL leaves out: one byte for an aggregate.
    KinesisRecordsDataPut,
    /// Errors with their codes: 1 for an entry, a request as a whole, an aggregate on a wrong shard, or an expired
    /// record. The KPL leaves out the last two.
    ErrorsByCode,
    /// As above without codes; 0 for each entry that was stored: the mean is the rate of failure.
    AllErrors,
    /// Attempts after the first, for each user record that has its outcome.
    RetriesPerRecord,
    /// 1 for a user record whose time to live ran out.
    UserRecordExpired,
    /// From a user record's arrival, or from the end of its last attempt, to the start of its next.
    BufferingTime,
    /// From handing a request to the client to its answer. Requests do not queue in between, as they do in the KPL.
    RequestTime,
    /// User records in a Kinesis record.
    UserRecordsPerKinesisRecord,
    /// Kinesis records in a request.
    KinesisRecordsPerPutRecordsRequest,
    /// User records in a request.
    UserRecordsPerPutRecordsRequest,
    /// User records with an outcome that may be stored twice, or stored although they failed: an attempt ended without
    /// telling.
    PossibleDuplicates,
    /// Bytes of data and keys of user records without an outcome, sampled.
    UserBytesPending,
    /// What the producer allows itself on a shard, in percent of the shard's quota, sampled.
    ShardRate,
    /// Age of the list of shards, sampled.
    ShardMapAge,
    /// Shards that take records, as last listed.
    OpenShards,
    /// Failed user records that were handed to the dead letters.
    DeadLetters,
    /// Failed user records which the dead letters did not take.
    DeadLettersLost,
}

/// What a metric's values are, and so what may be done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricKind {
    /// Amounts that add up: the sum matters.
    Amount,
    /// One value for each event: mean, percentiles and extremes matter.
    Distribution,
    /// A level, sampled now and then.
    Level,
}

/// The unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum MetricUnit {
    /// A number of things.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
    /// Hundredths.
    Percent,
}

impl MetricUnit {
    /// The unit as CloudWatch spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Bytes => "Bytes",
            Self::Milliseconds => "Milliseconds",
            Self::Percent => "Percent",
        }
    }
}

struct Facts {
    name: &'static str,
    unit: MetricUnit,
    level: MetricsLevel,
    deepest: MetricsGranularity,
    kind: MetricKind,
}

impl Metric {
    /// Every metric, in the order of the KPL's list, ours last.
    pub const ALL: [Self; 22] = [
        Self::UserRecordsReceived,
        Self::UserRecordsPending,
        Self::UserRecordsPut,
        Self::UserRecordsDataPut,
        Self::KinesisRecordsPut,
        Self::KinesisRecordsDataPut,
        Self::ErrorsByCode,
        Self::AllErrors,
        Self::RetriesPerRecord,
        Self::UserRecordExpired,
        Self::BufferingTime,
        Self::RequestTime,
        Self::UserRecordsPerKinesisRecord,
        Self::KinesisRecordsPerPutRecordsRequest,
        Self::UserRecordsPerPutRecordsRequest,
        Self::PossibleDuplicates,
        Self::UserBytesPending,
        Self::ShardRate,
        Self::ShardMapAge,
        Self::OpenShards,
        Self::DeadLetters,
        Self::DeadLettersLost,
    ];

    /// The name under which it is published; the KPL's, where it has the metric.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The unit of its values.
    #[must_use]
    pub fn unit(self) -> MetricUnit {
        self.facts().unit
    }

    /// The level from which on it is published.
    #[must_use]
    pub fn level(self) -> MetricsLevel {
        self.facts().level
    }

    /// How far down it can be told apart.
    #[must_use]
    pub fn deepest(self) -> MetricsGranularity {
        self.facts().deepest
    }

    /// What its values are.
    #[must_use]
    pub fn kind(self) -> MetricKind {
        self.facts().kind
    }

    /// Whether the KPL has it.
    #[must_use]
    pub fn is_of_kpl(self) -> bool {
        self <= Self::UserRecordsPerPutRecordsRequest
    }

    /// Source for names, units, levels and dimensions: the KPL's metrics document and its CloudWatch output.
    fn facts(self) -> Facts {
        use MetricKind::{Amount, Distribution, Level};
        use MetricUnit::{Bytes, Count, Milliseconds, Percent};
        use MetricsGranularity::{Shard, Stream};
        use MetricsLevel::{Detailed, Summary};
        let facts = |name, unit, level, deepest, kind| Facts {
            name,
            unit,
            level,
            deepest,
            kind,
        };
        match self {
            Self::UserRecordsReceived => facts("UserRecordsReceived", Count, Detailed, Stream, Amount),
            Self::UserRecordsPending => facts("UserRecordsPending", Count, Detailed, Stream, Level),
            Self::UserRecordsPut => facts("UserRecordsPut", Count, Summary, Shard, Amount),
            Self::UserRecordsDataPut => facts("UserRecordsDataPut", Bytes, Detailed, Shard, Amount),
            Self::KinesisRecordsPut => facts("KinesisRecordsPut", Count, Summary, Shard, Amount),
            Self::KinesisRecordsDataPut => facts("KinesisRecordsDataPut", Bytes, Detailed, Shard, Amount),
            Self::ErrorsByCode => facts("ErrorsByCode", Count, Summary, Shard, Amount),
            Self::AllErrors => facts("AllErrors", Count, Summary, Shard, Amount),
            Self::RetriesPerRecord => facts("RetriesPerRecord", Count, Detailed, Shard, Distribution),
            Self::UserRecordExpired => facts("UserRecordExpired", Count, Summary, Shard, Amount),
            Self::BufferingTime => facts("BufferingTime", Milliseconds, Summary, Shard, Distribution),
            Self::RequestTime => facts("RequestTime", Milliseconds, Detailed, Stream, Distribution),
            Self::UserRecordsPerKinesisRecord => facts(
                "UserRecordsPerKinesisRecord",
                Count,
                Detailed,
                Shard,
                Distribution,
            ),
            Self::KinesisRecordsPerPutRecordsRequest => facts(
                "KinesisRecordsPerPutRecordsRequest",
                Count,
                Detailed,
                Stream,
                Distribution,
            ),
            Self::UserRecordsPerPutRecordsRequest => facts(
                "UserRecordsPerPutRecordsRequest",
                Count,
                Detailed,
                Stream,
                Distribution,
            ),
            Self::PossibleDuplicates => facts("PossibleDuplicates", Count, Summary, Stream, Amount),
            Self::UserBytesPending => facts("UserBytesPending", Bytes, Detailed, Stream, Level),
            Self::ShardRate => facts("ShardRate", Percent, Detailed, Shard, Level),
            Self::ShardMapAge => facts("ShardMapAge", Milliseconds, Detailed, Stream, Level),
            Self::OpenShards => facts("OpenShards", Count, Detailed, Stream, Level),
            Self::DeadLetters => facts("DeadLetters", Count, Summary, Stream, Amount),
            Self::DeadLettersLost => facts("DeadLettersLost", Count, Summary, Stream, Amount),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The KPL's list: name, unit, level, deepest dimension.
    const KPL: &[(&str, &str, &str, &str)] = &[
        ("UserRecordsReceived", "Count", "detailed", "stream"),
        ("UserRecordsPending", "Count", "detailed", "stream"),
        ("UserRecordsPut", "Count", "summary", "shard"),
        ("UserRecordsDataPut", "Bytes", "detailed", "shard"),
        ("KinesisRecordsPut", "Count", "summary", "shard"),
        ("KinesisRecordsDataPut", "Bytes", "detailed", "shard"),
        ("ErrorsByCode", "Count", "summary", "shard"),
        ("AllErrors", "Count", "summary", "shard"),
        ("RetriesPerRecord", "Count", "detailed", "shard"),
        ("UserRecordExpired", "Count", "summary", "shard"),
        ("BufferingTime", "Milliseconds", "summary", "shard"),
        ("RequestTime", "Milliseconds", "detailed", "stream"),
        ("UserRecordsPerKinesisRecord", "Count", "detailed", "shard"),
        (
            "KinesisRecordsPerPutRecordsRequest",
            "Count",
            "detailed",
            "stream",
        ),
        ("UserRecordsPerPutRecordsRequest", "Count", "detailed", "stream"),
    ];

    #[test]
    fn names_units_levels_and_depths_are_the_kpls() {
        let ours: Vec<_> = Metric::ALL.into_iter().filter(|m| m.is_of_kpl()).collect();
        assert_eq!(ours.len(), KPL.len());
        for (metric, (name, unit, level, deepest)) in ours.into_iter().zip(KPL) {
            assert_eq!(metric.name(), *name);
            assert_eq!(metric.unit().as_str(), *unit, "{name}");
            assert_eq!(metric.level().as_str(), *level, "{name}");
            assert_eq!(metric.deepest().as_str(), *deepest, "{name}");
        }
    }

    #[test]
    fn all_lists_each_once_in_order() {
        for (place, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(metric as usize, place, "{metric:?}");
        }
    }
}
