//! How large an aggregate may become.

/// The limits an [`AggregateBuilder`](crate::AggregateBuilder) keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AggregateLimits {
    max_bytes: usize,
    max_records: usize,
}

impl AggregateLimits {
    /// 51,200 bytes and 4,294,967,295 records.
    ///
    /// Source: KPL, `AggregationMaxSize` and `AggregationMaxCount`. The size is two payload units of 25 KiB.
    pub const DEFAULT: Self = Self {
        max_bytes: 51_200,
        max_records: u32::MAX as usize,
    };

    /// The least bytes that may be asked for.
    ///
    /// Source: KPL, `AggregationMaxSize`.
    pub const MIN_BYTES: usize = 64;

    /// The most bytes that may be asked for: 10 MiB, what one Kinesis record may hold.
    ///
    /// Source: KPL, `AggregationMaxSize`, since 1.0.6.
    pub const MAX_BYTES: usize = 10 * 1024 * 1024;

    /// Sets the most bytes of an aggregate, its envelope of 20 bytes included (KPL `AggregationMaxSize`).
    ///
    /// More bytes mean fewer Kinesis records; fewer bytes mean less to send again when one fails.
    /// Default 51,200, valid 64 to 10,485,760.
    ///
    /// # Errors
    ///
    /// The value is outside the valid range.
    pub const fn with_max_bytes(self, max_bytes: usize) -> Result<Self, AggregateLimitsError> {
        if max_bytes < Self::MIN_BYTES || max_bytes > Self::MAX_BYTES {
            return Err(AggregateLimitsError::MaxBytes { max_bytes });
        }
        Ok(Self { max_bytes, ..self })
    }

    /// Sets the most user records of an aggregate (KPL `AggregationMaxCount`).
    ///
    /// With 1 every record travels alone. Default 4,294,967,295, valid from 1.
    ///
    /// # Errors
    ///
    /// The value is 0.
    pub const fn with_max_records(self, max_records: usize) -> Result<Self, AggregateLimitsError> {
        if max_records == 0 {
            return Err(AggregateLimitsError::MaxRecords);
        }
        Ok(Self { max_records, ..self })
    }

    /// The most bytes of an aggregate, envelope included.
    pub const fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// The most user records of an aggregate.
    pub const fn max_records(&self) -> usize {
        self.max_records
    }
}

impl Default for AggregateLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A limit outside its valid range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AggregateLimitsError {
    /// The byte limit is below 64 or above 10 MiB.
    #[error(
        "aggregate limit of {max_bytes} bytes is outside {} to {}",
        AggregateLimits::MIN_BYTES,
        AggregateLimits::MAX_BYTES
    )]
    MaxBytes {
        /// The value that was asked for.
        max_bytes: usize,
    },
    /// The record limit is 0.
    #[error("aggregate limit of 0 records would let nothing through")]
    MaxRecords,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_kpl() {
        let limits = AggregateLimits::default();
        assert_eq!(
            (limits.max_bytes(), limits.max_records()),
            (51_200, 4_294_967_295)
        );
    }

    #[test]
    fn values_outside_the_range_are_refused() {
        for max_bytes in [64, 10_485_760] {
            assert_eq!(
                AggregateLimits::DEFAULT
                    .with_max_bytes(max_bytes)
                    .unwrap()
                    .max_bytes(),
                max_bytes
            );
        }
        for max_bytes in [0, 63, 10_485_761, usize::MAX] {
            let error = AggregateLimits::DEFAULT.with_max_bytes(max_bytes).unwrap_err();
            assert_eq!(error, AggregateLimitsError::MaxBytes { max_bytes });
        }
        assert_eq!(
            AggregateLimits::DEFAULT.with_max_records(0),
            Err(AggregateLimitsError::MaxRecords)
        );
        assert_eq!(
            AggregateLimits::DEFAULT
                .with_max_records(1)
                .unwrap()
                .max_records(),
            1
        );
    }
}
