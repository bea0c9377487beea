//! What this process uses, as the kernel counts it.

use std::fs;

use super::error::TrialError;

/// Memory and time of this process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// The resident set, bytes.
    pub resident: u64,
    /// The resident set at its largest, bytes.
    pub peak: u64,
    /// User and system time.
    pub cpu_seconds: f64,
}

impl Usage {
    /// Of this process, now.
    ///
    /// # Errors
    /// [`TrialError::System`] where there is no Linux.
    pub fn now() -> Result<Self, TrialError> {
        let status = read(STATUS)?;
        let stat = read(STAT)?;
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib: Option<u64> = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
            kib.unwrap_or_default() * 1024
        };
        Ok(Self {
            resident: bytes("VmRSS:"),
            peak: bytes("VmHWM:"),
            cpu_seconds: ticks_of(&stat) / TICKS_PER_SECOND,
        })
    }
}

fn read(path: &'static str) -> Result<String, TrialError> {
    fs::read_to_string(path).map_err(|source| TrialError::System { path, source })
}

/// The second field is the command in parentheses and may hold anything: counted from its end.
fn ticks_of(stat: &str) -> f64 {
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = rest.split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum()
}

const STATUS: &str = "/proc/self/status";
const STAT: &str = "/proc/self/stat";
/// `USER_HZ`, 100 on every Linux that Rust supports at tier 1.
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_from_the_end_of_the_command() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0";
        assert!((ticks_of(stat) - 300.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_process_uses_something() {
        let usage = Usage::now().expect("on Linux");
        assert!(
            usage.resident > 1 << 20 && usage.peak >= usage.resident,
            "{usage:?}"
        );
    }
}
