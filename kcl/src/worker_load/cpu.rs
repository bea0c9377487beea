//! Processor time, from the texts that Linux gives.

use std::time::{Duration, Instant};

/// A text of the system that does not say what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{file}` does not hold {expected}")]
pub(crate) struct Unreadable {
    /// Which file.
    pub(crate) file: &'static str,
    /// What was looked for.
    pub(crate) expected: &'static str,
}

/// Processor time used up to a moment, and how much could be used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Reading {
    /// Time used by a control group, since it began.
    Group {
        /// Used, by all threads together.
        used: Duration,
        /// Processors that the group may use.
        processors: f64,
        /// When it was read.
        at: Instant,
    },
    /// Ticks of the whole host, since it began.
    Host {
        /// All.
        total: u64,
        /// Of them, idle ones.
        idle: u64,
    },
}

impl Reading {
    /// Utilisation between two readings, in percent, 100 at most. `None`: nothing can be said, because no time passed, or
    /// a counter went back.
    #[must_use]
    pub(crate) fn since(&self, before: &Self) -> Option<f64> {
        let percent = match (before, self) {
            (Self::Group { used: u0, at: t0, .. }, Self::Group { used, processors, at }) => {
                let passed = at.checked_duration_since(*t0)?.as_secs_f64();
                let used = used.checked_sub(*u0)?.as_secs_f64();
                used / passed / processors * 100.0
            }
            (Self::Host { total: t0, idle: i0 }, Self::Host { total, idle }) => {
                let total = total.checked_sub(*t0)?;
                let idle = idle.checked_sub(*i0)?;
                total.saturating_sub(idle) as f64 / total as f64 * 100.0
            }
            _ => return None,
        };
        percent.is_finite().then(|| percent.clamp(0.0, 100.0))
    }
}

/// `cpu.stat` of cgroup v2: the microseconds used.
///
/// # Errors
/// When there is no `usage_usec`.
pub(crate) fn cgroup2_usage(cpu_stat: &str) -> Result<Duration, Unreadable> {
    cpu_stat
        .lines()
        .find_map(|line| line.strip_prefix("usage_usec "))
        .and_then(|number| number.trim().parse().ok())
        .map(Duration::from_micros)
        .ok_or(Unreadable {
            file: "cpu.stat",
            expected: "a number after usage_usec",
        })
}

/// `cpu.max` of cgroup v2: how many processors its quota allows; `None`: as many as there are.
///
/// # Errors
/// When it is not two numbers, or `max` and a number.
pub(crate) fn cgroup2_quota(cpu_max: &str) -> Result<Option<f64>, Unreadable> {
    let odd = Unreadable {
        file: "cpu.max",
        expected: "a quota and a period",
    };
    let mut words = cpu_max.split_whitespace();
    match (
        words.next(),
        words.next().and_then(|period| period.parse::<f64>().ok()),
    ) {
        (Some("max"), Some(_)) => Ok(None),
        (Some(quota), Some(period)) if period > 0.0 => match quota.parse::<f64>() {
            Ok(quota) if quota > 0.0 => Ok(Some(quota / period)),
            _ => Err(odd),
        },
        _ => Err(odd),
    }
}

/// `cpuacct.usage` of cgroup v1: the nanoseconds used.
///
/// # Errors
/// When it is not a number.
pub(crate) fn cgroup1_usage(cpuacct_usage: &str) -> Result<Duration, Unreadable> {
    let nanos = cpuacct_usage.trim().parse().map_err(|_| Unreadable {
        file: "cpuacct.usage",
        expected: "a number",
    })?;
    Ok(Duration::from_nanos(nanos))
}

/// `cpu.cfs_quota_us` and `cpu.cfs_period_us` of cgroup v1; `None`: as many processors as there are (a quota of -1).
///
/// # Errors
/// When one of them is not a number, or the period is 0.
pub(crate) fn cgroup1_quota(quota: &str, period: &str) -> Result<Option<f64>, Unreadable> {
    let number = |text: &str, file| {
        text.trim().parse::<f64>().map_err(|_| Unreadable {
            file,
            expected: "a number",
        })
    };
    let quota = number(quota, "cpu.cfs_quota_us")?;
    let period = number(period, "cpu.cfs_period_us")?;
    if quota < 0.0 {
        return Ok(None);
    }
    if period <= 0.0 || quota == 0.0 {
        return Err(Unreadable {
            file: "cpu.cfs_period_us",
            expected: "a period and a quota above 0",
        });
    }
    Ok(Some(quota / period))
}

