//! The endpoint, in a process of its own: started by the benchmark, ended with it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::BoxError;

/// Serves until stdin closes, which it does when the benchmark ends, however it ends.
pub(crate) fn serve() -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let local = runtime.block_on(kinesis_local::Local::start())?;
    let line = json!({"kinesis": local.kinesis_url(), "dynamodb": local.dynamodb_url()});
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    out.flush()?;
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    runtime.block_on(local.stop());
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
    pub(crate) fn start() -> Result<Self, BoxError> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("endpoint")
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
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // Nothing to do about a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
