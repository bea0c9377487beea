//! Reads what `worker_load` understands. Everything here blocks for a moment: call it on a thread that may.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::worker_load::cpu::{self, Reading, Unreadable};
use crate::worker_load::ecs::{self, MetadataError};
use crate::worker_load::platform::{Platform, Surroundings, detect};

/// Why there is no sample.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    /// A file cannot be read.
    #[error("`{path}` cannot be read")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file says something else than it should.
    #[error(transparent)]
    Text(#[from] Unreadable),
    /// The metadata endpoint does not answer, or not as HTTP.
    #[error("`{uri}` does not answer")]
    Endpoint {
        /// Its address.
        uri: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The metadata endpoint says something else than it should.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Measures the processor time of this worker, from sample to sample.
#[derive(Debug)]
pub(super) struct CpuProbe {
    platform: Platform,
    before: Option<Before>,
    limit: Option<f64>,
}

#[derive(Debug)]
enum Before {
    Linux(Reading),
    Ecs(ecs::Stats),
}

impl CpuProbe {
    /// Finds out where this worker runs. Asks the instance metadata service only if nothing else fits, for 2 s at most.
    pub(super) fn detect() -> Self {
        let mut seen = Surroundings {
            ecs_metadata_uri: std::env::var("ECS_CONTAINER_METADATA_URI_V4").ok(),
            kubernetes_token: Path::new(KUBERNETES_TOKEN).exists(),
            cgroup2: Path::new(CGROUP2).join("cpu.stat").exists(),
            cgroup1: Path::new(CGROUP1).join("cpuacct.usage").exists(),
            instance_metadata: false,
        };
        if detect(&seen) == Platform::Unknown {
            seen.instance_metadata = is_ec2();
        }
        Self::on(detect(&seen))
    }

    /// A probe for a platform already known.
    pub(super) fn on(platform: Platform) -> Self {
        Self {
            platform,
            before: None,
            limit: None,
        }
    }

    /// Where this worker runs. [`Platform::Unknown`]: there is nothing to sample.
    pub(super) fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Utilisation since the last call, in percent. `None`: the first call, or nothing to sample.
    ///
    /// # Errors
    /// When something cannot be read or understood; the next call begins anew.
    pub(super) fn sample(&mut self) -> Result<Option<f64>, ProbeError> {
        let before = self.before.take();
        let now = match &self.platform {
            Platform::Unknown => return Ok(None),
            Platform::Ecs { uri } => Before::Ecs(ecs::Stats::parse(&get(&format!("{uri}/stats"))?)?),
            Platform::Cgroup2 => Before::Linux(cgroup2(Path::new(CGROUP2))?),
            Platform::Cgroup1 => Before::Linux(cgroup1(Path::new("/sys/fs/cgroup"))?),
            Platform::Host => Before::Linux(cpu::proc_stat(&read(Path::new("/proc/stat"))?)?),
        };
        let percent = match (&before, &now) {
            (Some(Before::Linux(before)), Before::Linux(now)) => now.since(before),
            (Some(Before::Ecs(before)), Before::Ecs(now)) => Some(now.since(before, self.ecs_limit(now)?)),
            _ => None,
        };
        self.before = Some(now);
        Ok(percent)
    }

    /// A task's limits do not change while it runs.
    fn ecs_limit(&mut self, stats: &ecs::Stats) -> Result<f64, ProbeError> {
        if let (None, Platform::Ecs { uri }) = (self.limit, &self.platform) {
            let container = ecs::container_id(&get(uri)?)?;
            let task = get(&format!("{uri}/task"))?;
            self.limit = Some(ecs::limit(&task, &container, stats.processors)?);
        }
        Ok(self.limit.unwrap_or(stats.processors))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the moment at which a counter of the kernel was read"
)]
fn group(used: Duration, processors: f64) -> Reading {
    Reading::Group {
        used,
        processors,
        at: Instant::now(),
    }
}

fn cgroup2(root: &Path) -> Result<Reading, ProbeError> {
    let used = cpu::cgroup2_usage(&read(&root.join("cpu.stat"))?)?;
    let processors = match cpu::cgroup2_quota(&read(&root.join("cpu.max"))?)? {
        Some(quota) => quota,
        None => f64::from(cpu::cpuset_count(&read(&root.join("cpuset.cpus.effective"))?)?),
    };
    Ok(group(used, processors))
}

fn cgroup1(root: &Path) -> Result<Reading, ProbeError> {
    let cpu_root = root.join("cpu,cpuacct");
    let used = cpu::cgroup1_usage(&read(&cpu_root.join("cpuacct.usage"))?)?;
    let quota = read(&cpu_root.join("cpu.cfs_quota_us"))?;
    let period = read(&cpu_root.join("cpu.cfs_period_us"))?;
    let processors = match cpu::cgroup1_quota(&quota, &period)? {
        Some(quota) => quota,
        None => f64::from(cpu::cpuset_count(&read(
            &root.join("cpuset/cpuset.effective_cpus"),
        )?)?),
    };
    Ok(group(used, processors))
}

fn read(path: &Path) -> Result<String, ProbeError> {
    fs::read_to_string(path).map_err(|source| ProbeError::File {
        path: path.display().to_string(),
        source,
    })
}

/// Version 2 of the instance metadata service hands out a token: nothing else at that address does.
fn is_ec2() -> bool {
    let request = "PUT /latest/api/token HTTP/1.0\r\nHost: 169.254.169.254\r\n\
                   X-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Length: 0\r\n\r\n";
    ask("169.254.169.254:80", request).is_ok_and(|body| !body.is_empty())
}

/// A GET without TLS and without redirects: all that a metadata endpoint on the link needs.
fn get(uri: &str) -> Result<String, ProbeError> {
    let failed = |source| ProbeError::Endpoint {
        uri: uri.to_owned(),
        source,
    };
    let rest = uri
        .strip_prefix("http://")
        .ok_or_else(|| failed(io::Error::new(io::ErrorKind::InvalidInput, "not an http address")))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = match host.contains(':') {
        true => host.to_owned(),
        false => format!("{host}:80"),
    };
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\nAccept: application/json\r\n\r\n");
    ask(&address, &request).map_err(failed)
}

/// One request on a connection of its own; the answer's body if its status is 200.
fn ask(address: &str, request: &str) -> io::Result<String> {
    let address: SocketAddr = address
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such host"))?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    let odd = || io::Error::new(io::ErrorKind::InvalidData, "not a successful http answer");
    let answer = String::from_utf8(answer).map_err(|_| odd())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(odd)?;
    match head.split_whitespace().nth(1) {
        Some("200") => Ok(body.to_owned()),
        _ => Err(odd()),
    }
}

const CGROUP2: &str = "/sys/fs/cgroup";
const CGROUP1: &str = "/sys/fs/cgroup/cpu,cpuacct";
const KUBERNETES_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// Ours: the endpoint is on the link. KCL waits 5 s.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Ours: the statistics of a task are some kilobytes.
const MAX_ANSWER: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Serves so many requests, each with the same three documents, and counts nothing.
    fn endpoint(requests: usize) -> (String, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}/v4/abc", listener.local_addr().unwrap());
        let serving = std::thread::spawn(move || {
            for n in 0..requests {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = [0; 1024];
                let length = stream.read(&mut head).unwrap();
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                let path = head.split_whitespace().nth(1).unwrap();
                let used = 1_000_000 * n as u64;
                let host = 10_000_000 * n as u64;
                let body = match path {
                    "/v4/abc/stats" => format!(
                        r#"{{"cpu_stats":{{"cpu_usage":{{"total_usage":{used}}},"system_cpu_usage":{host},"online_cpus":2}}}}"#
                    ),
                    "/v4/abc/task" => r#"{"Limits":{"CPU":0.5},"Containers":[{"DockerId":"x"}]}"#.to_owned(),
                    "/v4/abc" => r#"{"DockerId":"x"}"#.to_owned(),
                    other => panic!("{other}"),
                };
                write!(
                    stream,
                    "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{body}"
                )
                .unwrap();
            }
        });
        (uri, serving)
    }

    #[test]
    fn an_ecs_task_is_sampled_over_http() {
        let (uri, serving) = endpoint(4);
        let mut probe = CpuProbe::on(Platform::Ecs { uri });
        assert_eq!(
            probe.sample().unwrap(),
            None,
            "the first one has nothing to compare with"
        );
        // 1 of 10 of two processors, of which half of one may be used.
        assert_eq!(probe.sample().unwrap(), Some(40.0));
        serving.join().unwrap();
        assert!(
            matches!(probe.sample(), Err(ProbeError::Endpoint { .. })),
            "it is gone"
        );
    }

    #[test]
    fn control_groups_are_read_from_files() {
        let root = std::env::temp_dir().join(format!("kcl-probe-{}", std::process::id()));
        fs::create_dir_all(root.join("cpu,cpuacct")).unwrap();
        fs::create_dir_all(root.join("cpuset")).unwrap();
        let files = [
            ("cpu.stat", "usage_usec 2000000\n"),
            ("cpu.max", "max 100000\n"),
            ("cpuset.cpus.effective", "0-3\n"),
            ("cpu,cpuacct/cpuacct.usage", "3000000000\n"),
            ("cpu,cpuacct/cpu.cfs_quota_us", "50000\n"),
            ("cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ];
        for (name, text) in files {
            fs::write(root.join(name), text).unwrap();
        }
        let two = cgroup2(&root).unwrap();
        assert!(
            matches!(two, Reading::Group { used, processors, .. } if used.as_secs() == 2 && processors == 4.0)
        );
        let one = cgroup1(&root).unwrap();
        assert!(
            matches!(one, Reading::Group { used, processors, .. } if used.as_secs() == 3 && processors == 0.5)
        );
        fs::remove_file(root.join("cpu.stat")).unwrap();
        assert!(matches!(cgroup2(&root), Err(ProbeError::File { path, .. }) if path.ends_with("cpu.stat")));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn addresses_that_are_none_are_errors() {
        for odd in ["", "https://127.0.0.1/", "http://"] {
            assert!(matches!(get(odd), Err(ProbeError::Endpoint { .. })), "{odd}");
        }
        assert_eq!(CpuProbe::on(Platform::Unknown).sample().unwrap(), None);
    }
}