/// `cpuset.cpus` or `cpuset.cpus.effective`: how many processors it names, as in `0-3,7`.
///
/// # Errors
/// When it is not such a list, or an empty one.
pub(crate) fn cpuset_count(list: &str) -> Result<u32, Unreadable> {
    let odd = Unreadable {
        file: "cpuset.cpus",
        expected: "a list of processors",
    };
    let mut count: u32 = 0;
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = (first.trim().parse::<u32>(), last.trim().parse::<u32>());
        let (Ok(first), Ok(last)) = range else {
            return Err(odd);
        };
        let size = last.checked_sub(first).and_then(|size| size.checked_add(1));
        count = size
            .and_then(|size| count.checked_add(size))
            .ok_or_else(|| odd.clone())?;
    }
    Ok(count)
}

/// The first line of `/proc/stat`: total and idle ticks, of user, nice, system, idle and iowait, as KCL sums them.
///
/// # Errors
/// When the line is missing or has fewer numbers.
pub(crate) fn proc_stat(text: &str) -> Result<Reading, Unreadable> {
    let odd = || Unreadable {
        file: "/proc/stat",
        expected: "a line `cpu` of five numbers",
    };
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("cpu "))
        .ok_or_else(odd)?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .take(5)
        .map_while(|word| word.parse().ok())
        .collect();
    match ticks[..] {
        [user, nice, system, idle, iowait] => Ok(Reading::Host {
            total: [user, nice, system, idle, iowait]
                .into_iter()
                .fold(0, u64::saturating_add),
            idle,
        }),
        _ => Err(odd()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn origin() -> Instant {
        Instant::now()
    }

    #[test]
    fn control_groups_of_version_2() {
        let stat = "usage_usec 51234567\nuser_usec 41000000\nsystem_usec 10234567\nnr_periods 0\n";
        assert_eq!(cgroup2_usage(stat), Ok(Duration::from_micros(51_234_567)));
        assert_eq!(cgroup2_quota("max 100000\n"), Ok(None));
        assert_eq!(cgroup2_quota("150000 100000\n"), Ok(Some(1.5)));
        for odd in ["", "usage_usec", "usage_usec x", "user_usec 3"] {
            assert!(cgroup2_usage(odd).is_err(), "{odd}");
        }
        for odd in ["", "max", "0 100000", "-5 100000", "100000 0", "a b"] {
            assert!(cgroup2_quota(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn control_groups_of_version_1() {
        assert_eq!(cgroup1_usage("1500000000\n"), Ok(Duration::from_millis(1500)));
        assert!(cgroup1_usage("-1").is_err());
        assert_eq!(cgroup1_quota("-1\n", "100000\n"), Ok(None));
        assert_eq!(cgroup1_quota("50000\n", "100000\n"), Ok(Some(0.5)));
        for (quota, period) in [("", "1"), ("1", "0"), ("0", "1"), ("1", "x")] {
            assert!(cgroup1_quota(quota, period).is_err(), "{quota} {period}");
        }
    }

    #[test]
    fn lists_of_processors() {
        for (list, count) in [("0-3\n", 4), ("0", 1), ("0-3,7", 5), ("1,3,5-6", 4)] {
            assert_eq!(cpuset_count(list), Ok(count), "{list}");
        }
        for odd in ["", "3-1", "a", "0-4294967295,0-4294967295"] {
            assert!(cpuset_count(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn the_whole_host() {
        let text = |user: u64, idle: u64| {
            format!("cpu  {user} 10 20 {idle} 30 0 5 0 0 0\ncpu0 1 2 3 4 5\nintr 12\n")
        };
        let before = proc_stat(&text(100, 1000)).unwrap();
        assert_eq!(
            before,
            Reading::Host {
                total: 1160,
                idle: 1000
            }
        );
        let after = proc_stat(&text(175, 1025)).unwrap();
        assert_eq!(after.since(&before), Some(75.0));
        assert_eq!(before.since(&after), None, "it went back");
        assert_eq!(before.since(&before), None, "no time passed");
        for odd in ["", "cpu0 1 2 3 4 5", "cpu 1 2 3 4", "cpu 1 2 x 4 5"] {
            assert!(proc_stat(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn groups_are_measured_against_what_they_may_use() {
        let start = origin();
        let at = |used_ms, passed_ms| Reading::Group {
            used: Duration::from_millis(used_ms),
            processors: 0.5,
            at: start + Duration::from_millis(passed_ms),
        };
        assert_eq!(at(300, 1000).since(&at(50, 0)), Some(50.0));
        assert_eq!(
            at(900, 1000).since(&at(50, 0)),
            Some(100.0),
            "a burst counts as full"
        );
        assert_eq!(at(50, 0).since(&at(50, 0)), None);
        assert_eq!(at(0, 1000).since(&at(50, 0)), None, "restarted");
        assert_eq!(at(60, 1000).since(&Reading::Host { total: 1, idle: 1 }), None);
    }
}
