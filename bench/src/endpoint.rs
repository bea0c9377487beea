//! The endpoint, in a process of its own: started by the benchmark, ended with it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use axum::extract::DefaultBodyLimit;
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::BoxError;

/// What serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// `kinesis-local`.
    Ours,
    /// The witness; it has no DynamoDB.
    Ferrokinesis,
}

/// Serves until stdin closes, which it does when the benchmark ends, however it ends.
pub(crate) fn serve(engine: Engine) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    match engine {
        Engine::Ours => {
            let local = runtime.block_on(kinesis_local::Local::start())?;
            until_stdin_closes(local.kinesis_url(), local.dynamodb_url())?;
            runtime.block_on(local.stop());
        }
        Engine::Ferrokinesis => {
            let (app, _store) = ferrokinesis::create_app(ferrokinesis::store::StoreOptions {
                enforce_limits: false,
                ..Default::default()
            });
            // As its own program raises it: a request of 5 MB of data in Base64 is more than the framework's default.
            let app = app.layer(DefaultBodyLimit::max(16 * 1024 * 1024));
            let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
            let url = format!("http://{}", listener.local_addr()?);
            let server = runtime.spawn(async move { axum::serve(listener, app).await });
            until_stdin_closes(&url, "")?;
            server.abort();
        }
    }
    Ok(())
}

fn until_stdin_closes(kinesis: &str, dynamodb: &str) -> Result<(), BoxError> {
    let mut out = std::io::stdout();
    writeln!(out, "{}", json!({"kinesis": kinesis, "dynamodb": dynamodb}))?;
    out.flush()?;
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

/// A running endpoint process.
#[derive(Debug)]
pub(crate) struct Endpoint {
    child: Child,
    pub(crate) kinesis: String,
    pub(crate) dynamodb: String,
}

impl Endpoint {
    pub(crate) fn start(engine: Engine) -> Result<Self, BoxError> {
        let engine = engine.to_possible_value().ok_or("an engine has a name")?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["endpoint", engine.get_name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
        let urls: Value = serde_json::from_str(&line)?;
        let url = |name: &str| urls[name].as_str().map(str::to_owned).ok_or("no endpoint URL");
        Ok(Self {
            kinesis: url("kinesis")?,
            dynamodb: url("dynamodb")?,
            child,
        })
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // Nothing to do about a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
