//! Processor time of an ECS task, from its metadata endpoint (version 4).

use serde_json::Value;

/// An answer of the metadata endpoint that does not say what it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum MetadataError {
    /// It is not JSON.
    #[error("the answer of {path} is not json")]
    Json {
        /// The path asked.
        path: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A number is missing.
    #[error("the answer of {path} has no number {field}")]
    Field {
        /// The path asked.
        path: &'static str,
        /// Which number.
        field: &'static str,
    },
}

/// One answer of `/stats`: times since the container began, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stats {
    /// Used by the container.
    pub(crate) used: u64,
    /// Used by the whole host, all processors together.
    pub(crate) host: u64,
    /// The host's processors.
    pub(crate) processors: f64,
}

impl Stats {
    /// Reads `<uri>/stats`.
    ///
    /// # Errors
    /// When it is not JSON or lacks one of the numbers.
    pub(crate) fn parse(text: &str) -> Result<Self, MetadataError> {
        let json = parse(text, STATS)?;
        let number = |pointer: &str, field| {
            json.pointer(pointer)
                .and_then(Value::as_u64)
                .ok_or(MetadataError::Field { path: STATS, field })
        };
        let processors = number("/cpu_stats/online_cpus", "cpu_stats.online_cpus")?;
        Ok(Self {
            used: number(
                "/cpu_stats/cpu_usage/total_usage",
                "cpu_stats.cpu_usage.total_usage",
            )?,
            host: number("/cpu_stats/system_cpu_usage", "cpu_stats.system_cpu_usage")?,
            processors: processors as f64,
        })
    }

    /// Utilisation between two answers, in percent of `limit` processors, 100 at most.
    ///
    /// As KCL: a host that used no time at all counts as full.
    #[must_use]
    pub(crate) fn since(&self, before: &Self, limit: f64) -> f64 {
        let host = self.host.saturating_sub(before.host) as f64;
        let used = self.used.saturating_sub(before.used) as f64;
        if host <= 0.0 {
            return 100.0;
        }
        let percent = used / host * self.processors / limit * 100.0;
        if percent.is_finite() {
            percent.clamp(0.0, 100.0)
        } else {
            100.0
        }
    }
}

/// How many processors this container may use, from `<uri>/task`: the task's limit (`processors` of the host where it
/// has none), shared among its containers in proportion to their own numbers.
///
/// `container` is the id of this container (`DockerId` of `<uri>`). As KCL, a container without a number counts 2.
///
/// # Errors
/// When the answer is not JSON, or does not name this container.
pub(crate) fn limit(task: &str, container: &str, processors: f64) -> Result<f64, MetadataError> {
    let json = parse(task, TASK)?;
    let task_limit = json
        .pointer("/Limits/CPU")
        .and_then(Value::as_f64)
        .filter(|limit| *limit > 0.0)
        .unwrap_or(processors);
    let none = Vec::new();
    let containers = json.get("Containers").and_then(Value::as_array).unwrap_or(&none);
    let share = |container: &Value| {
        container
            .pointer("/Limits/CPU")
            .and_then(Value::as_f64)
            .filter(|share| *share > 0.0)
            .unwrap_or(SHARE_OF_NONE)
    };
    let mine = containers
        .iter()
        .find(|found| found.get("DockerId").and_then(Value::as_str) == Some(container))
        .ok_or(MetadataError::Field {
            path: TASK,
            field: "Containers[].DockerId of this container",
        })?;
    let all: f64 = containers.iter().map(share).sum();
    Ok(task_limit * share(mine) / all)
}

/// The id of this container, from `<uri>`.
///
/// # Errors
/// When the answer is not JSON or has none.
pub(crate) fn container_id(container: &str) -> Result<String, MetadataError> {
    let json = parse(container, CONTAINER)?;
    let id = json.get("DockerId").and_then(Value::as_str);
    id.map(str::to_owned).ok_or(MetadataError::Field {
        path: CONTAINER,
        field: "DockerId",
    })
}

fn parse(text: &str, path: &'static str) -> Result<Value, MetadataError> {
    serde_json::from_str(text).map_err(|source| MetadataError::Json { path, source })
}

const CONTAINER: &str = "the container";
const STATS: &str = "/stats";
const TASK: &str = "/task";
/// Source: KCL, `EcsCpuCalculator`: the share of a container that has none.
const SHARE_OF_NONE: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// Shaped like the answers in the ECS developer guide, "Task metadata endpoint version 4", and shortened.
    const STATS_JSON: &str = r#"{"read":"2020-10-02T00:51:13.410254284Z","cpu_stats":{"cpu_usage":{"total_usage":360968065,
        "percpu_usage":[182359190,178608875],"usage_in_kernelmode":40000000,"usage_in_usermode":290000000},
        "system_cpu_usage":13939680000000,"online_cpus":2,"throttling_data":{"periods":0}}}"#;
    const TASK_JSON: &str = r#"{"Cluster":"default","Family":"query-metadata","Limits":{"CPU":0.5,"Memory":512},
        "Containers":[{"DockerId":"aaa","Name":"pause","Limits":{"CPU":0}},
                      {"DockerId":"bbb","Name":"app","Limits":{"CPU":6}}]}"#;

    #[test]
    fn answers_are_read() {
        let stats = Stats::parse(STATS_JSON).unwrap();
        assert_eq!(
            stats,
            Stats {
                used: 360_968_065,
                host: 13_939_680_000_000,
                processors: 2.0
            }
        );
        assert_eq!(container_id(r#"{"DockerId":"bbb"}"#).unwrap(), "bbb");
        assert_eq!(
            limit(TASK_JSON, "bbb", 2.0).unwrap(),
            0.375,
            "6 of 8 shares of half a processor"
        );
        assert_eq!(limit(TASK_JSON, "aaa", 2.0).unwrap(), 0.125);
        let unlimited = r#"{"Containers":[{"DockerId":"aaa"}]}"#;
        assert_eq!(limit(unlimited, "aaa", 4.0).unwrap(), 4.0);
    }

    #[test]
    fn odd_answers_are_errors() {
        for odd in [
            "",
            "{",
            "null",
            "[]",
            "{}",
            r#"{"cpu_stats":{"online_cpus":"2"}}"#,
        ] {
            assert!(Stats::parse(odd).is_err(), "{odd}");
            assert!(limit(odd, "aaa", 2.0).is_err(), "{odd}");
            assert!(container_id(odd).is_err(), "{odd}");
        }
        assert!(matches!(
            limit(TASK_JSON, "ccc", 2.0),
            Err(MetadataError::Field { .. })
        ));
    }

    #[test]
    fn utilisation_is_of_what_the_container_may_use() {
        let at = |used, host| Stats {
            used,
            host,
            processors: 2.0,
        };
        assert_eq!(at(250, 2000).since(&at(0, 0), 0.5), 50.0);
        assert_eq!(at(900, 2000).since(&at(0, 0), 0.5), 100.0);
        assert_eq!(at(1, 5).since(&at(0, 5), 0.5), 100.0, "as KCL");
        assert_eq!(at(0, 2000).since(&at(10, 0), 0.5), 0.0, "restarted");
    }
}
