//! `kinesis-local`: the embedded Kinesis and DynamoDB as a process of their own.
//!
//! Prints one JSON line with the endpoints on stdout once both are ready, and ends on Ctrl-C and SIGTERM.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kinesis_local::{CreateStreamError, Latency, Local, LocalBuilder, StartError};
use serde::Serialize;

/// Kinesis and DynamoDB on loopback, in memory, for tests and benchmarks.
///
/// Prints one JSON line, {"kinesis": URL, "dynamodb": URL}, on stdout when both are ready. Ends on Ctrl-C and SIGTERM.
/// The README shows the calls of the control endpoint.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Port of the Kinesis endpoint on 127.0.0.1; 0 takes any free one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    kinesis_port: u16,

    /// Port of the DynamoDB endpoint on 127.0.0.1; 0 takes any free one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    dynamodb_port: u16,

    /// A stream to create before the line is printed; may be given several times.
    #[arg(long = "stream", value_name = "NAME:SHARDS")]
    streams: Vec<String>,

    /// Serve HTTPS with a certificate made at start; the line then has "certificate", the path of its PEM file.
    #[arg(long)]
    tls: bool,

    /// Enforce the service's rates and quotas: 1,000 records and 1 MiB written and 2 MiB read per second and shard, ...
    #[arg(long)]
    limits: bool,

    /// Answer as slowly as the service: puts 10 ms, reads 15 ms, fan-out 70 ms, ListShards 30 ms, DynamoDB 5 ms.
    #[arg(long)]
    latency: bool,

    /// Open a control endpoint on this port of 127.0.0.1 (0 takes any free one), for faults, reshards, state and
    /// history; the line then has "control". Whoever reaches the port may do anything.
    #[arg(long, value_name = "PORT")]
    control: Option<u16>,

    /// Bytes of records to hold, with an optional K, M or G (1024-fold each); above it the oldest go.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_memory: Option<u64>,

    /// What everything left to chance is drawn from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)
        .and_then(|runtime| {
            let outcome = runtime.block_on(run(&arguments));
            runtime.shutdown_timeout(SHUTDOWN);
            outcome
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // An argument quoted in it may hold line breaks.
            let line = failure.to_string().replace(['\n', '\r'], " ");
            // If nobody reads stderr there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "kinesis-local: {line}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let streams = arguments
        .streams
        .iter()
        .map(|text| stream(text))
        .collect::<Result<Vec<_>, _>>()?;
    // Before the line is printed, so that a signal in answer to it is never the default, sudden one.
    let ended = end_signal().map_err(Failure::Signals)?;

    let local = builder(arguments).start().await?;
    for (name, shards) in streams {
        local.create_stream(name, shards).await?;
    }
    let certificate = local.certificate_pem().map(CertificateFile::write).transpose()?;
    announce(&Ready {
        kinesis: local.kinesis_url(),
        dynamodb: local.dynamodb_url(),
        control: local.control_url(),
        certificate: certificate.as_ref().map(|file| &file.path),
    });
    ended.await;
    local.stop().await;
    Ok(())
}

fn builder(arguments: &Arguments) -> LocalBuilder {
    let mut builder = Local::builder()
        .kinesis_port(arguments.kinesis_port)
        .dynamodb_port(arguments.dynamodb_port)
        .tls(arguments.tls)
        .service_limits(arguments.limits)
        .seed(arguments.seed);
    if arguments.latency {
        builder = builder.latency(Latency::service());
    }
    if let Some(bytes) = arguments.max_memory {
        builder = builder.max_memory(bytes);
    }
    if let Some(port) = arguments.control {
        builder = builder.control_port(port).history_limit(HISTORY_LIMIT);
    }
    builder
}

/// A number of bytes such as `512M`.
fn bytes(text: &str) -> Result<u64, String> {
    let (digits, power) = match text.char_indices().next_back() {
        Some((end, 'k' | 'K')) => (&text[..end], 1),
        Some((end, 'm' | 'M')) => (&text[..end], 2),
        Some((end, 'g' | 'G')) => (&text[..end], 3),
        _ => (text, 0),
    };
    let number: u64 = digits.parse().map_err(|_| "write it like 512M".to_owned())?;
    number
        .checked_mul(1 << (10 * power))
        .ok_or_else(|| "that is more than any memory".to_owned())
}

#[derive(Serialize)]
struct Ready<'a> {
    kinesis: &'a str,
    dynamodb: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    control: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<&'a PathBuf>,
}

/// Prints the one line. A reader that has gone away, as `head` does, is no reason to end.
fn announce(ready: &Ready<'_>) {
    let Ok(line) = serde_json::to_string(ready) else {
        return;
    };
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn stream(text: &str) -> Result<(&str, u32), Failure> {
    let bad = || Failure::Stream {
        text: text.to_owned(),
    };
    let (name, shards) = text.rsplit_once(':').ok_or_else(bad)?;
    let shards: u32 = shards.parse().map_err(|_| bad())?;
    if name.is_empty() || shards == 0 {
        Err(bad())
    } else {
        Ok((name, shards))
    }
}

/// Resolves on Ctrl-C and, where there is one, SIGTERM. The handlers are in place when this returns.
#[cfg(unix)]
fn end_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn end_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// The certificate on disk for clients in other processes; removed when dropped.
struct CertificateFile {
    path: PathBuf,
}

impl CertificateFile {
    fn write(pem: &str) -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("kinesis-local-{}.pem", std::process::id()));
        let failed = |source| Failure::Certificate {
            path: path.clone(),
            source,
        };
        // A process with our id that died without cleaning up may have left one; nobody else's is ever written to.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut file = std::fs::File::create_new(&path).map_err(failed)?;
        file.write_all(pem.as_bytes()).map_err(failed)?;
        Ok(Self { path })
    }
}

impl Drop for CertificateFile {
    fn drop(&mut self) {
        // Nothing to do about a file that somebody else removed.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What ends the program with exit code 1, as one line with the way out.
#[derive(Debug)]
enum Failure {
    Runtime(std::io::Error),
    Signals(std::io::Error),
    Start(StartError),
    Stream { text: String },
    CreateStream(CreateStreamError),
    Certificate { path: PathBuf, source: std::io::Error },
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<CreateStreamError> for Failure {
    fn from(error: CreateStreamError) -> Self {
        Self::CreateStream(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runtime(error) => write!(f, "cannot start threads: {error}"),
            Self::Signals(error) => write!(f, "cannot wait for signals: {error}"),
            Self::Start(error) => {
                write!(f, "{}", Causes(error))?;
                if error.is_port_in_use() {
                    f.write_str("; choose another port, or 0 for any free one")
                } else {
                    Ok(())
                }
            }
            Self::Stream { text } => {
                write!(
                    f,
                    "--stream {text:?} is not NAME:SHARDS with at least one shard; write it like orders:4"
                )
            }
            Self::CreateStream(error) => write!(f, "{error}; check --stream"),
            Self::Certificate { path, source } => {
                write!(
                    f,
                    "cannot write the certificate to {}: {source}; set TMPDIR to a folder that can be written",
                    path.display()
                )
            }
        }
    }
}

/// An error and its causes in one line.
struct Causes<'a>(&'a dyn std::error::Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Calls and events that the control endpoint can tell of, about 250 bytes each.
const HISTORY_LIMIT: usize = 100_000;

/// How long blocking work may hold up the end of the process; there is none in regular use.
const SHUTDOWN: Duration = Duration::from_secs(1);
