//! Runs the programs as a user would: their own processes, their own environment, an endpoint to talk to.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::tempdir::TempDir;
use kinesis_local::Local;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// An endpoint and a folder, both gone at the end.
pub(crate) struct Stage {
    pub(crate) local: Local,
    dir: TempDir,
}

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self {
            local: Local::builder()
                .history_limit(HISTORY)
                .start()
                .await
                .expect("a free port"),
            dir: TempDir::new(),
        }
    }

    /// The same with the stream `s`.
    pub(crate) async fn with_shards(shards: u32) -> Self {
        let stage = Self::new().await;
        stage.local.create_stream("s", shards).await.expect("a stream");
        stage
    }

    /// A file with that content.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a writable temporary directory");
        text(&path)
    }

    /// Where such a file would be.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `produce` with the stream `s` on this endpoint.
    pub(crate) fn produce(&self, more: &[&str]) -> Command {
        let url = self.local.kinesis_url();
        program(
            env!("CARGO_BIN_EXE_produce"),
            &[&["--stream", "s", "--endpoint-url", url], more].concat(),
        )
    }

    /// `consume` with the stream `s` and the application `app` on this endpoint.
    pub(crate) fn consume(&self, more: &[&str]) -> Command {
        let (kinesis, dynamodb) = (self.local.kinesis_url(), self.local.dynamodb_url());
        let fixed = ["--stream", "s", "--application", "app", "--endpoint-url", kinesis];
        program(
            env!("CARGO_BIN_EXE_consume"),
            &[&fixed[..], &["--dynamodb-endpoint-url", dynamodb], more].concat(),
        )
    }
}

/// A program with nothing of ours in its environment: no credentials, no profile, nobody to ask for them.
pub(crate) fn program(path: &str, args: &[&str]) -> Command {
    let mut command = Command::new(path);
    command
        .args(args)
        .env_clear()
        .env("AWS_CONFIG_FILE", "/nonexistent/config")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs to the end, which must come within the time that was promised.
pub(crate) async fn run(command: &mut Command) -> Ended {
    ended(command.spawn().expect("a built program")).await
}

/// Runs with that on stdin.
pub(crate) async fn run_with_stdin(command: &mut Command, input: &[u8]) -> Ended {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("a built program");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let (ended, _) = tokio::join!(ended(child), async move {
        // A program that has seen enough closes its end.
        let _ = stdin.write_all(&input).await;
    });
    ended
}

/// Waits for the end.
pub(crate) async fn ended(child: Child) -> Ended {
    let output = timeout(PROMISED, child.wait_with_output())
        .await
        .expect("an end in time")
        .expect("an output");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

impl Ended {
    /// The last line on stdout.
    pub(crate) fn summary(&self) -> Value {
        let line = self
            .stdout
            .lines()
            .last()
            .unwrap_or_else(|| panic!("nothing on stdout: {self:?}"));
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn records(&self) -> u64 {
        self.summary()["records"].as_u64().expect("a count")
    }

    /// Fails unless the program gave up as promised: exit code 1, and one line that holds all of `parts`.
    #[track_caller]
    pub(crate) fn assert_gave_up(&self, case: &str, parts: &[&str]) {
        assert_eq!(self.code, Some(1), "{case}: {self:?}");
        let lines: Vec<_> = self.stderr.lines().collect();
        let [line] = lines[..] else {
            panic!("{case}: not one line but {lines:#?}")
        };
        assert!(
            line.starts_with("error: ") && line.contains("; "),
            "{case}: {line}"
        );
        for part in parts {
            assert!(line.contains(part), "{case}: no \"{part}\" in \"{line}\"");
        }
    }

    #[track_caller]
    pub(crate) fn assert_done(&self) {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
    }
}

/// Sends a signal, such as `TERM`.
pub(crate) async fn signal(child: &Child, name: &str) {
    let id = child.id().expect("still running").to_string();
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &id])
        .status()
        .await
        .expect("kill");
    assert!(sent.success());
}

/// Waits for a condition, which must come true in good time.
#[track_caller]
pub(crate) fn until(what: &str, condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    wait(
        format!("{what} (from {})", std::panic::Location::caller()),
        condition,
    )
}

async fn wait(what: String, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// The whole lines of a worker's output, which may not be there yet.
pub(crate) fn output_lines(path: &Path) -> Vec<Value> {
    let content = std::fs::read_to_string(path).unwrap_or_default();
    let whole = content.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// A port on which nobody listens.
pub(crate) fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// A free port, and its URL. Whoever connects hears nothing until something is accepted.
pub(crate) async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    (listener, url)
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("a path of ours").to_owned()
}

/// Every end comes within this time.
pub(crate) const PROMISED: Duration = Duration::from_secs(15);
/// Entries that are kept of what the endpoint did.
const HISTORY: usize = 10_000;
