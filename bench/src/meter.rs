//! CPU seconds and peak memory of this process, as the kernel counts them.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::BoxError;

/// What one case cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// User and system time of the whole process, start-up included.
    pub(crate) cpu_seconds: f64,
    /// The resident set at its largest.
    pub(crate) peak_megabytes: f64,
    pub(crate) wall_seconds: f64,
    /// User records.
    pub(crate) records: u64,
    /// Their payload.
    pub(crate) bytes: u64,
    /// Kinesis records.
    pub(crate) kinesis_records: u64,
    /// PutRecords or GetRecords calls, or all to Kinesis.
    pub(crate) requests: u64,
    /// To the lease table.
    pub(crate) dynamodb_requests: u64,
    /// The resident set before the work.
    pub(crate) rest_megabytes: f64,
    /// From put to outcome: half of the records, and all but one in a hundred, in milliseconds.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Figures {
    /// Reads this process's clock and peak; the counts are the caller's.
    pub(crate) fn of_this_process(wall: Duration) -> Result<Self, BoxError> {
        Ok(Self {
            cpu_seconds: cpu_seconds_of(std::process::id())?,
            peak_megabytes: megabytes_of_this_process("VmHWM:")?,
            wall_seconds: wall.as_secs_f64(),
            ..Self::default()
        })
    }

    pub(crate) fn to_json(self) -> Value {
        json!({
            "cpu_seconds": self.cpu_seconds,
            "peak_megabytes": self.peak_megabytes,
            "wall_seconds": self.wall_seconds,
            "records": self.records,
            "bytes": self.bytes,
            "kinesis_records": self.kinesis_records,
            "requests": self.requests,
            "dynamodb_requests": self.dynamodb_requests,
            "rest_megabytes": self.rest_megabytes,
            "p50_ms": self.p50_ms,
            "p99_ms": self.p99_ms,
        })
    }

    pub(crate) fn from_json(value: &Value) -> Result<Self, BoxError> {
        let float = |name: &str| {
            value[name]
                .as_f64()
                .ok_or_else(|| format!("no {name} in {value}"))
        };
        let count = |name: &str| {
            value[name]
                .as_u64()
                .ok_or_else(|| format!("no {name} in {value}"))
        };
        Ok(Self {
            cpu_seconds: float("cpu_seconds")?,
            peak_megabytes: float("peak_megabytes")?,
            wall_seconds: float("wall_seconds")?,
            records: count("records")?,
            bytes: count("bytes")?,
            kinesis_records: count("kinesis_records")?,
            requests: count("requests")?,
            dynamodb_requests: count("dynamodb_requests")?,
            rest_megabytes: float("rest_megabytes")?,
            p50_ms: float("p50_ms")?,
            p99_ms: float("p99_ms")?,
        })
    }
}

/// The resident set now.
pub(crate) fn resident_megabytes() -> Result<f64, BoxError> {
    megabytes_of_this_process("VmRSS:")
}

fn megabytes_of_this_process(field: &str) -> Result<f64, BoxError> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| format!("no {field} in /proc/self/status"))?;
    Ok(kib / 1024.0)
}

/// User and system time of a process so far, start-up included.
pub(crate) fn cpu_seconds_of(process: u32) -> Result<f64, BoxError> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is the command in parentheses and may hold anything: count from its end.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|t| t.parse::<u64>().ok())
        .sum();
    Ok(ticks as f64 / TICKS_PER_SECOND)
}

/// `USER_HZ`, 100 on every Linux that Rust supports at tier 1.
const TICKS_PER_SECOND: f64 = 100.0;
