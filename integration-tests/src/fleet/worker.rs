//! One `consume` process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kinesis_local::Local;
use tokio::time::{Instant, sleep};

use super::error::FleetError;

/// A worker, killed when dropped.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) name: String,
    pub(super) output: PathBuf,
    child: Child,
    errors: PathBuf,
}

/// What a process has used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    pub(super) cpu: Duration,
    /// Its resident set at its largest.
    pub(super) peak_bytes: u64,
}

impl Worker {
    /// Starts `consume` as `name`, with some flags more.
    pub(super) fn start(
        local: &Local,
        folder: &Path,
        name: &str,
        stream: &str,
        flags: &[&str],
    ) -> Result<Self, FleetError> {
        let program = std::env::current_exe()
            .map(|path| path.with_file_name("consume"))
            .map_err(FleetError::system("cannot find this program"))?;
        let (output, errors) = (
            folder.join(format!("{name}.jsonl")),
            folder.join(format!("{name}.err")),
        );
        let stderr = File::create(&errors).map_err(FleetError::system("cannot write beside the output"))?;
        let child = Command::new(&program)
            .args(["--stream", stream, "--application", stream, "--worker-id", name])
            .args(flags)
            .args(["--endpoint-url", local.kinesis_url()])
            .args(["--dynamodb-endpoint-url", local.dynamodb_url()])
            .arg("--output")
            .arg(&output)
            .env("AWS_CONFIG_FILE", "/nonexistent/config")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .map_err(FleetError::system(format!("cannot start {}", program.display())))?;
        Ok(Self {
            name: name.to_owned(),
            output,
            child,
            errors,
        })
    }

    /// Sends a signal, such as `STOP`.
    pub(super) fn signal(&self, signal: &str) -> Result<(), FleetError> {
        let what = || format!("cannot send {signal} to {}", self.name);
        let status = Command::new("kill")
            .args([format!("-{signal}"), self.child.id().to_string()])
            .status()
            .map_err(FleetError::system(what()))?;
        match status.success() {
            true => Ok(()),
            false => Err(self.ended()),
        }
    }

    /// Waits for the end, which is asked for already.
    pub(super) async fn end(mut self) -> Result<(), FleetError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = self.child.try_wait();
            if ended.map_err(FleetError::system("cannot wait"))?.is_some() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(FleetError::TooLate {
                    what: format!("end of {}", self.name),
                    limit: PATIENCE,
                    seen: "it runs".to_owned(),
                });
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Fails if the process is not there any more.
    pub(super) fn check(&mut self) -> Result<(), FleetError> {
        match self.child.try_wait().map_err(FleetError::system("cannot wait"))? {
            Some(_) => Err(self.ended()),
            None => Ok(()),
        }
    }

    fn ended(&self) -> FleetError {
        FleetError::Ended {
            worker: self.name.clone(),
            said: fs::read_to_string(&self.errors).unwrap_or_default(),
        }
    }

    /// What it has used so far, as the kernel counts it.
    pub(super) fn usage(&self) -> Result<Usage, FleetError> {
        let id = self.child.id();
        let read = |file: &str| {
            let path = format!("/proc/{id}/{file}");
            fs::read_to_string(&path).map_err(FleetError::system(format!("cannot read {path}")))
        };
        let (status, stat) = (read("status")?, read("stat")?);
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = peak
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .unwrap_or_default();
        // The second field is the command in parentheses and may hold anything: counted from its end.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|ticks| ticks.parse::<u64>().ok())
            .sum();
        Ok(Usage {
            cpu: Duration::from_millis(ticks * 10),
            peak_bytes: kib * 1024,
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and need not be. A paused one can.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Longer than a clean end may take.
const PATIENCE: Duration = Duration::from_secs(20);
